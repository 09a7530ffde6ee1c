#ifndef TESSERA_LOOKUP_INTERNAL_H
#define TESSERA_LOOKUP_INTERNAL_H

#include "lookup.h"

extern const tessera_lookup_kernels tessera_lookup_table_portable;
#if defined(__x86_64__)
extern const tessera_lookup_kernels tessera_lookup_table_avx2;
extern const tessera_lookup_kernels tessera_lookup_table_avx512;
#elif defined(__aarch64__)
extern const tessera_lookup_kernels tessera_lookup_table_neon;
#endif

#endif
