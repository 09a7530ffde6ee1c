#if defined(__x86_64__)

#include "vector_avx2.h"
#include "codes_vector_avx2.h"

#define NAME "avx2"
#define TABLE tessera_codes_table_avx2
#include "codes_template.h"

#endif
