#if defined(__x86_64__)

#include "vector_avx512.h"

#undef TARGET
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx2,fma,f16c")))
#define CODES_VNNI
#include "codes_vector_avx512.h"

#define NAME "avx512vnni"
#define TABLE tessera_codes_table_avx512vnni
#include "codes_template.h"

#endif
