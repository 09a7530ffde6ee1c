#include "sparse_internal.h"

static void tileInput(
    const float *x, intptr_t xStride, intptr_t batch, intptr_t columns, intptr_t first, intptr_t last, float *xt) {
    for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
        const intptr_t width = tessera_part_width(batch, part);
        for (intptr_t column = first; column < last; column++)
            for (intptr_t b = 0; b < width; b++)
                xt[part * columns + column * width + b] = part + b < batch ? x[(part + b) * xStride + column] : 0;
    }
}

/// Both forms of input: element (b, column) is at b * across + column * along.
static void nm(
    tessera_nm_shape shape, const float *x, intptr_t across, intptr_t along, const void *packed, float *y,
    intptr_t yStride, intptr_t batch) {
    const nm_layout layout = nm_layout_of(shape);
    const uint8_t *panel = packed;
    for (intptr_t top = 0; top < shape.rows; top += TESSERA_PANEL_ROWS) {
        const intptr_t height = nm_panel_height(shape.rows, top);
        for (intptr_t row = 0; row < height && top + row < shape.rows; row++)
            for (intptr_t b = 0; b < batch; b++) {
                float sum = 0;
                const uint8_t *chunk = panel;
                for (intptr_t first = 0; first < layout.entries; first += layout.chunk) {
                    const intptr_t count = nm_smaller(layout.entries - first, layout.chunk);
                    const uint32_t word = ((const uint32_t *)(const void *)chunk)[row];
                    const void *values = chunk + 4 * height;
                    for (intptr_t entry = 0; entry < count; entry++) {
                        const intptr_t place = word >> (layout.bits * entry) & ((1u << layout.bits) - 1);
                        const intptr_t column = (first + entry) / layout.kept * layout.window + place;
                        const intptr_t slot = nm_value_number(shape.format, entry, row, height);
                        sum += tessera_stored(shape.format, values, slot) * x[b * across + column * along];
                    }
                    chunk += nm_chunk_bytes(layout, shape.format, count, height);
                }
                y[b * yStride + top + row] = sum;
            }
        panel += nm_panel_bytes(shape, height);
    }
}

static void nmProduct(
    tessera_nm_shape shape, const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride,
    intptr_t batch) {
    nm(shape, x, xStride, 1, packed, y, yStride, batch);
}

/// y[batch] += one entry of a block for every row of a part of a tile.
static void pair_entry(
    const tessera_row_pairs *w, const pair_header *header, intptr_t number, const float *column, float *y,
    intptr_t yStride, intptr_t batch) {
    const float value = tessera_stored(w->format, (const uint8_t *)header + header->values, number);
    for (intptr_t b = 0; b < batch; b++) y[b * yStride] += value * column[b];
}

/// Rows that fill a panel have no entries.
static void pair_block(
    const tessera_row_pairs *w, const pair_header *header, const float *x, intptr_t width, float *y, intptr_t yStride,
    intptr_t batch) {
    const uint8_t *place = (const uint8_t *)(header + 1);
    intptr_t number = 0;
    for (int i = 0; i < PAIR_FOURS; i++) {
        const pair_four *four = &header->fours[i];
        for (int step = 0; step < four->shared || step < four->apart; step++) {
            for (int row = 0; row < 4 && step < four->shared; row++)
                pair_entry(w, header, number++, x + place[row / 2] * width, y + four->rows[row], yStride, batch);
            if (step < four->shared) place += 2;
            for (int row = 0; row < 4 && step < four->apart; row++)
                pair_entry(w, header, number++, x + *place++ * width, y + four->rows[row], yStride, batch);
        }
        for (int row = 0; row < 4; row++)
            for (int step = 0; step < four->rest[row]; step++)
                pair_entry(w, header, number++, x + *place++ * width, y + four->rows[row], yStride, batch);
    }
}

