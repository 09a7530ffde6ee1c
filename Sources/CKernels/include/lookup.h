#ifndef TESSERA_LOOKUP_H
#define TESSERA_LOOKUP_H

/// Products with 4-bit codes that stand for the numbers of a table (normal floats), in the packed panels of codes.h.

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

enum {
    /// Numbers of a table.
    TESSERA_LOOKUP_SIZE = 16,
};

typedef struct tessera_lookup_kernels {
    /// "portable", "avx2", "avx512" or "neon".
    const char *name;

    /// Y (+)= X W^T with w = scale * table[code], codes and scales packed by `tessera_pack_codes` with 4 bits: per group,
    /// fused multiply-adds of x * table[code] in the order of columns from 0, then one with the group's scale; groups in
    /// order, from Y (accumulating) or 0. `packed` may begin at any panel. The same bits from every table, whatever the
    /// batch.
    void (*lookupProduct)(
        const float *table, intptr_t groupSize, const float *x, intptr_t xStride, const void *packed, float *y,
        intptr_t yStride, intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate);
} tessera_lookup_kernels;

/// As `tessera_kernels_portable`, `_best` and `_named` of CKernels.h.
const tessera_lookup_kernels *tessera_lookup_portable(void);
const tessera_lookup_kernels *tessera_lookup_best(void);
const tessera_lookup_kernels *_Nullable tessera_lookup_named(const char *name);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
