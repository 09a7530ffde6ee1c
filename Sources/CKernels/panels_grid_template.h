// Grids of diagonal blocks: sums of products of elements.

enum {
    GRID_SPAN = 16,             // columns whose part of s stays in the first-level cache for all rows of z
    GRID_AHEAD_BYTES = 4096,    // between numbers of s that are read once and those brought nearer from memory
    GRID_SUMS = GRID_OUTPUTS * GRID_BATCH,
};

INLINE const char *grid_at(const int format, const char *s, intptr_t index) { return s + index * panel_bytes(format); }

/// Numbers of s, in its format.
INLINE V grid_scales(const int format, const char *s) {
    switch (format) {
    case TESSERA_PANEL_F16: return v_from_half((const uint16_t *)(const void *)s);
    case TESSERA_PANEL_BF16: return v_from_bfloat((const uint16_t *)(const void *)s);
    default: return v_load((const float *)(const void *)s);
    }
}

/// The first `count` of them, below LANES.
INLINE V grid_scales_part(const int format, const char *s, intptr_t count) {
    if (format == TESSERA_PANEL_F32) return v_load_part((const float *)(const void *)s, count);
    uint16_t numbers[LANES] = {0};
    memcpy(numbers, s, (size_t)count * sizeof(uint16_t));
    return grid_scales(format, (const char *)numbers);
}

/// `outputs` by `batch` rows of one vector of `last` lanes, one accumulator each, adding the inputs in order.
/// Prefetches the same columns of the `batch` rows of z and w that follow.
INLINE void grid_tile(
    const int format, const int outputs, const int batch, const bool whole, const bool prefetch, const float *z,
    intptr_t zStride, const char *s, float *w, intptr_t wStride, intptr_t inputs, intptr_t width, intptr_t last) {
    V sums[GRID_SUMS], scales[GRID_OUTPUTS];
    UNROLL for (int i = 0; i < outputs * batch; i++) sums[i] = v_zero();
    const float *rows = z;
    for (intptr_t j = 0; j < inputs; j++, s = grid_at(format, s, width), rows += width) {
        UNROLL for (int i = 0; i < outputs; i++) {
            const char *source = grid_at(format, s, i * inputs * width);
            scales[i] = whole ? grid_scales(format, source) : grid_scales_part(format, source, last);
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
    const int format, const int batch, const float *z, intptr_t zStride, const char *s, float *w, intptr_t wStride,
    intptr_t outputs, intptr_t inputs, intptr_t width, intptr_t span) {
    for (intptr_t c = 0; c < span; c += LANES) {
        const intptr_t last = span - c;
        intptr_t i = 0;
#define TILE(OUTPUTS, WHOLE, PREFETCH) \
    grid_tile( \
        format, OUTPUTS, batch, WHOLE, PREFETCH, z + c, zStride, grid_at(format, s, i * inputs * width + c), \
        w + i * width + c, wStride, inputs, width, last)
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
    const int format, const int vectors, const float *z, const char *s, float *w, intptr_t inputs, intptr_t width) {
    V sums[GRID_STREAM];
    UNROLL for (int v = 0; v < vectors; v++) sums[v] = v_zero();
    for (intptr_t j = 0; j < inputs; j++, s = grid_at(format, s, width), z += width)
        UNROLL for (int v = 0; v < vectors; v++) {
            const char *source = grid_at(format, s, v * LANES);
            __builtin_prefetch(source + GRID_AHEAD_BYTES);
            sums[v] = v_fma(grid_scales(format, source), v_load(z + v * LANES), sums[v]);
        }
    UNROLL for (int v = 0; v < vectors; v++) v_store(w + v * LANES, sums[v]);
}

INLINE void grid_single(
    const int format, const float *z, const char *s, float *w, intptr_t outputs, intptr_t inputs, intptr_t width) {
    for (intptr_t i = 0; i < outputs; i++, s = grid_at(format, s, inputs * width), w += width) {
        intptr_t c = 0;
        while (width - c >= LANES) {
            const intptr_t vectors = (width - c) / LANES;
            switch (vectors < GRID_STREAM ? vectors : GRID_STREAM) {
#define STREAM(V) \
    case V: \
        if (V <= GRID_STREAM) \
            grid_stream(format, V <= GRID_STREAM ? V : 1, z + c, grid_at(format, s, c), w + c, inputs, width); \
        c += V * LANES; \
        break;
                UP_TO_16(STREAM)
#undef STREAM
            }
        }
        if (c < width)
            grid_tile(format, 1, 1, false, false, z + c, 0, grid_at(format, s, c), w + c, 0, inputs, width, width - c);
    }
}

INLINE void grid_many(
    const int format, const float *z, intptr_t zStride, const char *s, float *w, intptr_t wStride, intptr_t batch,
    intptr_t outputs, intptr_t inputs, intptr_t width) {
    for (intptr_t c = 0; c < width; c += GRID_SPAN) {
        const intptr_t span = width - c < GRID_SPAN ? width - c : GRID_SPAN;
        // Tiles as even as their number allows.
        intptr_t b = 0;
        const char *next = grid_at(format, s, c + GRID_SPAN);
        intptr_t near = c + GRID_SPAN < width ? 0 : outputs * inputs;
        for (intptr_t tiles = (batch + GRID_BATCH - 1) / GRID_BATCH; tiles > 0; tiles--) {
            const intptr_t take = (batch - b + tiles - 1) / tiles;
            // The next span's part of s lies too far apart to be guessed: every tile asks for its share.
            for (const intptr_t end = near + (outputs * inputs - near) / tiles; near < end; near++)
                __builtin_prefetch(grid_at(format, next, near * width), 0, 2);
            switch (take) {
#define ROWS(BATCH) \
    case BATCH: \
        if (BATCH <= GRID_BATCH) \
            grid_rows( \
                format, BATCH, z + b * zStride + c, zStride, grid_at(format, s, c), w + b * wStride + c, wStride, \
                outputs, inputs, width, span); \
        break;
                UP_TO_6(ROWS)
#undef ROWS
            }
            b += take;
        }
    }
}

TARGET static void diagonalGrid(
    tessera_panel_format format, const float *z, intptr_t zStride, const void *s, float *w, intptr_t wStride,
    intptr_t batch, intptr_t outputs, intptr_t inputs, intptr_t width) {
#define FORMAT(NUMBERS) \
    case NUMBERS: \
        if (batch == 1) grid_single(NUMBERS, z, s, w, outputs, inputs, width); \
        else grid_many(NUMBERS, z, zStride, s, w, wStride, batch, outputs, inputs, width); \
        break;
    switch (format) {
        FORMAT(TESSERA_PANEL_F32)
        FORMAT(TESSERA_PANEL_F16)
        FORMAT(TESSERA_PANEL_BF16)
    }
#undef FORMAT
}
