// N:M products at small batches: rows of W in lanes, the columns of a window of x chosen lane by lane.

/// The columns of x that the places of a window count in: `bits` is 2 for a window of 4, 4 for one of 16.
INLINE Window window_load(const int bits, const float *x, intptr_t left) {
    if (bits == 2) return window4_load(x);
    return left >= 16 ? window16_load(x) : window16_load_part(x, left);
}

INLINE V window_pick(const int bits, Window x, I places) {
    return bits == 2 ? window4_pick(x, places) : window16_pick(x, places);
}

/// Entry number `entry` of a chunk, LANES rows from lane `lane` of a panel of `height` rows.
INLINE V nm_values(
    const tessera_panel_format format, const int entry, const uint8_t *values, intptr_t height, intptr_t lane) {
    switch (format) {
    case TESSERA_PANEL_F32: return v_load((const float *)(const void *)values + entry * height + lane);
    case TESSERA_PANEL_F16: return v_from_half((const uint16_t *)(const void *)values + entry * height + lane);
    default: {
        I pairs = i_load((const uint32_t *)(const void *)values + entry / 2 * height + lane);
        return entry % 2 == 0 ? v_from_low(pairs) : v_from_high(pairs);
    }
    }
}

/// Sums of `vectors` vectors of rows of one panel for `batch` rows of x. `kept` entries a window; 0 takes the layout's.
INLINE void nm_lanes(
    const tessera_panel_format format, const int bits, const int kept, const int vectors, const int batch,
    const nm_layout layout, const float *x, intptr_t xStride, intptr_t columns, const uint8_t *chunk, intptr_t height,
    intptr_t lane, V *sums) {
    const int window = bits == 2 ? 4 : 16, most = bits == 2 ? 16 : 8;
    Window values[NM_BATCH];
    I places[NM_VECTORS];
    intptr_t column = 0, first = 0;
    UNROLL for (int i = 0; i < vectors * batch; i++) sums[i] = v_zero();
    if (kept > 0) {
        // Whole chunks of whole windows.
        const intptr_t step = nm_chunk_bytes(layout, format, most, height);
        const int span = most / (kept > 0 ? kept : 1) * window;
        for (; first + most <= layout.entries && column + span <= columns;
             first += most, column += span, chunk += step) {
            UNROLL for (int v = 0; v < vectors; v++)
                places[v] = i_load((const uint32_t *)(const void *)chunk + lane + v * LANES);
            UNROLL for (int entry = 0; entry < most; entry++) {
                if (entry % kept == 0)
                    UNROLL for (int b = 0; b < batch; b++)
                        values[b] = window_load(bits, x + b * xStride + column + entry / kept * window, 16);
                UNROLL for (int v = 0; v < vectors; v++) {
                    V weight = nm_values(format, entry, chunk + 4 * height, height, lane + v * LANES);
                    UNROLL for (int b = 0; b < batch; b++)
                        sums[v * batch + b] =
                            v_fma(weight, window_pick(bits, values[b], places[v]), sums[v * batch + b]);
                    places[v] = i_shift(places[v], bits);
                }
            }
        }
    }
    intptr_t used = 0;
    for (; first < layout.entries; first += most) {
        const int count = (int)nm_smaller(layout.entries - first, most);
        UNROLL for (int v = 0; v < vectors; v++)
            places[v] = i_load((const uint32_t *)(const void *)chunk + lane + v * LANES);
        for (int entry = 0; entry < count; entry++) {
            UNROLL for (int b = 0; b < batch; b++)
                values[b] = window_load(bits, x + b * xStride + column, columns - column);
            UNROLL for (int v = 0; v < vectors; v++) {
                V weight = nm_values(format, entry, chunk + 4 * height, height, lane + v * LANES);
                UNROLL for (int b = 0; b < batch; b++)
                    sums[v * batch + b] =
                        v_fma(weight, window_pick(bits, values[b], places[v]), sums[v * batch + b]);
                places[v] = i_shift(places[v], bits);
            }
            if (++used == layout.kept) {
                used = 0;
                column += window;
            }
        }
        chunk += nm_chunk_bytes(layout, format, count, height);
    }
}

