// Grids of diagonal blocks: sums of products of elements.

enum {
    GRID_SPAN = 128,            // columns whose part of s stays in the second-level cache for all rows of z
    GRID_SUMS = GRID_OUTPUTS * GRID_BATCH,
};

/// `outputs` by `batch` rows of one vector of `last` lanes, one accumulator each, adding the inputs in order.
/// Prefetches the same columns of the `batch` rows of z and w that follow.
INLINE void grid_tile(
    const int outputs, const int batch, const bool whole, const bool prefetch, const float *z, intptr_t zStride,
    const float *s, float *w, intptr_t wStride, intptr_t inputs, intptr_t width, intptr_t last) {
    V sums[GRID_SUMS], scales[GRID_OUTPUTS];
    UNROLL for (int i = 0; i < outputs * batch; i++) sums[i] = v_zero();
    const float *rows = z;
    for (intptr_t j = 0; j < inputs; j++, s += width, rows += width) {
        UNROLL for (int i = 0; i < outputs; i++) {
            const float *source = s + i * inputs * width;
            scales[i] = whole ? v_load(source) : v_load_part(source, last);
        }
        if (prefetch)
            UNROLL for (int b = 0; b < batch; b++) __builtin_prefetch(rows + (batch + b) * zStride);
        UNROLL for (int b = 0; b < batch; b++) {
            const V value = whole ? v_load(rows + b * zStride) : v_load_part(rows + b * zStride, last);
            UNROLL for (int i = 0; i < outputs; i++)
                sums[b * outputs + i] = v_fma(scales[i], value, sums[b * outputs + i]);
        }
    }
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int i = 0; i < outputs; i++) {
            float *target = w + b * wStride + i * width;
            if (prefetch || batch > 1) __builtin_prefetch(target + batch * wStride, 1);
            if (whole) v_store(target, sums[b * outputs + i]);
            else v_store_part(target, sums[b * outputs + i], last);
        }
}

/// All outputs of `batch` rows, in a span of columns.
INLINE void grid_rows(
    const int batch, const float *z, intptr_t zStride, const float *s, float *w, intptr_t wStride, intptr_t outputs,
    intptr_t inputs, intptr_t width, intptr_t span) {
    for (intptr_t c = 0; c < span; c += LANES) {
        const intptr_t last = span - c;
        intptr_t i = 0;
#define TILE(OUTPUTS, WHOLE, PREFETCH) \
    grid_tile( \
        OUTPUTS, batch, WHOLE, PREFETCH, z + c, zStride, s + i * inputs * width + c, w + i * width + c, wStride, \
        inputs, width, last)
        if (last < LANES) {
            for (; i + GRID_OUTPUTS <= outputs; i += GRID_OUTPUTS) TILE(GRID_OUTPUTS, false, false);
            for (; i < outputs; i++) TILE(1, false, false);
            continue;
        }
        if (batch > 1 && outputs >= GRID_OUTPUTS) {
            TILE(GRID_OUTPUTS, true, true);
            i = GRID_OUTPUTS;
        }
        for (; i + GRID_OUTPUTS <= outputs; i += GRID_OUTPUTS) TILE(GRID_OUTPUTS, true, false);
        for (; i < outputs; i++) TILE(1, true, false);
#undef TILE
    }
}

/// One row of z: several vectors of one output side by side, so that s is read in the order it lies.
INLINE void grid_stream(
    const int vectors, const float *z, const float *s, float *w, intptr_t inputs, intptr_t width) {
    V sums[8];
    UNROLL for (int v = 0; v < vectors; v++) sums[v] = v_zero();
    for (intptr_t j = 0; j < inputs; j++, s += width, z += width)
        UNROLL for (int v = 0; v < vectors; v++) {
            __builtin_prefetch(s + v * LANES + 4 * width);
            sums[v] = v_fma(v_load(s + v * LANES), v_load(z + v * LANES), sums[v]);
        }
    UNROLL for (int v = 0; v < vectors; v++) v_store(w + v * LANES, sums[v]);
}

INLINE void grid_single(
    const float *z, const float *s, float *w, intptr_t outputs, intptr_t inputs, intptr_t width) {
    for (intptr_t i = 0; i < outputs; i++, s += inputs * width, w += width) {
        intptr_t c = 0;
        for (; c + 8 * LANES <= width; c += 8 * LANES) grid_stream(8, z + c, s + c, w + c, inputs, width);
        if (c + 4 * LANES <= width) {
            grid_stream(4, z + c, s + c, w + c, inputs, width);
            c += 4 * LANES;
        }
        if (c + 2 * LANES <= width) {
            grid_stream(2, z + c, s + c, w + c, inputs, width);
            c += 2 * LANES;
        }
        if (c + LANES <= width) {
            grid_stream(1, z + c, s + c, w + c, inputs, width);
            c += LANES;
        }
        if (c < width) grid_tile(1, 1, false, false, z + c, 0, s + c, w + c, 0, inputs, width, width - c);
    }
}

TARGET static void diagonalGrid(
    const float *z, intptr_t zStride, const float *s, float *w, intptr_t wStride, intptr_t batch, intptr_t outputs,
    intptr_t inputs, intptr_t width) {
    if (batch == 1) {
        grid_single(z, s, w, outputs, inputs, width);
        return;
    }
    for (intptr_t c = 0; c < width; c += GRID_SPAN) {
        const intptr_t span = width - c < GRID_SPAN ? width - c : GRID_SPAN;
        // Tiles as even as their number allows.
        intptr_t b = 0;
        for (intptr_t tiles = (batch + GRID_BATCH - 1) / GRID_BATCH; tiles > 0; tiles--) {
            const intptr_t take = (batch - b + tiles - 1) / tiles;
            switch (take) {
#define ROWS(BATCH) \
    case BATCH: \
        if (BATCH <= GRID_BATCH) \
            grid_rows( \
                BATCH, z + b * zStride + c, zStride, s + c, w + b * wStride + c, wStride, outputs, inputs, width, span); \
        break;
                ROWS(1)
                ROWS(2)
                ROWS(3)
                ROWS(4)
                ROWS(5)
                ROWS(6)
#undef ROWS
            }
            b += take;
        }
    }
}
