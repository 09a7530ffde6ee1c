// Compressed rows: 16 rows side by side for every row of x.

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
#undef FORMATS
