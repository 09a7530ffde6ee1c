#if defined(__x86_64__)

#include "vector_avx512.h"

#define NAME "avx512"
#define TABLE tessera_panels_table_avx512
#include "panels_template.h"

#endif
