// Four lanes of four codes for codes_template.h, on top of vector_neon.h. With CODES_DOT, sums of four products of bytes
// are one instruction.

typedef int32x4_t I;
enum { TILE_VECTORS = 4, TILE_ROWS = 3, EXACT_ROWS = 3, SINGLE_VECTORS = 8, KEPT_SUMS = 8 };

INLINE I i_set(int32_t a) { return vdupq_n_s32(a); }
INLINE I i_load(const void *p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }
INLINE void i_store(void *p, I a) { vst1q_u8(p, vreinterpretq_u8_s32(a)); }
INLINE V v_from_int(I a) { return vcvtq_f32_s32(a); }
/// What the sum of x has to be multiplied with so that codes count from their zero. Products are of signed bytes:
/// codes of 8 bits enter as code - 128.
INLINE int32_t i_offset(intptr_t bits, intptr_t zero) { return (int32_t)((bits == 8 ? 128 : 0) - zero); }

/// Codes number `share` of bytes that hold several.
INLINE I i_share(I packed, int bits, int share) {
    if (bits == 8) return packed;
    uint8x16_t bytes = vreinterpretq_u8_s32(packed);
    if (share > 0) bytes = vshlq_u8(bytes, vdupq_n_s8((int8_t)(-bits * share)));
    return vreinterpretq_s32_u8(vandq_u8(bytes, vdupq_n_u8(bits == 4 ? 15 : 3)));
}

typedef int8x16_t X;
INLINE X x_set(const int8_t *p, int range) {
    (void)range;
    int32_t four;
    memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
INLINE int8x16_t signed_codes(I codes, int range) {
    int8x16_t bytes = vreinterpretq_s8_s32(codes);
    return range < 8 ? bytes : veorq_s8(bytes, vdupq_n_s8(-128));
}

#if defined(CODES_DOT)

#define CODES_DIRECT
typedef I P;
INLINE P p_add(P part, I codes, X x, int range) { return vdotq_s32(part, signed_codes(codes, range), x); }

#else

/// Sums of columns 0 + 1 and 2 + 3 of rows 0 and 1, and of rows 2 and 3.
typedef struct P { int32x4_t low, high; } P;
INLINE P p_start(void) { return (P){vdupq_n_s32(0), vdupq_n_s32(0)}; }
INLINE P p_add(P part, I codes, X x, int range) {
    int8x16_t bytes = signed_codes(codes, range);
    part.low = vpadalq_s16(part.low, vmull_s8(vget_low_s8(bytes), vget_low_s8(x)));
    part.high = vpadalq_s16(part.high, vmull_high_s8(bytes, x));
    return part;
}
INLINE I p_end(I sum, P part, int range) { (void)range; return vaddq_s32(sum, vpaddq_s32(part.low, part.high)); }

#endif

/// Turns codes of one column into floats, counted from their zero.
typedef struct Decoder { int32x4_t zero; } Decoder;
INLINE Decoder decoder_for(int bits, int zero) { (void)bits; return (Decoder){vdupq_n_s32(zero)}; }
INLINE V decode(Decoder decoder, I packed, int bits, int shift) {
    uint32x4_t codes = vshlq_u32(vreinterpretq_u32_s32(packed), vdupq_n_s32(-shift));
    codes = vandq_u32(codes, vdupq_n_u32((1u << bits) - 1));
    return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(codes), decoder.zero));
}

/// The bits of |a|, which order as |a| does.
INLINE I i_magnitude(V a) { return vreinterpretq_s32_f32(vabsq_f32(a)); }
INLINE I i_max(I a, I b) { return vmaxq_s32(a, b); }
INLINE int32_t i_largest(I a) { return vmaxvq_s32(a); }
INLINE I i_add(I a, I b) { return vaddq_s32(a, b); }
INLINE int32_t i_sum(I a) { return vaddvq_s32(a); }
INLINE I i_nearest(V a) { return vcvtnq_s32_f32(a); }
INLINE void i_store_bytes(int8_t *p, I a) {
    int16x4_t words = vqmovn_s32(a);
    int8x8_t bytes = vqmovn_s16(vcombine_s16(words, words));
    vst1_lane_s32((int32_t *)(void *)p, vreinterpret_s32_s8(bytes), 0);
}
