// The layout of packed panels, and the choice of a table.

#include "panels.h"

#include <stdatomic.h>
#include <string.h>

#include "panels_internal.h"
#include "portable_internal.h"
#include "processor.h"

intptr_t tessera_panel_bytes(tessera_panel_format format, intptr_t rows, intptr_t columns) {
    const intptr_t whole = rows / TESSERA_PANEL_ROWS * TESSERA_PANEL_ROWS;
    return (whole + tessera_panel_height(rows - whole)) * tessera_panel_columns(format, columns)
        * tessera_panel_element_bytes(format);
}

void tessera_pack(
    tessera_panel_format format, const float *w, intptr_t wStride, intptr_t rows, intptr_t columns, void *packed) {
    const intptr_t laidOut = tessera_panel_columns(format, columns);
    for (intptr_t top = 0; top < rows; top += TESSERA_PANEL_ROWS) {
        const intptr_t height = tessera_panel_height(rows - top);
        float *singles = (float *)packed + top * laidOut;
        uint16_t *halves = (uint16_t *)packed + top * laidOut;
        for (intptr_t k = 0; k < laidOut; k++)
            for (intptr_t r = 0; r < height; r++) {
                const float value = top + r < rows && k < columns ? w[(top + r) * wStride + k] : 0;
                const intptr_t index = tessera_panel_index(format, height, r, k);
                if (format == TESSERA_PANEL_F32) singles[index] = value;
                else if (format == TESSERA_PANEL_F16) halves[index] = tessera_portable_to_half(value);
                else tessera_portable_floatToBfloat(&value, halves + index, 1);
            }
    }
}

void tessera_unpack(
    tessera_panel_format format, const void *packed, float *w, intptr_t wStride, intptr_t rows, intptr_t columns) {
    const intptr_t laidOut = tessera_panel_columns(format, columns);
    for (intptr_t top = 0; top < rows; top += TESSERA_PANEL_ROWS) {
        const intptr_t height = tessera_panel_height(rows - top);
        const intptr_t valid = rows - top < height ? rows - top : height;
        const float *singles = (const float *)packed + top * laidOut;
        const uint16_t *halves = (const uint16_t *)packed + top * laidOut;
        for (intptr_t k = 0; k < columns; k++)
            for (intptr_t r = 0; r < valid; r++) {
                const intptr_t index = tessera_panel_index(format, height, r, k);
                float *target = w + (top + r) * wStride + k;
                if (format == TESSERA_PANEL_F32) *target = singles[index];
                else if (format == TESSERA_PANEL_F16) *target = tessera_portable_from_half(halves[index]);
                else tessera_portable_bfloatToFloat(halves + index, target, 1);
            }
    }
}

/// The tables of this build, fastest first, and whether this processor runs them.
static const tessera_panel_kernels *available(int rank) {
#if defined(__x86_64__)
    switch (rank) {
    case 0: return tessera_supports_avx512bf16() ? &tessera_panels_table_avx512bf16 : 0;
    case 1: return tessera_supports_avx512() ? &tessera_panels_table_avx512 : 0;
    case 2: return tessera_supports_avx2() ? &tessera_panels_table_avx2 : 0;
    default: return 0;
    }
#elif defined(__aarch64__)
    return rank == 0 ? &tessera_panels_table_neon : 0;
#else
    (void)rank;
    return 0;
#endif
}

enum { ranks = 3 };

const tessera_panel_kernels *tessera_panels_portable(void) { return &tessera_panels_table_portable; }

const tessera_panel_kernels *tessera_panels_named(const char *name) {
    if (strcmp(name, tessera_panels_table_portable.name) == 0) return &tessera_panels_table_portable;
    for (int rank = 0; rank < ranks; rank++) {
        const tessera_panel_kernels *table = available(rank);
        if (table && strcmp(name, table->name) == 0) return table;
    }
    return 0;
}

const tessera_panel_kernels *tessera_panels_best(void) {
    // Two threads that arrive first both choose, and choose alike, so no lock is needed.
    static _Atomic(const tessera_panel_kernels *) chosen;
    const tessera_panel_kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table) return table;
    table = &tessera_panels_table_portable;
    for (int rank = ranks - 1; rank >= 0; rank--) {
        const tessera_panel_kernels *candidate = available(rank);
        if (candidate) table = candidate;
    }
    atomic_store_explicit(&chosen, table, memory_order_release);
    return table;
}
