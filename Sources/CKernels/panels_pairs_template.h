// Products of bf16 with bf16: those of f32, with pairs of columns in the place of columns.

enum {
    PAIRS_BLOCK = 192,         // pairs of columns whose weights of one panel stay in a near cache for all rows of x
    PAIRS_MOST = PANEL_BATCH * PAIRS_BLOCK,
};

/// Columns of some rows of x as pairs of bf16, rows `length` pairs apart; an odd last column is followed by a zero.
INLINE void round_pairs(
    const float *x, intptr_t xStride, intptr_t batch, intptr_t columns, float *pairs, intptr_t length) {
    for (intptr_t b = 0; b < batch; b++, x += xStride, pairs += length) {
        intptr_t k = 0;
        for (; k + 2 * LANES <= columns; k += 2 * LANES)
            v_store(pairs + k / 2, v_to_pairs(v_load(x + k), v_load(x + k + LANES)));
        if (k < columns) {
            const intptr_t left = columns - k;
            float rounded[LANES];
            v_store(rounded, v_to_pairs(v_load_some(x + k, left), v_load_some(x + k + LANES, left - LANES)));
            memcpy(pairs + k / 2, rounded, (size_t)(length - k / 2) * sizeof(float));
        }
    }
}

TARGET static void pairs_block(
    const float *x, intptr_t xStride, const float *w, const intptr_t height, const char *next, intptr_t nextBytes,
    float *y, intptr_t yStride, intptr_t batch, intptr_t valid, intptr_t length, bool accumulate) {
    panel_block_of(
        PANEL_FORMAT_PAIRS, x, xStride, w, height, next, nextBytes, y, yStride, batch, valid, length, accumulate);
}

TARGET static void bfloatProduct(
    const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride, intptr_t batch, intptr_t rows,
    intptr_t columns, bool accumulate) {
    float rounded[PAIRS_MOST] __attribute__((aligned(64)));
    const float *weights = packed;
    const intptr_t pairs = (columns + 1) / 2;
    if (batch == 1 && pairs <= PAIRS_MOST) {
        round_pairs(x, 0, 1, columns, rounded, pairs);
        panel_single(PANEL_FORMAT_PAIRS, rounded, packed, y, rows, pairs, accumulate);
        return;
    }
    const intptr_t passes = (batch + PANEL_BATCH - 1) / PANEL_BATCH;
    const intptr_t pass = passes > 0 ? ((batch + passes - 1) / passes + 5) / 6 * 6 : 1;
    for (intptr_t from = 0; from < batch; from += pass) {
        const intptr_t count = batch - from < pass ? batch - from : pass;
        intptr_t k = 0;
        do {
            const intptr_t length = pairs - k < PAIRS_BLOCK ? pairs - k : PAIRS_BLOCK;
            const intptr_t valid = columns - 2 * k < 2 * length ? columns - 2 * k : 2 * length;
            round_pairs(x + from * xStride + 2 * k, xStride, count, valid, rounded, length);
            for (intptr_t top = 0; top < rows; top += TESSERA_PANEL_ROWS) {
                const intptr_t height = tessera_panel_height(rows - top), below = top + TESSERA_PANEL_ROWS;
                const char *next = below < rows
                    ? (const char *)(weights + below * pairs + k * tessera_panel_height(rows - below))
                    : panel_after(packed, rows, pairs, k + length, pairs, from + pass < batch, 4);
                pairs_block(
                    rounded, length, weights + top * pairs + k * height, height, next,
                    height * length * 4, y + from * yStride + top, yStride, count, rows - top, length,
                    accumulate || k > 0);
            }
            k += length;
        } while (k < pairs);
    }
}
