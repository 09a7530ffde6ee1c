#include <stdatomic.h>
#include <string.h>

#include "codes_internal.h"
#include "processor.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#if defined(__aarch64__)
/// Products of 8-bit integers summed into 32 bits (FEAT_DotProd).
static bool supports_dot(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & (1UL << 20)) != 0;
#elif defined(__APPLE__)
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, 0, 0) == 0 && value != 0;
#else
    return false;
#endif
}
#endif

/// The tables of this build, fastest first, and whether this processor runs them.
static const tessera_code_kernels *available(int rank) {
#if defined(__x86_64__)
    switch (rank) {
    case 0: return tessera_supports_avx512vnni() ? &tessera_codes_table_avx512vnni : 0;
    case 1: return tessera_supports_avx512() ? &tessera_codes_table_avx512 : 0;
    case 2: return tessera_supports_avx2() ? &tessera_codes_table_avx2 : 0;
    default: return 0;
    }
#elif defined(__aarch64__)
    switch (rank) {
    case 0: return supports_dot() ? &tessera_codes_table_neondot : 0;
    case 1: return &tessera_codes_table_neon;
    default: return 0;
    }
#else
    (void)rank;
    return 0;
#endif
}

enum { ranks = 3 };

const tessera_code_kernels *tessera_codes_portable(void) { return &tessera_codes_table_portable; }

const tessera_code_kernels *tessera_codes_named(const char *name) {
    if (strcmp(name, tessera_codes_table_portable.name) == 0) return &tessera_codes_table_portable;
    for (int rank = 0; rank < ranks; rank++) {
        const tessera_code_kernels *table = available(rank);
        if (table && strcmp(name, table->name) == 0) return table;
    }
    return 0;
}

const tessera_code_kernels *tessera_codes_best(void) {
    // Two threads that arrive first both choose, and choose alike, so no lock is needed.
    static _Atomic(const tessera_code_kernels *) chosen;
    const tessera_code_kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table) return table;
    table = &tessera_codes_table_portable;
    for (int rank = ranks - 1; rank >= 0; rank--) {
        const tessera_code_kernels *candidate = available(rank);
        if (candidate) table = candidate;
    }
    atomic_store_explicit(&chosen, table, memory_order_release);
    return table;
}
