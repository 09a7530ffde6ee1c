// Eight lanes of f32 for the kernel templates: AVX2, FMA, F16C.

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE TARGET static inline __attribute__((always_inline))

typedef __m256 V;
enum {
    LANES = 8,
    TALL_FROM = 1 << 30, WIDE_BATCH = 3,       // product tiles: 12 accumulators of 16 registers
    TRANSPOSED_VECTORS = 2, TRANSPOSED_BATCH = 6,
    PANEL_SLICES = 1,                         // vectors of 16 rows that one tile of a packed product covers
    REGISTERS = 16,
    GRID_OUTPUTS = 2, GRID_BATCH = 4, GRID_STREAM = 8,
};

INLINE __m256i first_lanes(intptr_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE V v_zero(void) { return _mm256_setzero_ps(); }
INLINE V v_set(float a) { return _mm256_set1_ps(a); }
INLINE V v_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE V v_load_part(const float *p, intptr_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
INLINE V v_load_part_or(const float *p, intptr_t n, V rest) {
    __m256i mask = first_lanes(n);
    return _mm256_blendv_ps(rest, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
INLINE void v_store(float *p, V a) { _mm256_storeu_ps(p, a); }
INLINE void v_store_part(float *p, V a, intptr_t n) { _mm256_maskstore_ps(p, first_lanes(n), a); }
INLINE V v_keep(V a, intptr_t n) { return _mm256_and_ps(a, _mm256_castsi256_ps(first_lanes(n))); }
/// The same for any n: none below 0, all from LANES on.
INLINE V v_load_some(const float *p, intptr_t n) { return v_load_part(p, n); }
INLINE void v_store_some(float *p, V a, intptr_t n) { v_store_part(p, a, n); }
INLINE V v_add(V a, V b) { return _mm256_add_ps(a, b); }
INLINE V v_sub(V a, V b) { return _mm256_sub_ps(a, b); }
INLINE V v_mul(V a, V b) { return _mm256_mul_ps(a, b); }
INLINE V v_div(V a, V b) { return _mm256_div_ps(a, b); }
INLINE V v_fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
INLINE V v_fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
/// A NaN in the second operand wins.
INLINE V v_min(V a, V b) { return _mm256_min_ps(a, b); }
INLINE V v_max(V a, V b) { return _mm256_max_ps(a, b); }
INLINE V v_abs(V a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
INLINE V v_round(V a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// a * 2^n for integral |n| <= 250, down to 0 and up to infinity: in two steps, for 2^n itself may not be representable.
INLINE V v_scale(V a, V n) {
    __m256i whole = _mm256_cvtps_epi32(n), first = _mm256_srai_epi32(whole, 1), second = _mm256_sub_epi32(whole, first);
    __m256i bias = _mm256_set1_epi32(127);
    a = _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(first, bias), 23)));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(second, bias), 23)));
}
/// x < y ? less : other, lane by lane.
INLINE V v_where_less(V x, V y, V less, V other) {
    return _mm256_blendv_ps(other, less, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
}
INLINE V v_where_negative(V x, V negative, V other) {
    return _mm256_blendv_ps(other, negative, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}

/// Pairs lanes 4, 2 and 1 apart, in that order; v_sum4 does the same to four vectors.
INLINE float v_sum(V a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_permute_ps(s, 0x4e));
    s = _mm_add_ps(s, _mm_permute_ps(s, 0xb1));
    return _mm_cvtss_f32(s);
}
INLINE __m128 v_sum4(V a, V b, V c, V d) {
    V ac = _mm256_add_ps(_mm256_permute2f128_ps(a, c, 0x20), _mm256_permute2f128_ps(a, c, 0x31));
    V bd = _mm256_add_ps(_mm256_permute2f128_ps(b, d, 0x20), _mm256_permute2f128_ps(b, d, 0x31));
    V low = _mm256_shuffle_ps(ac, bd, 0x44), high = _mm256_shuffle_ps(ac, bd, 0xee);
    V pairs = _mm256_add_ps(low, high);
    __m128 ab = _mm256_castps256_ps128(pairs), cd = _mm256_extractf128_ps(pairs, 1);
    return _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd));
}
typedef __m128 Four;
INLINE void four_store(float *p, Four a) { _mm_storeu_ps(p, a); }
INLINE Four four_load(const float *p) { return _mm_loadu_ps(p); }
INLINE Four four_add(Four a, Four b) { return _mm_add_ps(a, b); }

INLINE float v_largest(V a) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_permute_ps(s, 0x4e));
    return _mm_cvtss_f32(_mm_max_ps(s, _mm_permute_ps(s, 0xb1)));
}

INLINE float from_half(uint16_t h) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h))); }
INLINE V v_from_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INLINE void v_to_half(uint16_t *p, V a) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE V v_from_bfloat(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
/// The even and the odd columns of LANES rows of a packed bfloat16 pair of columns.
INLINE V v_even_bfloats(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)p), 16));
}
INLINE V v_odd_bfloats(const uint16_t *p) {
    __m256i pairs = _mm256_loadu_si256((const __m256i *)p);
    return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000)));
}
INLINE void v_to_bfloat(uint16_t *p, V a) {
    __m256i u = _mm256_castps_si256(a), high = _mm256_srli_epi32(u, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    rounded = _mm256_srli_epi32(rounded, 16);
    __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    rounded = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)));
    __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
    _mm_storeu_si128((__m128i *)p, packed);
}

/// y[0..<16] = scale * (code - 128) for 16 bytes.
INLINE void dequantize_bytes(const uint8_t *p, V scale, float *y) {
    for (int part = 0; part < 2; part++) {
        __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8 * part)));
        codes = _mm256_sub_epi32(codes, _mm256_set1_epi32(128));
        _mm256_storeu_ps(y + 8 * part, _mm256_mul_ps(scale, _mm256_cvtepi32_ps(codes)));
    }
}
/// y[0..<16] = scale * (code - 2^(bits-1)) for at most 6 bits, eight codes in the low bits of each word.
INLINE void dequantize_words(uint64_t low, uint64_t high, int bits, V scale, float *y) {
    // Half a word each where eight codes are longer than a lane.
    const bool halves = bits > 4;
    __m256i index = halves ? _mm256_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3) : _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i shifts = _mm256_mullo_epi32(index, _mm256_set1_epi32(bits));
    __m256i mask = _mm256_set1_epi32((1 << bits) - 1), zero = _mm256_set1_epi32(1 << (bits - 1));
    for (int part = 0; part < 2; part++) {
        const uint64_t word = part ? high : low;
        __m256i words = _mm256_set1_epi32((int)word);
        if (halves) words = _mm256_blend_epi32(words, _mm256_set1_epi32((int)(word >> 4 * bits)), 0xf0);
        __m256i codes = _mm256_sub_epi32(_mm256_and_si256(_mm256_srlv_epi32(words, shifts), mask), zero);
        _mm256_storeu_ps(y + 8 * part, _mm256_mul_ps(scale, _mm256_cvtepi32_ps(codes)));
    }
}
