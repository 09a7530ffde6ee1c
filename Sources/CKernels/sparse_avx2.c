#if defined(__x86_64__)

#include "sparse_internal.h"
#include "vector_avx2.h"

typedef __m256i I;
typedef struct Window {
    V low, high;   // columns 0 to 7 and 8 to 15; the first four in both halves of `low` for a window of 4
} Window;

enum {
    NM_VECTORS = 4,                            // 4 sums, 4 words of places, a window of x, and what is passing
    FEW_VECTORS = 2, FEW_BATCH = 4,            // 8 sums, 2 words of places, 2 weights, a window of x
    PAIR_VECTORS = 2,                          // 8 sums, a column, 2 weights
    PAIR_TOTALS = 1 << 15,                     // floats of sums that stay in the second-level cache
};
#define GROUP_SLICES 4
#define GROUP_BATCH 1
#define GROUP_VECTORS 2
/// Rows of x that a part of a tile of 16 COUNT rows meets at once.
#define PAIR_WIDTH(COUNT) 16

INLINE I i_load(const uint32_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
INLINE I i_load_short(const uint16_t *p) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
INLINE I i_shift(I a, const int bits) { return _mm256_srli_epi32(a, bits); }
INLINE V v_from_low(I a) { return _mm256_castsi256_ps(_mm256_slli_epi32(a, 16)); }
INLINE V v_from_high(I a) {
    return _mm256_castsi256_ps(_mm256_and_si256(a, _mm256_set1_epi32((int)0xffff0000)));
}
INLINE Window window4_load(const float *x) {
    V four = _mm256_broadcast_ps((const __m128 *)(const void *)x);
    return (Window){four, four};
}
INLINE Window window16_load(const float *x) { return (Window){v_load(x), v_load(x + 8)}; }
INLINE Window window16_load_part(const float *x, intptr_t n) {
    if (n > 8) return (Window){v_load(x), v_load_part(x + 8, n - 8)};
    return (Window){v_load_part(x, n), v_zero()};
}
/// A permutation looks only at the lowest bits of a place; the fourth one, moved to the sign, chooses the half.
INLINE V window4_pick(Window x, I places) { return _mm256_permutevar_ps(x.low, places); }
INLINE V window16_pick(Window x, I places) {
    V low = _mm256_permutevar8x32_ps(x.low, places), high = _mm256_permutevar8x32_ps(x.high, places);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(places, 28)));
}
INLINE V v_gather(const float *x, I columns) { return _mm256_i32gather_ps(x, columns, 4); }
/// `longer` in the lanes whose length is above `step`; both are below 2^31.
INLINE V v_where_longer(I lengths, uint32_t step, V longer, V other) {
    __m256i mask = _mm256_cmpgt_epi32(lengths, _mm256_set1_epi32((int)step));
    return _mm256_blendv_ps(other, longer, _mm256_castsi256_ps(mask));
}

/// The lanes from the fourth on replaced, which is all that groups of 4 or more ask for.
INLINE V v_replace_from(V a, V b, const int lane) {
    (void)lane;
    return _mm256_blend_ps(a, b, 0xf0);
}

INLINE void transpose_square(const float *source, intptr_t sourceStride, float *target, intptr_t targetStride) {
    __m256 b[8];
    for (int i = 0; i < 8; i += 4) {
        const float *p = source + i * sourceStride;
        __m256 a0 = v_load(p), a1 = v_load(p + sourceStride);
        __m256 a2 = v_load(p + 2 * sourceStride), a3 = v_load(p + 3 * sourceStride);
        __m256 low0 = _mm256_unpacklo_ps(a0, a1), high0 = _mm256_unpackhi_ps(a0, a1);
        __m256 low1 = _mm256_unpacklo_ps(a2, a3), high1 = _mm256_unpackhi_ps(a2, a3);
        b[i] = _mm256_shuffle_ps(low0, low1, 0x44);
        b[i + 1] = _mm256_shuffle_ps(low0, low1, 0xee);
        b[i + 2] = _mm256_shuffle_ps(high0, high1, 0x44);
        b[i + 3] = _mm256_shuffle_ps(high0, high1, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        v_store(target + i * targetStride, _mm256_permute2f128_ps(b[i], b[i + 4], 0x20));
        v_store(target + (i + 4) * targetStride, _mm256_permute2f128_ps(b[i], b[i + 4], 0x31));
    }
}

#define NAME "avx2"
#define SPARSE_TABLE tessera_sparse_table_avx2
#include "sparse_template.h"

#endif
