#if defined(__x86_64__)

#include "sparse_internal.h"
#include "vector_avx512.h"

typedef __m512i I;
typedef __m512 Window;

enum {
    NM_VECTORS = 4,                            // 4 sums, 4 words of places, a window of x
    FEW_VECTORS = 2, FEW_BATCH = 10,           // 20 sums, 2 words of places, 2 weights, a window of x
    NM_TILE_SUMS = 16, NM_BLOCK_CHUNKS = 8, NM_STEP_FLOATS = 4096, SLICE_COLUMNS = 64,
};
#define GROUP_SLICES 4
#define GROUP_BATCH 4
#define GROUP_VECTORS 4
// Rows side by side, whose chains hide the latency of a multiply-add.
#define NM_TILE_CASES VECTORS(1, 8) VECTORS(2, 8) VECTORS(3, 4) VECTORS(4, 4)

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

#if defined(__GNUC__)
#define KEEP_SHUFFLES(a) __asm__("" : "+v"(a))
#else
#define KEEP_SHUFFLES(a)
#endif
/// Values of 1, 2 or 4 neighbouring rows with one load, and one of them in every lane.
INLINE V v_load_neighbours(const int count, const float *p) {
    if (count == 1) return v_set(*p);
    V a = count == 4 ? _mm512_broadcast_f32x4(_mm_loadu_ps(p))
                     : _mm512_castsi512_ps(_mm512_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)(const void *)p)));
    // Unseen by the compiler, which would make a load of every shuffle.
    KEEP_SHUFFLES(a);
    return a;
}
INLINE V v_neighbour(const int count, V a, const int which) {
    if (count == 1) return a;
    if (count == 2) return which == 0 ? _mm512_moveldup_ps(a) : _mm512_movehdup_ps(a);
    switch (which) {
    case 0: return _mm512_permute_ps(a, 0x00);
    case 1: return _mm512_permute_ps(a, 0x55);
    case 2: return _mm512_permute_ps(a, 0xaa);
    default: return _mm512_permute_ps(a, 0xff);
    }
}

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
