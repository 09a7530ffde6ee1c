// Sixteen lanes of four codes for codes_template.h, on top of vector_avx512.h. With CODES_VNNI, sums of four products of
// bytes are one instruction.

#include <math.h>

typedef __m512i I;
enum { TILE_VECTORS = 4, TILE_ROWS = 6, EXACT_ROWS = 6, SINGLE_VECTORS = 4, KEPT_SUMS = 12 };

INLINE I i_set(int32_t a) { return _mm512_set1_epi32(a); }
INLINE I i_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE void i_store(void *p, I a) { _mm512_storeu_si512(p, a); }
INLINE V v_from_int(I a) { return _mm512_cvtepi32_ps(a); }
/// What the sum of x has to be multiplied with so that codes count from their zero.
INLINE int32_t i_offset(intptr_t bits, intptr_t zero) { (void)bits; return (int32_t)-zero; }

/// Codes number `share` of bytes that hold several.
INLINE I i_share(I packed, int bits, int share) {
    if (bits == 8) return packed;
    if (share > 0) packed = _mm512_srli_epi32(packed, (unsigned)(bits * share));
    return _mm512_and_si512(packed, _mm512_set1_epi32(bits == 4 ? 0x0f0f0f0f : 0x03030303));
}

#if defined(CODES_VNNI)

#define CODES_DIRECT
typedef I X;
typedef I P;
INLINE X x_set(const int8_t *p, int range) {
    (void)range;
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}
INLINE P p_add(P part, I codes, X x, int range) { (void)range; return _mm512_dpbusd_epi32(part, codes, x); }

#else

/// Four activations in every lane; for codes of 8 bits, bytes 0 and 2, then 1 and 3, as 16-bit integers.
typedef struct X { I even, odd; } X;
/// Of small codes 16-bit sums, whose limit is far: 8 quads * 2 * 15 * 127 < 2^15.
typedef I P;
INLINE X x_set(const int8_t *p, int range) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    I all = _mm512_set1_epi32(four);
    if (range < 8) return (X){all, all};
    return (X){_mm512_srai_epi16(_mm512_slli_epi16(all, 8), 8), _mm512_srai_epi16(all, 8)};
}
INLINE P p_start(void) { return _mm512_setzero_si512(); }
INLINE P p_add(P part, I codes, X x, int range) {
    if (range < 8) return _mm512_add_epi16(part, _mm512_maddubs_epi16(codes, x.even));
    part = _mm512_add_epi32(part, _mm512_madd_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(255)), x.even));
    return _mm512_add_epi32(part, _mm512_madd_epi16(_mm512_srli_epi16(codes, 8), x.odd));
}
INLINE I p_end(I sum, P part, int range) {
    if (range < 8) part = _mm512_madd_epi16(part, _mm512_set1_epi16(1));
    return _mm512_add_epi32(sum, part);
}

#endif

/// Turns codes of one column into floats, counted from their zero.
typedef struct Decoder {
    /// Small codes: floats by the low four bits of what they stand in. Bytes: 2^23 + zero in every lane.
    V table;
} Decoder;
INLINE Decoder decoder_for(int bits, int zero) {
    if (bits == 8) return (Decoder){v_set(0x1p23f + (float)zero)};
    float values[16];
    for (int i = 0; i < 16; i++) values[i] = (float)((i & ((1 << bits) - 1)) - zero);
    return (Decoder){v_load(values)};
}
INLINE V decode(Decoder decoder, I packed, int bits, int shift) {
    if (shift > 0) packed = _mm512_srli_epi32(packed, (unsigned)shift);
    if (bits < 8) return _mm512_permutexvar_ps(packed, decoder.table);
    // The byte as the last bits of 2^23 is 2^23 + byte.
    I number = _mm512_ternarylogic_epi32(packed, _mm512_set1_epi32(255), _mm512_set1_epi32(0x4b000000), 0xea);
    return v_sub(_mm512_castsi512_ps(number), decoder.table);
}

/// The bits of |a|, which order as |a| does.
INLINE I i_magnitude(V a) { return _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff)); }
INLINE I i_max(I a, I b) { return _mm512_max_epi32(a, b); }
INLINE int32_t i_largest(I a) { return _mm512_reduce_max_epi32(a); }
INLINE I i_add(I a, I b) { return _mm512_add_epi32(a, b); }
INLINE int32_t i_sum(I a) { return _mm512_reduce_add_epi32(a); }
INLINE I i_nearest(V a) { return _mm512_cvt_roundps_epi32(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE void i_store_bytes(int8_t *p, I a) { _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(a)); }
