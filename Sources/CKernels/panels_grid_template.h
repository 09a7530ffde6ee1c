// Grids of diagonal blocks: sums of products of elements.

/// `outputs` by `batch` rows of one vector of `last` lanes, one accumulator each, adding the inputs in order.
INLINE void grid_tile(
    const int outputs, const int batch, const bool whole, const float *z, intptr_t zStride, const float *s, float *w,
    intptr_t wStride, intptr_t inputs, intptr_t width, intptr_t last) {
    V sums[TILE_SUMS], scales[4];
    UNROLL for (int i = 0; i < outputs * batch; i++) sums[i] = v_zero();
    for (intptr_t j = 0; j < inputs; j++, s += width, z += width) {
        UNROLL for (int i = 0; i < outputs; i++)
            scales[i] = whole ? v_load(s + i * inputs * width) : v_load_part(s + i * inputs * width, last);
        UNROLL for (int b = 0; b < batch; b++) {
            const V value = whole ? v_load(z + b * zStride) : v_load_part(z + b * zStride, last);
            UNROLL for (int i = 0; i < outputs; i++)
                sums[b * outputs + i] = v_fma(scales[i], value, sums[b * outputs + i]);
        }
    }
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int i = 0; i < outputs; i++) {
            float *target = w + b * wStride + i * width;
            if (whole) v_store(target, sums[b * outputs + i]);
            else v_store_part(target, sums[b * outputs + i], last);
        }
}

/// All rows of z and all outputs, one vector of columns.
INLINE void grid_column(
    const bool whole, const float *z, intptr_t zStride, const float *s, float *w, intptr_t wStride, intptr_t batch,
    intptr_t outputs, intptr_t inputs, intptr_t width, intptr_t last) {
    for (intptr_t b = 0; b < batch;) {
        const intptr_t count = batch - b >= GRID_BATCH ? GRID_BATCH : 1;
        for (intptr_t i = 0; i < outputs;) {
            const intptr_t tall = outputs - i >= GRID_OUTPUTS ? GRID_OUTPUTS : 1;
            const float *zs = z + b * zStride, *ss = s + i * inputs * width;
            float *ws = w + b * wStride + i * width;
#define TILE(OUTPUTS, BATCH) grid_tile(OUTPUTS, BATCH, whole, zs, zStride, ss, ws, wStride, inputs, width, last)
            if (count == 1) {
                if (tall == 1) TILE(1, 1);
                else TILE(GRID_OUTPUTS, 1);
            } else {
                if (tall == 1) TILE(1, GRID_BATCH);
                else TILE(GRID_OUTPUTS, GRID_BATCH);
            }
#undef TILE
            i += tall;
        }
        b += count;
    }
}

TARGET static void diagonalGrid(
    const float *z, intptr_t zStride, const float *s, float *w, intptr_t wStride, intptr_t batch, intptr_t outputs,
    intptr_t inputs, intptr_t width) {
    intptr_t c = 0;
    for (; c + LANES <= width; c += LANES)
        grid_column(true, z + c, zStride, s + c, w + c, wStride, batch, outputs, inputs, width, LANES);
    if (c < width)
        grid_column(false, z + c, zStride, s + c, w + c, wStride, batch, outputs, inputs, width, width - c);
}
