#ifndef TESSERA_TABLES_H
#define TESSERA_TABLES_H

#include "CKernels.h"

/// The filled-in tables, one per instruction set this build knows. A table may exist that this processor cannot run.
extern const tessera_kernels tessera_table_portable;
#if defined(__x86_64__)
extern const tessera_kernels tessera_table_avx2;
extern const tessera_kernels tessera_table_avx512;
#elif defined(__aarch64__)
extern const tessera_kernels tessera_table_neon;
#endif

/// Code j of a little-endian stream of `bits`-bit codes. Reads no byte beyond the one that ends the code.
static inline unsigned tessera_code(const uint8_t *codes, intptr_t bits, intptr_t j) {
    intptr_t first = bits * j, byte = first >> 3, shift = first & 7;
    unsigned value = codes[byte] >> shift;
    if (shift + bits > 8) value |= (unsigned)codes[byte + 1] << (8 - shift);
    return value & ((1u << bits) - 1u);
}

#endif
