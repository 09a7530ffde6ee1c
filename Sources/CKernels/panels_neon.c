#if defined(__aarch64__)

#include "vector_neon.h"

#define NAME "neon"
#define TABLE tessera_panels_table_neon
#include "panels_template.h"

#endif
