// Products with packed panels: which tiles, in which order.

enum {
    PANEL_BLOCK = 384,         // columns whose weights of one panel stay in a near cache for all rows of x
    PANEL_BATCH = 96,          // the most rows of x between two passes over the weights
};

/// The most rows of x in a tile that is `slices` times 16 rows high: as many accumulators as there are registers for.
INLINE int panel_most(const int slices) {
    const int most = PANEL_SUMS / (slices * VECTORS);
    return most < 12 ? most : 12;
}

/// All rows of x against `slices` times 16 rows of a panel: tiles as even as their number allows, which share out the
/// `nextBytes` to prefetch from `next` on.
INLINE void panel_rows(
    const int format, const int slices, const int most, const float *x, intptr_t xStride, const float *w, const intptr_t height,
    const char *next, intptr_t nextBytes, float *y, intptr_t yStride, intptr_t batch, intptr_t valid, intptr_t length,
    bool accumulate) {
    intptr_t tiles = (batch + most - 1) / most;
    const bool many = tiles > 2;
    const intptr_t share = nextBytes / tiles;
    panel_ahead ahead = {next, length > 0 ? share / length : 0};
    for (; tiles > 0; tiles--, ahead.next += share) {
        const intptr_t take = (batch + tiles - 1) / tiles;
        switch (take) {
#define TILE(B) \
    case B: \
        if (B <= most && B > most / 2 && many) \
            panel_tile( \
                format, slices * VECTORS, B, 1, x, xStride, w, height, ahead, y, yStride, valid, length, \
                accumulate); \
        else if (B <= most) \
            panel_tile( \
                format, slices * VECTORS, B, slices, x, xStride, w, height, ahead, y, yStride, valid, length, \
                accumulate); \
        break;
            UP_TO_12(TILE)
#undef TILE
        }
        x += take * xStride;
        y += take * yStride;
        batch -= take;
    }
}

/// The same for a whole panel of f32 or of pairs.
INLINE void panel_block_of(
    const int format, const float *x, intptr_t xStride, const float *w, const intptr_t height, const char *next, intptr_t nextBytes,
    float *y, intptr_t yStride, intptr_t batch, intptr_t valid, intptr_t length, bool accumulate) {
    if (PANEL_SLICES == 1) {
        const intptr_t share = nextBytes * TESSERA_PANEL_VECTOR / height;
        for (intptr_t top = 0; top < height && top < valid; top += TESSERA_PANEL_VECTOR, next += share)
            panel_rows(
                format, 1, panel_most(1), x, xStride, w + top, height, next, share, y + top, yStride, batch, valid - top, length,
                accumulate);
        return;
    }
    switch (height / TESSERA_PANEL_VECTOR) {
#define SLICES(S) \
    case S: \
        panel_rows( \
            format, S, panel_most(S), x, xStride, w, S * TESSERA_PANEL_VECTOR, next, nextBytes, y, yStride, batch, \
            valid, length, accumulate); \
        break;
        SLICES(1)
        SLICES(2)
        SLICES(3)
        SLICES(4)
#undef SLICES
    }
}

TARGET static void panel_block(
    const float *x, intptr_t xStride, const float *w, const intptr_t height, const char *next, intptr_t nextBytes,
    float *y, intptr_t yStride, intptr_t batch, intptr_t valid, intptr_t length, bool accumulate) {
    panel_block_of(
        TESSERA_PANEL_F32, x, xStride, w, height, next, nextBytes, y, yStride, batch, valid, length, accumulate);
}

/// `length` columns of a panel as f32, in the layout of f32.
INLINE void panel_decode(const int format, const void *w, float *target, intptr_t height, intptr_t length) {
    const uint16_t *source = w;
    if (format == TESSERA_PANEL_F16) {
        for (intptr_t i = 0; i < height * length; i += LANES) v_store(target + i, v_from_half(source + i));
        return;
    }
    for (intptr_t k = 0; k < length; k += 2, source += 2 * height, target += 2 * height)
        for (intptr_t r = 0; r < height; r += LANES) {
            v_store(target + r, v_even_bfloats(source + 2 * r));
            v_store(target + height + r, v_odd_bfloats(source + 2 * r));
        }
}

INLINE intptr_t panel_columns_of(const int format, intptr_t columns) {
    return format == PANEL_FORMAT_PAIRS ? columns : tessera_panel_columns((tessera_panel_format)format, columns);
}

