#if defined(__x86_64__)

#include "vector_avx512.h"
#include "codes_vector_avx512.h"

#define NAME "avx512"
#define TABLE tessera_codes_table_avx512
#include "codes_template.h"

#endif
