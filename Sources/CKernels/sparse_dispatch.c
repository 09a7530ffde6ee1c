#include <string.h>

#include "sparse_internal.h"

/// The table that belongs to a table of CKernels.h, which says what this processor runs.
static const tessera_sparse_kernels *beside(const tessera_kernels *table) {
#if defined(__x86_64__)
    if (table && strcmp(table->name, tessera_sparse_table_avx512.name) == 0) return &tessera_sparse_table_avx512;
    if (table && strcmp(table->name, tessera_sparse_table_avx2.name) == 0) return &tessera_sparse_table_avx2;
#elif defined(__aarch64__)
    if (table && strcmp(table->name, tessera_sparse_table_neon.name) == 0) return &tessera_sparse_table_neon;
#endif
    return table ? &tessera_sparse_table_portable : 0;
}

const tessera_sparse_kernels *tessera_sparse_portable(void) { return &tessera_sparse_table_portable; }
const tessera_sparse_kernels *tessera_sparse_best(void) { return beside(tessera_kernels_best()); }
const tessera_sparse_kernels *tessera_sparse_named(const char *name) { return beside(tessera_kernels_named(name)); }
