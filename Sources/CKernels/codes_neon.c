#if defined(__aarch64__)

#include "vector_neon.h"
#include "codes_vector_neon.h"

#define NAME "neon"
#define TABLE tessera_codes_table_neon
#include "codes_template.h"

#endif
