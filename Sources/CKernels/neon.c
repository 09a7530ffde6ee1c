#if defined(__aarch64__)

#include "vector_neon.h"

#define NAME "neon"
#define TABLE tessera_table_neon
#include "kernels_template.h"

#endif