static void pairTile(
    const tessera_row_pairs *w, const float *xt, float *y, intptr_t yStride, intptr_t batch, intptr_t first,
    intptr_t last) {
    const intptr_t blocks = pair_blocks(w->columns);
    for (intptr_t panel = first; panel < last; panel++) {
        const intptr_t top = panel * TESSERA_PANEL_ROWS, rows = nm_smaller(w->rows - top, TESSERA_PANEL_ROWS);
        for (intptr_t b = 0; b < batch; b++)
            for (intptr_t row = 0; row < rows; row++) y[b * yStride + top + row] = 0;
        for (intptr_t block = 0; block < blocks; block++) {
            const void *header = (const uint8_t *)w->blocks + w->starts[panel * blocks + block];
            for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
                const intptr_t width = tessera_part_width(batch, part);
                pair_block(
                    w, header, xt + part * w->columns + block * TESSERA_PAIR_COLUMNS * width, width,
                    y + part * yStride + top, yStride, nm_smaller(batch - part, TESSERA_TILE_PART));
            }
        }
    }
}

static void slices(
    const tessera_slices *w, const float *x, intptr_t across, intptr_t along, float *y, intptr_t yStride,
    intptr_t batch, intptr_t first, intptr_t last) {
    for (intptr_t row = 16 * first; row < 16 * last && row < w->rows; row++)
        for (intptr_t b = 0; b < batch; b++) {
            float sum = 0;
            intptr_t slot = w->starts[row / 16] * 16 + row % 16;
            for (uint32_t entry = 0; entry < w->lengths[row]; entry++, slot += 16) {
                const intptr_t column = w->wide ? (intptr_t)((const uint32_t *)w->indices)[slot]
                                                : (intptr_t)((const uint16_t *)w->indices)[slot];
                sum += tessera_stored(w->format, w->values, slot) * x[b * across + column * along];
            }
            y[b * yStride + row] = sum;
        }
}

static void sliceProduct(
    const tessera_slices *w, const float *x, intptr_t xStride, float *y, intptr_t yStride, intptr_t batch,
    intptr_t first, intptr_t last) {
    slices(w, x, xStride, 1, y, yStride, batch, first, last);
}

static void groups(
    const tessera_row_groups *w, const float *x, intptr_t across, intptr_t along, float *y, intptr_t yStride,
    intptr_t batch, intptr_t first, intptr_t last) {
    const intptr_t perSlice = 16 / w->group;
    for (intptr_t row = 16 * first; row < 16 * last && row < w->rows; row++)
        for (intptr_t b = 0; b < batch; b++) {
            float sum = 0;
            for (intptr_t step = 0; step < w->steps; step++) {
                const intptr_t at = row / 16 * w->steps + step, number = at * perSlice + row % 16 / w->group;
                const intptr_t column = w->wide ? (intptr_t)((const uint32_t *)w->indices)[number]
                                                : (intptr_t)((const uint16_t *)w->indices)[number];
                sum += tessera_stored(w->format, w->values, 16 * at + row % 16) * x[b * across + column * along];
            }
            y[b * yStride + row] = sum;
        }
}

static void groupProduct(
    const tessera_row_groups *w, const float *x, intptr_t xStride, float *y, intptr_t yStride, intptr_t batch,
    intptr_t first, intptr_t last) {
    groups(w, x, xStride, 1, y, yStride, batch, first, last);
}

static void groupTile(
    const tessera_row_groups *w, const float *xt, float *y, intptr_t yStride, intptr_t batch, intptr_t first,
    intptr_t last) {
    for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART)
        groups(w, xt + part * w->columns, 1, tessera_part_width(batch, part), y + part * yStride, yStride,
            nm_smaller(batch - part, TESSERA_TILE_PART), first, last);
}

const tessera_sparse_kernels tessera_sparse_table_portable = {
    .name = "portable",
    .tileInput = tileInput,
    .nmProduct = nmProduct,
    .pairTile = pairTile,
    .sliceProduct = sliceProduct,
    .groupProduct = groupProduct,
    .groupTile = groupTile,
};
