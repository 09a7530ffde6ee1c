#if defined(__x86_64__)

#include "vector_avx512.h"

/// A table in one register; vectors of rows at batch 1.
typedef __m512 L;
typedef __m512i I;
enum { ROW_VECTORS = 4 };
INLINE L l_load(const float *table) { return v_load(table); }
INLINE I i_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE V l_find(L table, I codes, int shift) {
    // Only the four lowest bits of a lane are looked at.
    return _mm512_permutexvar_ps(_mm512_srli_epi32(codes, (unsigned)shift), table);
}

#define NAME "avx512"
#define TABLE tessera_lookup_table_avx512
#define PANELS tessera_panels_table_avx512
#include "lookup_template.h"

#endif
