#ifndef TESSERA_CODES_INTERNAL_H
#define TESSERA_CODES_INTERNAL_H

#include "codes.h"
#include "panels.h"

extern const tessera_code_kernels tessera_codes_table_portable;
#if defined(__x86_64__)
extern const tessera_code_kernels tessera_codes_table_avx2;
extern const tessera_code_kernels tessera_codes_table_avx512;
extern const tessera_code_kernels tessera_codes_table_avx512vnni;
#elif defined(__aarch64__)
extern const tessera_code_kernels tessera_codes_table_neon;
extern const tessera_code_kernels tessera_codes_table_neondot;
#endif

/// Groups whose largest |x| has smaller bits than these of 2^-100 count as zeros.
#define TESSERA_SMALLEST_GROUP UINT32_C(0x0d800000)
/// The bits of infinity: no smaller |x| is finite.
#define TESSERA_INFINITE_BITS UINT32_C(0x7f800000)

/// Rows of the panel that begins at row `start`, those of zeros included.
static inline intptr_t tessera_panel_height(intptr_t rows, intptr_t start) {
    intptr_t left = rows - start, vectors = (left + TESSERA_PANEL_VECTOR - 1) / TESSERA_PANEL_VECTOR;
    return left >= TESSERA_PANEL_ROWS ? TESSERA_PANEL_ROWS : vectors * TESSERA_PANEL_VECTOR;
}

/// Bytes of one group of a panel: codes, then scales.
static inline intptr_t tessera_code_group_bytes(intptr_t bits, intptr_t groupSize, intptr_t height) {
    return height * groupSize * bits / 8 + height * 2;
}

/// The byte of a group that holds the code of (row, column), and by how many bits it is shifted there.
static inline intptr_t tessera_code_byte(intptr_t bits, intptr_t height, intptr_t row, intptr_t column) {
    intptr_t quads = 8 / bits;
    return (column / 4 / quads * height + row) * 4 + column % 4;
}
static inline int tessera_code_shift(intptr_t bits, intptr_t column) {
    return (int)(column / 4 % (8 / bits) * bits);
}

#endif
