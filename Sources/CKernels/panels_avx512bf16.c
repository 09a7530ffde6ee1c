#if defined(__x86_64__)

#include "vector_avx512.h"

#undef TARGET
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma,f16c")))

/// Lanes of two bf16 each: sum + odd * odd + even * even.
INLINE V v_pairs(V a, V b, V sum) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
/// Consecutive numbers, rounded to nearest even, as such lanes.
INLINE V v_to_pairs(V first, V second) { return (V)_mm512_cvtne2ps_pbh(second, first); }

#define PANEL_PAIRS
#define NAME "avx512bf16"
#define TABLE tessera_panels_table_avx512bf16
#include "panels_template.h"

#endif
