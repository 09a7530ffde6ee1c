#if defined(__x86_64__)

#include "sparse_internal.h"
#include "vector_avx512.h"

typedef __m512i I;
typedef __m512 Window;

enum {
    NM_VECTORS = 4,                            // 4 sums, 4 words of places, a window of x
    FEW_VECTORS = 2, FEW_BATCH = 10,           // 20 sums, 2 words of places, 2 weights, a window of x
    PAIR_VECTORS = 4,                          // 16 sums, a column, 2 weights
    PAIR_TOTALS = 1 << 16,                     // floats of sums that stay in the second-level cache
};
#define GROUP_SLICES 4
#define GROUP_BATCH 4
#define GROUP_VECTORS 4
/// Rows of x that a part of a tile of 16 COUNT rows meets at once.
#define PAIR_WIDTH(COUNT) (16 * (COUNT))

INLINE I i_load(const uint32_t *p) { return _mm512_loadu_si512(p); }
INLINE I i_load_short(const uint16_t *p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
INLINE I i_shift(I a, const int bits) { return _mm512_srli_epi32(a, (unsigned)bits); }
INLINE V v_from_low(I a) { return _mm512_castsi512_ps(_mm512_slli_epi32(a, 16)); }
INLINE V v_from_high(I a) {
    return _mm512_castsi512_ps(_mm512_and_si512(a, _mm512_set1_epi32((int)0xffff0000)));
}
/// A permutation looks only at the bits of a place.
INLINE Window window4_load(const float *x) { return _mm512_broadcast_f32x4(_mm_loadu_ps(x)); }
INLINE Window window16_load(const float *x) { return v_load(x); }
INLINE Window window16_load_part(const float *x, intptr_t n) { return v_load_part(x, n); }
INLINE V window4_pick(Window x, I places) { return _mm512_permutevar_ps(x, places); }
INLINE V window16_pick(Window x, I places) { return _mm512_permutexvar_ps(places, x); }
INLINE V v_gather(const float *x, I columns) { return _mm512_i32gather_ps(columns, x, 4); }
/// `longer` in the lanes whose length is above `step`.
INLINE V v_where_longer(I lengths, uint32_t step, V longer, V other) {
    return _mm512_mask_mov_ps(other, _mm512_cmpgt_epu32_mask(lengths, _mm512_set1_epi32((int)step)), longer);
}

/// The lanes from `lane` on replaced.
INLINE V v_replace_from(V a, V b, const int lane) { return _mm512_mask_mov_ps(a, (__mmask16)(0xffffu << lane), b); }

INLINE void transpose_square(const float *source, intptr_t sourceStride, float *target, intptr_t targetStride) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(source + i * sourceStride);
    for (int i = 0; i < 16; i += 4) {
        __m512 low0 = _mm512_unpacklo_ps(a[i], a[i + 1]), high0 = _mm512_unpackhi_ps(a[i], a[i + 1]);
        __m512 low1 = _mm512_unpacklo_ps(a[i + 2], a[i + 3]), high1 = _mm512_unpackhi_ps(a[i + 2], a[i + 3]);
        b[i] = _mm512_shuffle_ps(low0, low1, 0x44);
        b[i + 1] = _mm512_shuffle_ps(low0, low1, 0xee);
        b[i + 2] = _mm512_shuffle_ps(high0, high1, 0x44);
        b[i + 3] = _mm512_shuffle_ps(high0, high1, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        __m512 even0 = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88), odd0 = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
        __m512 even1 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
        __m512 odd1 = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
        _mm512_storeu_ps(target + i * targetStride, _mm512_shuffle_f32x4(even0, even1, 0x88));
        _mm512_storeu_ps(target + (i + 4) * targetStride, _mm512_shuffle_f32x4(odd0, odd1, 0x88));
        _mm512_storeu_ps(target + (i + 8) * targetStride, _mm512_shuffle_f32x4(even0, even1, 0xdd));
        _mm512_storeu_ps(target + (i + 12) * targetStride, _mm512_shuffle_f32x4(odd0, odd1, 0xdd));
    }
}

#define NAME "avx512"
#define SPARSE_TABLE tessera_sparse_table_avx512
#include "sparse_template.h"

#endif