/// One row of x: every panel is one tile from its first column to its last, so that the weights are one stream.
INLINE void panel_single(
    const int format, const float *x, const void *packed, float *y, intptr_t rows, intptr_t columns, bool accumulate) {
    const intptr_t bytes = panel_bytes(format);
    const intptr_t step = TESSERA_PANEL_ROWS * panel_columns_of(format, columns) * bytes;
    const char *weights = packed;
    for (intptr_t top = 0; top < rows; top += TESSERA_PANEL_ROWS, weights += step) {
        const intptr_t height = tessera_panel_height(rows - top);
        const panel_ahead ahead = {weights + AHEAD, height * bytes};
        switch (height / TESSERA_PANEL_VECTOR) {
#define SLICES(S) \
    case S: \
        panel_tile( \
            format, S * VECTORS, 1, S * (format == TESSERA_PANEL_F16 ? 2 : 4) / 4, x, 0, weights, \
            S * TESSERA_PANEL_VECTOR, ahead, y + top, 0, rows - top, columns, accumulate); \
        break;
            SLICES(1)
            SLICES(2)
            SLICES(3)
            SLICES(4)
#undef SLICES
        }
    }
}

/// What is read after the last panel's block: the first panel's next block; after the last block everything again, or what
/// lies behind the matrix, where the next one of many begins.
INLINE const char *panel_after(
    const void *packed, intptr_t rows, intptr_t columns, intptr_t k, intptr_t laidOut, bool again, intptr_t bytes) {
    if (k < columns) return (const char *)packed + k * tessera_panel_height(rows) * bytes;
    const intptr_t whole = (rows + TESSERA_PANEL_VECTOR - 1) / TESSERA_PANEL_VECTOR * TESSERA_PANEL_VECTOR;
    return (const char *)packed + (again ? 0 : whole * laidOut * bytes);
}

/// Many rows of x: blocks of columns, whose sums begin at y, so that blocking leaves every chain as it is.
TARGET static void panel_many(
    const tessera_panel_format format, const float *x, intptr_t xStride, const void *packed, float *y,
    intptr_t yStride, intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    float decoded[TESSERA_PANEL_ROWS * PANEL_BLOCK] __attribute__((aligned(64)));
    const intptr_t bytes = tessera_panel_element_bytes(format), laidOut = tessera_panel_columns(format, columns);
    const char *weights = packed;
    // Passes as even as whole tiles allow.
    const intptr_t passes = (batch + PANEL_BATCH - 1) / PANEL_BATCH;
    const intptr_t pass = passes > 0 ? ((batch + passes - 1) / passes + 5) / 6 * 6 : 1;
    for (intptr_t from = 0; from < batch; from += pass) {
        const intptr_t count = batch - from < pass ? batch - from : pass;
        const float *xs = x + from * xStride;
        float *ys = y + from * yStride;
        intptr_t k = 0;
        do {
            const intptr_t length = columns - k < PANEL_BLOCK ? columns - k : PANEL_BLOCK;
            // An odd last column brings its partner of zeros, which is laid out but not multiplied.
            const intptr_t stored = k + length == columns ? laidOut - k : length;
            for (intptr_t top = 0; top < rows; top += TESSERA_PANEL_ROWS) {
                const intptr_t height = tessera_panel_height(rows - top), below = top + TESSERA_PANEL_ROWS;
                const char *block = weights + (top * laidOut + k * height) * bytes;
                const char *next = below < rows
                    ? weights + (below * laidOut + k * tessera_panel_height(rows - below)) * bytes
                    : panel_after(packed, rows, columns, k + length, laidOut, from + pass < batch, bytes);
                const float *values = (const float *)block;
                if (format != TESSERA_PANEL_F32) {
                    panel_decode(format, block, decoded, height, stored);
                    values = decoded;
                }
                panel_block(
                    xs + k, xStride, values, height, next, height * length * bytes, ys + top, yStride, count,
                    rows - top, length, accumulate || k > 0);
            }
            k += length;
        } while (k < columns);
    }
}

#define SINGLE(NAME, FORMAT) \
    TARGET static void NAME( \
        const float *x, const void *packed, float *y, intptr_t rows, intptr_t columns, bool accumulate) { \
        panel_single(FORMAT, x, packed, y, rows, columns, accumulate); \
    }
SINGLE(panel_single_f32, TESSERA_PANEL_F32)
SINGLE(panel_single_f16, TESSERA_PANEL_F16)
SINGLE(panel_single_bf16, TESSERA_PANEL_BF16)
#undef SINGLE

TARGET static void panelProduct(
    tessera_panel_format format, const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride,
    intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    if (batch != 1) {
        panel_many(format, x, xStride, packed, y, yStride, batch, rows, columns, accumulate);
        return;
    }
    switch (format) {
    case TESSERA_PANEL_F32: panel_single_f32(x, packed, y, rows, columns, accumulate); break;
    case TESSERA_PANEL_F16: panel_single_f16(x, packed, y, rows, columns, accumulate); break;
    case TESSERA_PANEL_BF16: panel_single_bf16(x, packed, y, rows, columns, accumulate); break;
    }
}
