// Rows in groups that share their columns: a column of x meets all rows of a group at once.

enum { GROUP_AHEAD = 6 };   // steps

static inline intptr_t group_column(const bool wide, const void *indices, intptr_t number) {
    return wide ? (intptr_t)((const uint32_t *)indices)[number] : (intptr_t)((const uint16_t *)indices)[number];
}

/// The lanes from `lane` on of a slice: x at the column of each lane's group.
INLINE V group_inputs(const bool wide, const int group, const void *indices, intptr_t number, const int lane, const float *x) {
    V inputs = v_set(x[group_column(wide, indices, number + lane / group)]);
    UNROLL for (int next = group; next < LANES; next += group)
        inputs = v_replace_from(inputs, v_set(x[group_column(wide, indices, number + (lane + next) / group)]), next);
    return inputs;
}

/// `slices` slices from `slice` on, `batch` rows of x.
INLINE void group_rows(
    const tessera_panel_format format, const bool wide, const int group, const int slices, const int batch,
    const tessera_row_groups *w, const float *x, intptr_t xStride, float *y, intptr_t yStride, intptr_t slice) {
    enum { vectors = 16 / LANES };
    V sums[GROUP_SLICES * vectors * GROUP_BATCH];
    UNROLL for (int i = 0; i < slices * vectors * batch; i++) sums[i] = v_zero();
    for (intptr_t step = 0; step < w->steps; step++)
        UNROLL for (int s = 0; s < slices; s++) {
            const intptr_t at = (slice + s) * w->steps + step;
            UNROLL for (int v = 0; v < vectors; v++) {
                const V weight = slice_values(format, w->values, 16 * at + v * LANES);
                UNROLL for (int b = 0; b < batch; b++) {
                    V *sum = sums + (s * vectors + v) * batch + b;
                    *sum = v_fma(
                        weight, group_inputs(wide, group, w->indices, at * (16 / group), v * LANES, x + b * xStride), *sum);
                }
            }
        }
    UNROLL for (int s = 0; s < slices; s++)
        UNROLL for (int v = 0; v < vectors; v++) {
            const intptr_t row = (slice + s) * 16 + v * LANES;
            UNROLL for (int b = 0; b < batch; b++) {
                const V sum = sums[(s * vectors + v) * batch + b];
                if (row + LANES <= w->rows) v_store(y + b * yStride + row, sum);
                else if (row < w->rows) v_store_part(y + b * yStride + row, sum, w->rows - row);
            }
        }
}

INLINE void group_slices(
    const tessera_panel_format format, const bool wide, const int group, const tessera_row_groups *w, const float *x,
    intptr_t xStride, float *y, intptr_t yStride, intptr_t batch, intptr_t first, intptr_t last) {
    for (; first < last;) {
        const bool several = last - first >= GROUP_SLICES;
        intptr_t b = 0;
#define ROWS(SLICES, BATCH) \
    for (; b + BATCH <= batch; b += BATCH) \
        group_rows(format, wide, group, SLICES, BATCH, w, x + b * xStride, xStride, y + b * yStride, yStride, first);
        if (several) { ROWS(GROUP_SLICES, GROUP_BATCH) ROWS(GROUP_SLICES, 1) } else { ROWS(1, GROUP_BATCH) ROWS(1, 1) }
#undef ROWS
        first += several ? GROUP_SLICES : 1;
    }
}

#define GROUP_FORMATS(CALL, GROUP) \
    switch (w->format) { \
    case TESSERA_PANEL_F32: \
        if (w->wide) { CALL(TESSERA_PANEL_F32, true, GROUP) } else { CALL(TESSERA_PANEL_F32, false, GROUP) } \
        break; \
    case TESSERA_PANEL_F16: \
        if (w->wide) { CALL(TESSERA_PANEL_F16, true, GROUP) } else { CALL(TESSERA_PANEL_F16, false, GROUP) } \
        break; \
    case TESSERA_PANEL_BF16: \
        if (w->wide) { CALL(TESSERA_PANEL_BF16, true, GROUP) } else { CALL(TESSERA_PANEL_BF16, false, GROUP) } \
        break; \
    }

TARGET static void groupProduct(
    const tessera_row_groups *w, const float *x, intptr_t xStride, float *y, intptr_t yStride, intptr_t batch,
    intptr_t first, intptr_t last) {
#define PRODUCT(FORMAT, WIDE, GROUP) group_slices(FORMAT, WIDE, GROUP, w, x, xStride, y, yStride, batch, first, last);
    if (w->group == 16) { GROUP_FORMATS(PRODUCT, 16) }
    else if (w->group == 8) { GROUP_FORMATS(PRODUCT, 8) }
    else { GROUP_FORMATS(PRODUCT, 4) }
#undef PRODUCT
}

