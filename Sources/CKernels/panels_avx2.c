#if defined(__x86_64__)

#include "vector_avx2.h"

#define NAME "avx2"
#define TABLE tessera_panels_table_avx2
#include "panels_template.h"

#endif
