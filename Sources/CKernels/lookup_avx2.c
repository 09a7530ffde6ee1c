#if defined(__x86_64__)

#include "vector_avx2.h"

/// The two halves of a table; vectors of rows at batch 1.
typedef struct L { __m256 low, high; } L;
typedef __m256i I;
enum { ROW_VECTORS = 4 };
INLINE L l_load(const float *table) { return (L){v_load(table), v_load(table + 8)}; }
INLINE I i_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE V l_find(L table, I words, int shift) {
    // Three bits choose within a half; the fourth, moved to the sign, chooses the half.
    __m256i codes = _mm256_srli_epi32(words, shift);
    __m256 low = _mm256_permutevar8x32_ps(table.low, codes), high = _mm256_permutevar8x32_ps(table.high, codes);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28)));
}

#define NAME "avx2"
#define TABLE tessera_lookup_table_avx2
#define PANELS tessera_panels_table_avx2
#include "lookup_template.h"

#endif
