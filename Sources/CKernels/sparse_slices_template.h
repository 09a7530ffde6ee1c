// Compressed rows: 16 rows side by side at small batches, one row against a tile of X at large ones.

INLINE V slice_values(const tessera_panel_format format, const void *values, intptr_t slot) {
    switch (format) {
    case TESSERA_PANEL_F32: return v_load((const float *)values + slot);
    case TESSERA_PANEL_F16: return v_from_half((const uint16_t *)values + slot);
    default: return v_from_bfloat((const uint16_t *)values + slot);
    }
}

INLINE I slice_columns(const bool wide, const void *indices, intptr_t slot) {
    return wide ? i_load((const uint32_t *)indices + slot) : i_load_short((const uint16_t *)indices + slot);
}

/// The rows of one slice: every step one gather; steps that not all rows of a vector have leave the others' sums alone.
INLINE void slice_rows(
    const tessera_panel_format format, const bool wide, const tessera_slices *w, const float *x, float *y, intptr_t slice) {
    enum { vectors = 16 / LANES };
    const intptr_t slot = w->starts[slice] * 16;
    const uint32_t *lengths = w->lengths + slice * 16;
    V sums[vectors];
    uint32_t shortest = lengths[0], longest = 0;
    for (int row = 0; row < 16; row++) {
        shortest = lengths[row] < shortest ? lengths[row] : shortest;
        longest = lengths[row] > longest ? lengths[row] : longest;
    }
    UNROLL for (int v = 0; v < vectors; v++) sums[v] = v_zero();
    uint32_t step = 0;
    for (; step < shortest; step++)
        UNROLL for (int v = 0; v < vectors; v++) {
            const intptr_t at = slot + 16 * (intptr_t)step + v * LANES;
            sums[v] = v_fma(slice_values(format, w->values, at), v_gather(x, slice_columns(wide, w->indices, at)), sums[v]);
        }
    for (; step < longest; step++)
        UNROLL for (int v = 0; v < vectors; v++) {
            const intptr_t at = slot + 16 * (intptr_t)step + v * LANES;
            const V sum =
                v_fma(slice_values(format, w->values, at), v_gather(x, slice_columns(wide, w->indices, at)), sums[v]);
            sums[v] = v_where_longer(i_load(lengths + v * LANES), step, sum, sums[v]);
        }
    const intptr_t valid = nm_smaller(w->rows - slice * 16, 16);
    UNROLL for (int v = 0; v < vectors; v++) {
        if ((v + 1) * LANES <= valid) v_store(y + slice * 16 + v * LANES, sums[v]);
        else if (v * LANES < valid) v_store_part(y + slice * 16 + v * LANES, sums[v], valid - v * LANES);
    }
}

#define FORMATS(CALL) \
    switch (w->format) { \
    case TESSERA_PANEL_F32: \
        if (w->wide) { CALL(TESSERA_PANEL_F32, true) } else { CALL(TESSERA_PANEL_F32, false) } \
        break; \
    case TESSERA_PANEL_F16: \
        if (w->wide) { CALL(TESSERA_PANEL_F16, true) } else { CALL(TESSERA_PANEL_F16, false) } \
        break; \
    case TESSERA_PANEL_BF16: \
        if (w->wide) { CALL(TESSERA_PANEL_BF16, true) } else { CALL(TESSERA_PANEL_BF16, false) } \
        break; \
    }

TARGET static void sliceProduct(
    const tessera_slices *w, const float *x, intptr_t xStride, float *y, intptr_t yStride, intptr_t batch,
    intptr_t first, intptr_t last) {
#define ROWS(FORMAT, WIDE) \
    for (intptr_t slice = first; slice < last; slice++) \
        for (intptr_t b = 0; b < batch; b++) slice_rows(FORMAT, WIDE, w, x + b * xStride, y + b * yStride, slice);
    FORMATS(ROWS)
#undef ROWS
}

/// totals += the entries of a row in columns before `end`; returns how far it came.
INLINE intptr_t slice_tile_row(
    const tessera_panel_format format, const bool wide, const int vectors, const tessera_slices *w, const float *x,
    intptr_t slot, intptr_t limit, intptr_t end, float *totals) {
    V sums[TESSERA_TILE_PART / LANES];
    UNROLL for (int v = 0; v < vectors; v++) sums[v] = v_load(totals + v * LANES);
    for (; slot < limit; slot += 16) {
        const intptr_t column =
            wide ? (intptr_t)((const uint32_t *)w->indices)[slot] : (intptr_t)((const uint16_t *)w->indices)[slot];
        if (column >= end) break;
        const V weight = v_set(
            format == TESSERA_PANEL_F32   ? ((const float *)w->values)[slot]
            : format == TESSERA_PANEL_F16 ? from_half(((const uint16_t *)w->values)[slot])
                                          : tessera_from_bfloat(((const uint16_t *)w->values)[slot]));
        const float *source = x + column * vectors * LANES;
        UNROLL for (int v = 0; v < vectors; v++) sums[v] = v_fma(weight, v_load(source + v * LANES), sums[v]);
    }
    UNROLL for (int v = 0; v < vectors; v++) v_store(totals + v * LANES, sums[v]);
    return slot;
}

/// Four slices against a part of a tile, SLICE_COLUMNS columns after another so that these stay in the caches.
INLINE void slice_tile(
    const tessera_panel_format format, const bool wide, const int vectors, const tessera_slices *w, const float *x,
    intptr_t top, intptr_t end, float *totals) {
    intptr_t slots[TESSERA_PANEL_ROWS];
    for (intptr_t row = top; row < end; row++) slots[row - top] = w->starts[row / 16] * 16 + row % 16;
    for (intptr_t i = 0; i < (end - top) * vectors * LANES; i++) totals[i] = 0;
    for (intptr_t column = 0; column < w->columns; column += SLICE_COLUMNS)
        for (intptr_t row = top; row < end; row++) {
            const intptr_t limit = w->starts[row / 16] * 16 + row % 16 + 16 * (intptr_t)w->lengths[row];
            slots[row - top] = slice_tile_row(
                format, wide, vectors, w, x, slots[row - top], limit, column + SLICE_COLUMNS,
                totals + (row - top) * vectors * LANES);
        }
}

INLINE void slice_parts(
    const tessera_panel_format format, const bool wide, const tessera_slices *w, const float *xt, float *y,
    intptr_t yStride, intptr_t batch, intptr_t first, intptr_t last) {
    _Alignas(64) float totals[TESSERA_PANEL_ROWS * TESSERA_TILE_PART];
    for (; first < last; first += TESSERA_PANEL_ROWS / 16) {
        const intptr_t top = 16 * first;
        const intptr_t end = nm_smaller(nm_smaller(16 * last, top + TESSERA_PANEL_ROWS), w->rows);
        for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
            const intptr_t width = tessera_part_width(batch, part);
#define VECTORS(COUNT, ROWS) \
    case COUNT: slice_tile(format, wide, COUNT, w, xt + part * w->columns, top, end, totals); break;
            switch (width / LANES) { NM_TILE_CASES }
#undef VECTORS
            transpose(
                totals, width, end - top, nm_smaller(batch - part, TESSERA_TILE_PART), y + part * yStride + top,
                yStride);
        }
    }
}

TARGET static void sliceTile(
    const tessera_slices *w, const float *xt, float *y, intptr_t yStride, intptr_t batch, intptr_t first,
    intptr_t last) {
#define TILE(FORMAT, WIDE) slice_parts(FORMAT, WIDE, w, xt, y, yStride, batch, first, last);
    FORMATS(TILE)
#undef TILE
}
