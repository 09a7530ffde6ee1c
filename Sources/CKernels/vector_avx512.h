// Sixteen lanes of f32 for the kernel templates: AVX-512 F, VL, BW, DQ.

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c")))
#define INLINE TARGET static inline __attribute__((always_inline))

typedef __m512 V;
enum {
    LANES = 16,
    TALL_FROM = 24, WIDE_BATCH = 6,            // product tiles: 24 accumulators of 32 registers
    TRANSPOSED_VECTORS = 4, TRANSPOSED_BATCH = 6,
    PANEL_SLICES = 4,                         // vectors of 16 rows that one tile of a packed product covers
    REGISTERS = 32,
    GRID_OUTPUTS = 4, GRID_BATCH = 6, GRID_STREAM = 16,
};

INLINE __mmask16 first_lanes(intptr_t n) { return (__mmask16)((1u << n) - 1u); }

INLINE V v_zero(void) { return _mm512_setzero_ps(); }
INLINE V v_set(float a) { return _mm512_set1_ps(a); }
INLINE V v_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE V v_load_part(const float *p, intptr_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
INLINE V v_load_part_or(const float *p, intptr_t n, V rest) { return _mm512_mask_loadu_ps(rest, first_lanes(n), p); }
INLINE void v_store(float *p, V a) { _mm512_storeu_ps(p, a); }
INLINE void v_store_part(float *p, V a, intptr_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }
INLINE V v_keep(V a, intptr_t n) { return _mm512_maskz_mov_ps(first_lanes(n), a); }
/// The same for any n: none below 0, all from LANES on.
INLINE V v_load_some(const float *p, intptr_t n) { return v_load_part(p, n < 0 ? 0 : n > LANES ? LANES : n); }
INLINE void v_store_some(float *p, V a, intptr_t n) { v_store_part(p, a, n < 0 ? 0 : n > LANES ? LANES : n); }
INLINE V v_add(V a, V b) { return _mm512_add_ps(a, b); }
INLINE V v_sub(V a, V b) { return _mm512_sub_ps(a, b); }
INLINE V v_mul(V a, V b) { return _mm512_mul_ps(a, b); }
INLINE V v_div(V a, V b) { return _mm512_div_ps(a, b); }
INLINE V v_fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
INLINE V v_fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
/// A NaN in the second operand wins.
INLINE V v_min(V a, V b) { return _mm512_min_ps(a, b); }
INLINE V v_max(V a, V b) { return _mm512_max_ps(a, b); }
INLINE V v_abs(V a) { return _mm512_abs_ps(a); }
INLINE V v_round(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// a * 2^n for integral n, down to 0 and up to infinity.
INLINE V v_scale(V a, V n) { return _mm512_scalef_ps(a, n); }
/// x < y ? less : other, lane by lane.
INLINE V v_where_less(V x, V y, V less, V other) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), other, less);
}
INLINE V v_where_negative(V x, V negative, V other) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), other, negative);
}

/// Pairs lanes 8, 4, 2 and 1 apart, in that order; v_sum4 does the same to four vectors.
INLINE float v_sum(V a) {
    a = _mm512_add_ps(a, _mm512_shuffle_f32x4(a, a, 0x4e));
    a = _mm512_add_ps(a, _mm512_shuffle_f32x4(a, a, 0xb1));
    a = _mm512_add_ps(a, _mm512_permute_ps(a, 0x4e));
    a = _mm512_add_ps(a, _mm512_permute_ps(a, 0xb1));
    return _mm512_cvtss_f32(a);
}
INLINE __m128 v_sum4(V a, V b, V c, V d) {
    V ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    V cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    V all = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    all = _mm512_add_ps(all, _mm512_permute_ps(all, 0x4e));
    all = _mm512_add_ps(all, _mm512_permute_ps(all, 0xb1));
    return _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, all));
}
typedef __m128 Four;
INLINE void four_store(float *p, Four a) { _mm_storeu_ps(p, a); }
INLINE Four four_load(const float *p) { return _mm_loadu_ps(p); }
INLINE Four four_add(Four a, Four b) { return _mm_add_ps(a, b); }

INLINE float v_largest(V a) { return _mm512_reduce_max_ps(a); }

INLINE float from_half(uint16_t h) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h))); }
INLINE V v_from_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE void v_to_half(uint16_t *p, V a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE V v_from_bfloat(const uint16_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
/// The even and the odd columns of LANES rows of a packed bfloat16 pair of columns.
INLINE V v_even_bfloats(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}
INLINE V v_odd_bfloats(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32((int)0xffff0000)));
}
INLINE void v_to_bfloat(uint16_t *p, V a) {
    __m512i u = _mm512_castps_si512(a), high = _mm512_srli_epi32(u, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    rounded = _mm512_srli_epi32(rounded, 16);
    __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
    rounded = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), quiet);
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(rounded));
}

/// y[0..<16] = scale * (code - 128) for 16 bytes.
INLINE void dequantize_bytes(const uint8_t *p, V scale, float *y) {
    __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    codes = _mm512_sub_epi32(codes, _mm512_set1_epi32(128));
    _mm512_storeu_ps(y, _mm512_mul_ps(scale, _mm512_cvtepi32_ps(codes)));
}
/// y[0..<16] = scale * (code - 2^(bits-1)) for at most 6 bits, eight codes in the low bits of each word.
INLINE void dequantize_words(uint64_t low, uint64_t high, int bits, V scale, float *y) {
    // Half a word each where eight codes are longer than a lane.
    const bool halves = bits > 4;
    __m512i index = halves ? _mm512_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3)
                           : _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
    __m512i shifts = _mm512_mullo_epi32(index, _mm512_set1_epi32(bits));
    __m512i words = _mm512_mask_set1_epi32(_mm512_set1_epi32((int)low), 0xff00, (int)high);
    if (halves) {
        words = _mm512_mask_set1_epi32(words, 0x00f0, (int)(low >> 4 * bits));
        words = _mm512_mask_set1_epi32(words, 0xf000, (int)(high >> 4 * bits));
    }
    __m512i codes = _mm512_and_si512(_mm512_srlv_epi32(words, shifts), _mm512_set1_epi32((1 << bits) - 1));
    codes = _mm512_sub_epi32(codes, _mm512_set1_epi32(1 << (bits - 1)));
    _mm512_storeu_ps(y, _mm512_mul_ps(scale, _mm512_cvtepi32_ps(codes)));
}
