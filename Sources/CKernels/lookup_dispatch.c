#include <stdatomic.h>
#include <string.h>

#include "lookup_internal.h"
#include "processor.h"

/// The tables of this build, fastest first, and whether this processor runs them.
static const tessera_lookup_kernels *available(int rank) {
#if defined(__x86_64__)
    switch (rank) {
    case 0: return tessera_supports_avx512() ? &tessera_lookup_table_avx512 : 0;
    case 1: return tessera_supports_avx2() ? &tessera_lookup_table_avx2 : 0;
    default: return 0;
    }
#elif defined(__aarch64__)
    return rank == 0 ? &tessera_lookup_table_neon : 0;
#else
    (void)rank;
    return 0;
#endif
}

enum { ranks = 2 };

const tessera_lookup_kernels *tessera_lookup_portable(void) { return &tessera_lookup_table_portable; }

const tessera_lookup_kernels *tessera_lookup_named(const char *name) {
    if (strcmp(name, tessera_lookup_table_portable.name) == 0) return &tessera_lookup_table_portable;
    for (int rank = 0; rank < ranks; rank++) {
        const tessera_lookup_kernels *table = available(rank);
        if (table && strcmp(name, table->name) == 0) return table;
    }
    return 0;
}

const tessera_lookup_kernels *tessera_lookup_best(void) {
    // Two threads that arrive first both choose, and choose alike, so no lock is needed.
    static _Atomic(const tessera_lookup_kernels *) chosen;
    const tessera_lookup_kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table) return table;
    table = &tessera_lookup_table_portable;
    for (int rank = ranks - 1; rank >= 0; rank--) {
        const tessera_lookup_kernels *candidate = available(rank);
        if (candidate) table = candidate;
    }
    atomic_store_explicit(&chosen, table, memory_order_release);
    return table;
}