/// totals [rows x width] += `steps` steps of some rows of one group, `vectors` vectors of a part of a tile. The group's first
/// rows fetch columns of x some steps ahead: their order is not one that the processor foresees.
INLINE void group_tile_rows(
    const int rows, const int vectors, const bool fetches, const intptr_t *columns, const intptr_t stride,
    const float *values, intptr_t steps, const float *x, intptr_t width, float *totals) {
    enum { ahead = GROUP_AHEAD };
    V sums[16], inputs[4];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vectors; v++) sums[r * vectors + v] = v_load(totals + r * width + v * LANES);
    for (intptr_t step = 0; step < steps; step++) {
        const float *source = x + columns[step * stride] * width;
        if (fetches) {
            const float *next = x + columns[(step + ahead) * stride] * width;
            UNROLL for (int v = 0; v < vectors * LANES; v += 16) __builtin_prefetch(next + v, 0, 3);
        }
        UNROLL for (int v = 0; v < vectors; v++) inputs[v] = v_load(source + v * LANES);
        UNROLL for (int r = 0; r < rows; r++) {
            const V weight = v_set(values[step * 16 + r]);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[r * vectors + v] = v_fma(weight, inputs[v], sums[r * vectors + v]);
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vectors; v++) v_store(totals + r * width + v * LANES, sums[r * vectors + v]);
}

/// All rows of a slice, `rows` of them (a divisor of the group) at a time.
INLINE void group_tile_slice(
    const int rows, const int vectors, const intptr_t group, const intptr_t *columns, const float *values, intptr_t steps,
    const float *x, intptr_t width, float *totals) {
    for (intptr_t row = 0; row < 16; row += rows) {
        const intptr_t *own = columns + row / group;
        float *target = totals + row * width;
        if (row % group == 0)
            group_tile_rows(rows, vectors, true, own, 16 / group, values + row, steps, x, width, target);
        else group_tile_rows(rows, vectors, false, own, 16 / group, values + row, steps, x, width, target);
    }
}

/// Slice after slice, 64 steps at a time, so that their columns of a part of the tile stay in the first-level cache
/// while all rows of the slice meet them.
TARGET static void groupTile(
    const tessera_row_groups *w, const float *xt, float *y, intptr_t yStride, intptr_t batch, intptr_t first,
    intptr_t last) {
    enum { most = 64, beyond = GROUP_AHEAD };
    _Alignas(64) float totals[16 * TESSERA_TILE];
    _Alignas(64) float decoded[most * 16];
    intptr_t columns[(most + beyond) * 4];
    const intptr_t perSlice = 16 / w->group;
    for (intptr_t slice = first; slice < last; slice++) {
        for (intptr_t i = 0; i < 16 * tessera_tile_width(batch); i++) totals[i] = 0;
        for (intptr_t start = 0; start < w->steps; start += most) {
            const intptr_t steps = nm_smaller(most, w->steps - start), at = slice * w->steps + start;
            const float *values = (const float *)w->values + 16 * at;
            // The next steps' weights are asked for now: they are read by fours of rows, which no processor foresees.
            const intptr_t size = tessera_panel_element_bytes(w->format);
            const char *next = (const char *)w->values + 16 * (at + most) * size;
            for (intptr_t byte = 0; byte < 16 * most * size; byte += 64) __builtin_prefetch(next + byte, 0, 2);
            if (w->format != TESSERA_PANEL_F32) {
                for (intptr_t i = 0; i < steps * 16; i += LANES)
                    v_store(
                        decoded + i, w->format == TESSERA_PANEL_F16
                                         ? slice_values(TESSERA_PANEL_F16, w->values, 16 * at + i)
                                         : slice_values(TESSERA_PANEL_BF16, w->values, 16 * at + i));
                values = decoded;
            }
            for (intptr_t i = 0; i < steps * perSlice; i++) columns[i] = group_column(w->wide, w->indices, at * perSlice + i);
            for (intptr_t i = 0; i < beyond * perSlice; i++) columns[steps * perSlice + i] = 0;
            for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
                const intptr_t width = tessera_part_width(batch, part);
                for (intptr_t v = 0; v < width; v += GROUP_VECTORS * LANES) {
                    const float *x = xt + part * w->columns + v;
                    float *target = totals + part * 16 + v;
#define ROWS(COUNT, VECTORS) group_tile_slice(COUNT, VECTORS, w->group, columns, values, steps, x, width, target)
                    switch (nm_smaller(width - v, GROUP_VECTORS * LANES) / LANES) {
                    // Narrow parts take more rows, whose chains hide the latency of a multiply-add.
                    case 1:
                        if (w->group == 16) ROWS(16, 1);
                        else if (w->group == 8) ROWS(8, 1);
                        else ROWS(4, 1);
                        break;
                    case 2:
                        if (w->group >= 8 && GROUP_VECTORS > 2) ROWS(8, 2);
                        else ROWS(4, 2);
                        break;
#if GROUP_VECTORS > 2
                    case 3: ROWS(4, 3); break;
                    case 4: ROWS(4, 4); break;
#endif
                    }
#undef ROWS
                }
            }
        }
        const intptr_t valid = nm_smaller(w->rows - 16 * slice, 16);
        for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
            const intptr_t width = tessera_part_width(batch, part);
            transpose(
                totals + part * 16, width, valid, nm_smaller(batch - part, TESSERA_TILE_PART),
                y + part * yStride + 16 * slice, yStride);
        }
    }
}
