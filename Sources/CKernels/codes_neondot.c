#if defined(__aarch64__)

#include "vector_neon.h"

#undef TARGET
#undef INLINE
#define TARGET __attribute__((target("dotprod")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define CODES_DOT
#include "codes_vector_neon.h"

#define NAME "neondot"
#define TABLE tessera_codes_table_neondot
#include "codes_template.h"

#endif
