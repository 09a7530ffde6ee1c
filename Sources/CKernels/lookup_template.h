// Included once per instruction set, after its vector type, the types L of a table in registers and I of LANES words of
// eight codes, and their l_load, i_load and l_find:
// products with codes of a table, and the table of functions TABLE named NAME, with the packed products of PANELS.
//
// One row of X multiplies codes as they are looked up. More rows share the look-up: a group of a panel becomes floats,
// and its product with all rows is one of packed floats, whose sums run in the same order.

#include "codes_internal.h"
#include "lookup_internal.h"
#include "panels.h"
#include "unroll.h"

extern const tessera_panel_kernels PANELS;

enum {
    /// Columns that share a 32-bit lane: two quads.
    WORD = 8,
    QUAD = 4,
    /// Bytes fetched ahead at batch 1.
    AHEAD = 4096,
    /// Rows of X whose sums wait for their scale at once.
    CHUNK = 96,
};

/// Where the code of column i of a word begins.
INLINE int code_shift(int i) { return i % QUAD * 8 + i / QUAD * 4; }

/// y (+)= one row of X times `vectors` vectors of rows of a panel.
INLINE void lookup_rows(
    const int vectors, L table, intptr_t groupSize, const float *x, const uint8_t *panel, intptr_t height,
    intptr_t first, intptr_t columns, float *y) {
    V totals[ROW_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) totals[v] = v_load(y + first + v * LANES);
    for (intptr_t start = 0; start < columns; start += groupSize) {
        const uint8_t *words = panel + first * QUAD;
        const intptr_t end = columns - start < groupSize ? columns : start + groupSize;
        V sums[ROW_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++) sums[v] = v_zero();
        for (intptr_t k = start; k < end; k += WORD, words += height * QUAD) {
            I codes[ROW_VECTORS];
            UNROLL for (int v = 0; v < vectors; v++) {
                codes[v] = i_load(words + v * LANES * QUAD);
                __builtin_prefetch(words + v * LANES * QUAD + AHEAD);
            }
            if (k + WORD <= end) {
                UNROLL for (int i = 0; i < WORD; i++) {
                    const V same = v_set(x[k + i]);
                    UNROLL for (int v = 0; v < vectors; v++)
                        sums[v] = v_fma(same, l_find(table, codes[v], code_shift(i)), sums[v]);
                }
            } else {
                for (int i = 0; k + i < end; i++) {
                    const V same = v_set(x[k + i]);
                    UNROLL for (int v = 0; v < vectors; v++)
                        sums[v] = v_fma(same, l_find(table, codes[v], code_shift(i)), sums[v]);
                }
            }
        }
        const uint16_t *scales = (const uint16_t *)(const void *)(panel + height * groupSize / 2) + first;
        UNROLL for (int v = 0; v < vectors; v++)
            totals[v] = v_fma(sums[v], v_from_half(scales + v * LANES), totals[v]);
        panel += tessera_code_group_bytes(4, groupSize, height);
    }
    UNROLL for (int v = 0; v < vectors; v++) v_store(y + first + v * LANES, totals[v]);
}

/// A group of a panel as packed floats, columns rounded up to whole words.
INLINE void lookup_floats(L table, const uint8_t *words, intptr_t height, intptr_t count, float *values) {
    for (intptr_t k = 0; k < count; k += WORD, words += height * QUAD, values += height * WORD) {
        for (intptr_t row = 0; row < height; row += LANES) {
            const I codes = i_load(words + row * QUAD);
            UNROLL for (int i = 0; i < WORD; i++)
                v_store(values + i * height + row, l_find(table, codes, code_shift(i)));
        }
    }
}

/// y += sums * scales, one scale a column.
INLINE void add_scaled(const float *sums, const uint16_t *scales, intptr_t batch, intptr_t height, float *y) {
    for (intptr_t b = 0; b < batch; b++)
        for (intptr_t row = 0; row < height; row += LANES) {
            float *target = y + b * TESSERA_PANEL_ROWS + row;
            V sum = v_load(sums + b * height + row);
            v_store(target, v_fma(sum, v_from_half(scales + row), v_load(target)));
        }
}

/// A panel times up to CHUNK rows of X; y is a copy of its part of Y.
TARGET static void lookup_panel(
    const float *numbers, intptr_t groupSize, const float *x, intptr_t xStride, const uint8_t *panel, intptr_t height,
    intptr_t batch, intptr_t columns, float *y) {
    const L table = l_load(numbers);
    if (batch == 1) {
        intptr_t first = 0;
        for (; first + ROW_VECTORS * LANES <= height; first += ROW_VECTORS * LANES)
            lookup_rows(ROW_VECTORS, table, groupSize, x, panel, height, first, columns, y);
        for (; first < height; first += TESSERA_PANEL_VECTOR)
            lookup_rows(TESSERA_PANEL_VECTOR / LANES, table, groupSize, x, panel, height, first, columns, y);
        return;
    }
    _Alignas(64) float values[TESSERA_CODE_GROUP * TESSERA_PANEL_ROWS], sums[CHUNK * TESSERA_PANEL_ROWS];
    for (intptr_t start = 0; start < columns; start += groupSize) {
        const intptr_t count = columns - start < groupSize ? columns - start : groupSize;
        lookup_floats(table, panel, height, count, values);
        PANELS.product(
            TESSERA_PANEL_F32, x + start, xStride, values, sums, height, batch, height, count, false);
        add_scaled(sums, (const uint16_t *)(const void *)(panel + height * groupSize / 2), batch, height, y);
        panel += tessera_code_group_bytes(4, groupSize, height);
    }
}

TARGET static void lookupProduct(
    const float *table, intptr_t groupSize, const float *x, intptr_t xStride, const void *packed, float *y,
    intptr_t yStride, intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    const intptr_t groups = (columns + groupSize - 1) / groupSize;
    const uint8_t *panel = packed;
    _Alignas(64) float copy[CHUNK * TESSERA_PANEL_ROWS];
    for (intptr_t start = 0; start < rows; start += TESSERA_PANEL_ROWS) {
        const intptr_t height = tessera_panel_height(rows, start);
        const size_t valid = (size_t)(rows - start < height ? rows - start : height) * sizeof(float);
        for (intptr_t b = 0; b < batch; b += CHUNK) {
            const intptr_t count = batch - b < CHUNK ? batch - b : CHUNK;
            float *target = y + b * yStride + start;
            memset(copy, 0, (size_t)count * TESSERA_PANEL_ROWS * sizeof(float));
            if (accumulate)
                for (intptr_t i = 0; i < count; i++) memcpy(copy + i * TESSERA_PANEL_ROWS, target + i * yStride, valid);
            lookup_panel(table, groupSize, x + b * xStride, xStride, panel, height, count, columns, copy);
            for (intptr_t i = 0; i < count; i++) memcpy(target + i * yStride, copy + i * TESSERA_PANEL_ROWS, valid);
        }
        panel += groups * tessera_code_group_bytes(4, groupSize, height);
    }
}

const tessera_lookup_kernels TABLE = {.name = NAME, .lookupProduct = lookupProduct};
