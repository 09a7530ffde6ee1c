#ifndef TESSERA_PANELS_INTERNAL_H
#define TESSERA_PANELS_INTERNAL_H

#include "panels.h"

extern const tessera_panel_kernels tessera_panels_table_portable;
#if defined(__x86_64__)
extern const tessera_panel_kernels tessera_panels_table_avx2;
extern const tessera_panel_kernels tessera_panels_table_avx512;
extern const tessera_panel_kernels tessera_panels_table_avx512bf16;
#elif defined(__aarch64__)
extern const tessera_panel_kernels tessera_panels_table_neon;
#endif

/// Rows laid out for the panel whose first row has `left` rows from it to the end: those, in whole vectors.
static inline intptr_t tessera_panel_height(intptr_t left) {
    if (left >= TESSERA_PANEL_ROWS) return TESSERA_PANEL_ROWS;
    return (left + TESSERA_PANEL_VECTOR - 1) / TESSERA_PANEL_VECTOR * TESSERA_PANEL_VECTOR;
}

/// Columns laid out: pairs are whole.
static inline intptr_t tessera_panel_columns(tessera_panel_format format, intptr_t columns) {
    return format == TESSERA_PANEL_BF16 ? columns + (columns & 1) : columns;
}

static inline intptr_t tessera_panel_element_bytes(tessera_panel_format format) {
    return format == TESSERA_PANEL_F32 ? 4 : 2;
}

/// The number of element (r, k) in a panel of `height` rows.
static inline intptr_t tessera_panel_index(tessera_panel_format format, intptr_t height, intptr_t r, intptr_t k) {
    return format == TESSERA_PANEL_BF16 ? (k >> 1) * 2 * height + 2 * r + (k & 1) : k * height + r;
}

#endif
