// Four lanes of f32 for the kernel templates: 64-bit Arm, whose baseline has fused multiply-add and binary16 conversion.

#include <arm_neon.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define TARGET
#define INLINE static inline __attribute__((always_inline))

typedef float32x4_t V;
enum {
    LANES = 4,
    TALL_FROM = 24, WIDE_BATCH = 6,            // product tiles: 24 accumulators of 32 registers
    TRANSPOSED_VECTORS = 4, TRANSPOSED_BATCH = 6,
    PANEL_SLICES = 1,                         // vectors of 16 rows that one tile of a packed product covers
    REGISTERS = 32,
    GRID_OUTPUTS = 4, GRID_BATCH = 4, GRID_STREAM = 16,
};

INLINE V v_zero(void) { return vdupq_n_f32(0); }
INLINE V v_set(float a) { return vdupq_n_f32(a); }
INLINE V v_load(const float *p) { return vld1q_f32(p); }
INLINE V v_load_part_or(const float *p, intptr_t n, V rest) {
    float lanes[4];
    vst1q_f32(lanes, rest);
    memcpy(lanes, p, (size_t)n * sizeof(float));
    return vld1q_f32(lanes);
}
INLINE V v_load_part(const float *p, intptr_t n) { return v_load_part_or(p, n, vdupq_n_f32(0)); }
INLINE void v_store(float *p, V a) { vst1q_f32(p, a); }
INLINE void v_store_part(float *p, V a, intptr_t n) {
    float lanes[4];
    vst1q_f32(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof(float));
}
INLINE V v_keep(V a, intptr_t n) {
    static const uint32_t index[4] = {0, 1, 2, 3};
    uint32x4_t mask = vcltq_u32(vld1q_u32(index), vdupq_n_u32((uint32_t)n));
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), mask));
}
/// The same for any n: none below 0, all from LANES on.
INLINE V v_load_some(const float *p, intptr_t n) {
    return n >= LANES ? v_load(p) : n > 0 ? v_load_part(p, n) : v_zero();
}
INLINE void v_store_some(float *p, V a, intptr_t n) {
    if (n >= LANES) v_store(p, a);
    else if (n > 0) v_store_part(p, a, n);
}
INLINE V v_add(V a, V b) { return vaddq_f32(a, b); }
INLINE V v_sub(V a, V b) { return vsubq_f32(a, b); }
INLINE V v_mul(V a, V b) { return vmulq_f32(a, b); }
INLINE V v_div(V a, V b) { return vdivq_f32(a, b); }
INLINE V v_fma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
INLINE V v_fnma(V a, V b, V c) { return vfmsq_f32(c, a, b); }
/// A NaN in either operand wins.
INLINE V v_min(V a, V b) { return vminq_f32(a, b); }
INLINE V v_max(V a, V b) { return vmaxq_f32(a, b); }
INLINE V v_abs(V a) { return vabsq_f32(a); }
INLINE V v_round(V a) { return vrndnq_f32(a); }
/// a * 2^n for integral |n| <= 250, down to 0 and up to infinity: in two steps, for 2^n itself may not be representable.
INLINE V v_scale(V a, V n) {
    int32x4_t whole = vcvtq_s32_f32(n), first = vshrq_n_s32(whole, 1), second = vsubq_s32(whole, first);
    int32x4_t bias = vdupq_n_s32(127);
    a = vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(first, bias), 23)));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(second, bias), 23)));
}
/// x < y ? less : other, lane by lane.
INLINE V v_where_less(V x, V y, V less, V other) { return vbslq_f32(vcltq_f32(x, y), less, other); }
INLINE V v_where_negative(V x, V negative, V other) {
    return vbslq_f32(vcltzq_f32(x), negative, other);
}

/// Pairs neighbouring lanes, then the pairs; v_sum4 does the same to four vectors.
INLINE float v_sum(V a) {
    V pairs = vpaddq_f32(a, a);
    return vgetq_lane_f32(vpaddq_f32(pairs, pairs), 0);
}
typedef float32x4_t Four;
INLINE Four v_sum4(V a, V b, V c, V d) { return vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)); }
INLINE void four_store(float *p, Four a) { vst1q_f32(p, a); }
INLINE Four four_load(const float *p) { return vld1q_f32(p); }
INLINE Four four_add(Four a, Four b) { return vaddq_f32(a, b); }

INLINE float v_largest(V a) { return vmaxvq_f32(a); }

INLINE float from_half(uint16_t h) { return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0); }
INLINE V v_from_half(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
INLINE void v_to_half(uint16_t *p, V a) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a))); }
INLINE V v_from_bfloat(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
/// The even and the odd columns of LANES rows of a packed bfloat16 pair of columns.
INLINE V v_even_bfloats(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_u16(vld1q_u16(p)), 16));
}
INLINE V v_odd_bfloats(const uint16_t *p) {
    uint32x4_t pairs = vreinterpretq_u32_u16(vld1q_u16(p));
    return vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000)));
}
INLINE void v_to_bfloat(uint16_t *p, V a) {
    uint32x4_t u = vreinterpretq_u32_f32(a), high = vshrq_n_u32(u, 16);
    uint32x4_t odd = vandq_u32(high, vdupq_n_u32(1));
    uint32x4_t rounded = vshrq_n_u32(vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
    uint32x4_t quiet = vorrq_u32(high, vdupq_n_u32(0x40));
    vst1_u16(p, vmovn_u32(vbslq_u32(vceqq_f32(a, a), rounded, quiet)));
}

/// y[0..<16] = scale * (code - 128) for 16 bytes.
INLINE void dequantize_bytes(const uint8_t *p, V scale, float *y) {
    int8x16_t codes = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), vdupq_n_u8(0x80)));
    int16x8_t low = vmovl_s8(vget_low_s8(codes)), high = vmovl_s8(vget_high_s8(codes));
    vst1q_f32(y, vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)))));
    vst1q_f32(y + 4, vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)))));
    vst1q_f32(y + 8, vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)))));
    vst1q_f32(y + 12, vmulq_f32(scale, vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))));
}
/// y[0..<16] = scale * (code - 2^(bits-1)) for at most 6 bits, eight codes in the low bits of each word.
INLINE void dequantize_words(uint64_t low, uint64_t high, int bits, V scale, float *y) {
    // A shift to the left by a negative count is a shift to the right.
    static const int32_t index[4] = {0, -1, -2, -3};
    int32x4_t shifts = vmulq_s32(vld1q_s32(index), vdupq_n_s32(bits));
    uint32x4_t mask = vdupq_n_u32((1u << bits) - 1u);
    for (int part = 0; part < 4; part++) {
        uint32_t word = (uint32_t)((part < 2 ? low : high) >> (part & 1 ? 4 * bits : 0));
        uint32x4_t codes = vandq_u32(vshlq_u32(vdupq_n_u32(word), shifts), mask);
        int32x4_t centred = vsubq_s32(vreinterpretq_s32_u32(codes), vdupq_n_s32(1 << (bits - 1)));
        vst1q_f32(y + 4 * part, vmulq_f32(scale, vcvtq_f32_s32(centred)));
    }
}
