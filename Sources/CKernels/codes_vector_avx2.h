// Eight lanes of four codes for codes_template.h, on top of vector_avx2.h.

#include <math.h>

typedef __m256i I;
enum { TILE_VECTORS = 2, TILE_ROWS = 4, EXACT_ROWS = 6, SINGLE_VECTORS = 4, KEPT_SUMS = 4 };

INLINE I i_set(int32_t a) { return _mm256_set1_epi32(a); }
INLINE I i_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE void i_store(void *p, I a) { _mm256_storeu_si256((__m256i *)p, a); }
INLINE V v_from_int(I a) { return _mm256_cvtepi32_ps(a); }
/// What the sum of x has to be multiplied with so that codes count from their zero.
INLINE int32_t i_offset(intptr_t bits, intptr_t zero) { (void)bits; return (int32_t)-zero; }

/// Codes number `share` of bytes that hold several.
INLINE I i_share(I packed, int bits, int share) {
    if (bits == 8) return packed;
    if (share > 0) packed = _mm256_srli_epi32(packed, bits * share);
    return _mm256_and_si256(packed, _mm256_set1_epi32(bits == 4 ? 0x0f0f0f0f : 0x03030303));
}

/// Four activations in every lane; for codes of 8 bits, bytes 0 and 2, then 1 and 3, as 16-bit integers.
typedef struct X { I even, odd; } X;
/// Of small codes 16-bit sums, whose limit is far: 8 quads * 2 * 15 * 127 < 2^15.
typedef I P;
INLINE X x_set(const int8_t *p, int range) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    I all = _mm256_set1_epi32(four);
    if (range < 8) return (X){all, all};
    return (X){_mm256_srai_epi16(_mm256_slli_epi16(all, 8), 8), _mm256_srai_epi16(all, 8)};
}
INLINE P p_start(void) { return _mm256_setzero_si256(); }
INLINE P p_add(P part, I codes, X x, int range) {
    if (range < 8) return _mm256_add_epi16(part, _mm256_maddubs_epi16(codes, x.even));
    part = _mm256_add_epi32(part, _mm256_madd_epi16(_mm256_and_si256(codes, _mm256_set1_epi16(255)), x.even));
    return _mm256_add_epi32(part, _mm256_madd_epi16(_mm256_srli_epi16(codes, 8), x.odd));
}
INLINE I p_end(I sum, P part, int range) {
    if (range < 8) part = _mm256_madd_epi16(part, _mm256_set1_epi16(1));
    return _mm256_add_epi32(sum, part);
}

/// Turns codes of one column into floats, counted from their zero.
typedef struct Decoder {
    /// 2 bits: floats by the low three bits of what they stand in. Otherwise 2^23 + zero in every lane.
    V table;
} Decoder;
INLINE Decoder decoder_for(int bits, int zero) {
    if (bits > 2) return (Decoder){v_set(0x1p23f + (float)zero)};
    float values[8];
    for (int i = 0; i < 8; i++) values[i] = (float)((i & 3) - zero);
    return (Decoder){v_load(values)};
}
INLINE V decode(Decoder decoder, I packed, int bits, int shift) {
    if (shift > 0) packed = _mm256_srli_epi32(packed, shift);
    if (bits == 2) return _mm256_permutevar8x32_ps(decoder.table, packed);
    // The code as the last bits of 2^23 is 2^23 + code.
    I code = _mm256_and_si256(packed, _mm256_set1_epi32((1 << bits) - 1));
    I number = _mm256_or_si256(code, _mm256_set1_epi32(0x4b000000));
    return v_sub(_mm256_castsi256_ps(number), decoder.table);
}

/// The bits of |a|, which order as |a| does.
INLINE I i_magnitude(V a) { return _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7fffffff)); }
INLINE I i_max(I a, I b) { return _mm256_max_epi32(a, b); }
INLINE int32_t i_largest(I a) {
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1)));
}
INLINE I i_add(I a, I b) { return _mm256_add_epi32(a, b); }
INLINE int32_t i_sum(I a) {
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}
INLINE I i_nearest(V a) { return _mm256_cvtps_epi32(v_round(a)); }
INLINE void i_store_bytes(int8_t *p, I a) {
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(words, words));
}