/// `vectors` vectors of rows from `lane` of a panel, `batch` rows of x; `valid` rows of the panel are written.
INLINE void nm_lanes_store(
    const tessera_panel_format format, const int bits, const int kept, const int vectors, const int batch,
    const nm_layout layout, const float *x, intptr_t xStride, intptr_t columns, const uint8_t *panel, intptr_t height,
    intptr_t lane, float *y, intptr_t yStride, intptr_t valid) {
    V sums[NM_VECTORS * NM_BATCH];
    nm_lanes(format, bits, kept, vectors, batch, layout, x, xStride, columns, panel, height, lane, sums);
    UNROLL for (int v = 0; v < vectors; v++)
        UNROLL for (int b = 0; b < batch; b++) {
            const intptr_t row = lane + v * LANES;
            float *target = y + b * yStride + row;
            if (row + LANES <= valid) v_store(target, sums[v * batch + b]);
            else if (row < valid) v_store_part(target, sums[v * batch + b], valid - row);
        }
}

/// All panels, each met by all rows of x while it is in the caches.
INLINE void nm_panels(
    const tessera_panel_format format, const int bits, const int kept, tessera_nm_shape shape, const float *x,
    intptr_t xStride, const uint8_t *panel, float *y, intptr_t yStride, intptr_t batch) {
    const nm_layout layout = nm_layout_of(shape);
    const intptr_t columns = shape.columns;
    for (intptr_t top = 0; top < shape.rows; top += TESSERA_PANEL_ROWS) {
        const intptr_t height = nm_panel_height(shape.rows, top);
        const intptr_t valid = nm_smaller(shape.rows - top, height);
        for (intptr_t b = 0; b < batch;) {
            const intptr_t left = batch - b, take = left >= NM_BATCH ? NM_BATCH : left >= 2 && NM_BATCH >= 2 ? 2 : 1;
            const float *xs = x + b * xStride;
            float *ys = y + b * yStride + top;
            intptr_t lane = 0;
#define LANES_OF(VECTORS, BATCH) \
    nm_lanes_store( \
        format, bits, kept, VECTORS, BATCH, layout, xs, xStride, columns, panel, height, lane, ys, yStride, valid)
            for (; lane + NM_VECTORS * LANES <= height; lane += NM_VECTORS * LANES) {
                if (take == NM_BATCH) LANES_OF(NM_VECTORS, NM_BATCH);
#if NM_BATCH_OF_TWO
                else if (take == 2) LANES_OF(NM_VECTORS, 2);
#endif
                else LANES_OF(NM_VECTORS, 1);
            }
            for (; lane < height; lane += LANES)
                for (intptr_t one = 0; one < take; one++)
                    nm_lanes_store(
                        format, bits, 0, 1, 1, layout, xs + one * xStride, xStride, columns, panel, height, lane,
                        ys + one * yStride, yStride, valid);
#undef LANES_OF
            b += take;
        }
        panel += nm_panel_bytes(shape, height);
    }
}

TARGET static void nmProduct(
    tessera_nm_shape shape, const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride,
    intptr_t batch) {
#define KEPT(FORMAT) \
    if (shape.group == 4 && shape.kept == 2) nm_panels(FORMAT, 2, 2, shape, x, xStride, packed, y, yStride, batch); \
    else if (shape.group == 4) nm_panels(FORMAT, 2, 0, shape, x, xStride, packed, y, yStride, batch); \
    else if (2 * shape.kept == shape.group) nm_panels(FORMAT, 4, 8, shape, x, xStride, packed, y, yStride, batch); \
    else nm_panels(FORMAT, 4, 0, shape, x, xStride, packed, y, yStride, batch);
    switch (shape.format) {
    case TESSERA_PANEL_F32: KEPT(TESSERA_PANEL_F32) break;
    case TESSERA_PANEL_F16: KEPT(TESSERA_PANEL_F16) break;
    case TESSERA_PANEL_BF16: KEPT(TESSERA_PANEL_BF16) break;
    }
#undef KEPT
}
