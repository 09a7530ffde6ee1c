// N:M products with a few rows of x: a block of weights meets all of them while it is in the first-level cache.

enum {
    FEW_BLOCK_CHUNKS = 12,     // of 16 entries, the most of a block
    FEW_BLOCK_COLUMNS = 384,   // the most but for those of a window that begins before the block and one that ends after
    FEW_PASS = 16,             // the most rows of x between two passes over the weights
    FEW_SUMS = FEW_VECTORS * FEW_BATCH,
};

/// Some chunks of a panel with their values as f32, [entry][row of the panel].
typedef struct few_block {
    const uint8_t *words, *values;         // of the first chunk
    intptr_t wordStep, valueStep;          // bytes from chunk to chunk
    intptr_t entries;                      // of all of them
    intptr_t used;                         // entries of the first window that lie before the block
    intptr_t height;
    const uint8_t *next;                   // what is brought nearer meanwhile,
    intptr_t ahead;                        // so many bytes of it with every chunk
} few_block;

/// sums += a block for `vectors` vectors of rows from `lane`; x holds `batch` rows window by window.
INLINE void few_sums(
    const int bits, const int vectors, const int batch, intptr_t kept, const few_block *block, const float *x,
    intptr_t lane, V *sums) {
    const int window = bits == 2 ? 4 : 16, most = bits == 2 ? 16 : 8;
    const uint8_t *chunk = block->words + 4 * lane, *values = block->values + 4 * lane, *next = block->next;
    intptr_t used = block->used;
    I places[FEW_VECTORS];
    V weights[FEW_VECTORS];
    for (intptr_t left = block->entries; left > 0; left -= most) {
        UNROLL for (int v = 0; v < vectors; v++)
            places[v] = i_load((const uint32_t *)(const void *)chunk + v * LANES);
        for (const uint8_t *end = next + block->ahead; next < end; next += 64) __builtin_prefetch(next, 0, 2);
        const float *source = (const float *)(const void *)values;
        const int count = left < most ? (int)left : most;
        for (int entry = 0; entry < count; entry++, source += block->height) {
            UNROLL for (int v = 0; v < vectors; v++) weights[v] = v_load(source + v * LANES);
            UNROLL for (int b = 0; b < batch; b++) {
                const Window columns = window_load(bits, x + b * window, 16);
                UNROLL for (int v = 0; v < vectors; v++)
                    sums[b * vectors + v] =
                        v_fma(weights[v], window_pick(bits, columns, places[v]), sums[b * vectors + v]);
            }
            UNROLL for (int v = 0; v < vectors; v++) places[v] = i_shift(places[v], bits);
            if (++used == kept) {
                used = 0;
                x += batch * window;
            }
        }
        chunk += block->wordStep;
        values += block->valueStep;
    }
}

INLINE void few_tile(
    const int bits, const int vectors, const int batch, intptr_t kept, const few_block *block, const float *x,
    intptr_t lane, float *y, intptr_t yStride, intptr_t valid, bool accumulate) {
    V sums[FEW_SUMS];
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[b * vectors + v] =
                accumulate ? v_load_some(y + b * yStride + v * LANES, valid - v * LANES) : v_zero();
    few_sums(bits, vectors, batch, kept, block, x, lane, sums);
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int v = 0; v < vectors; v++)
            v_store_some(y + b * yStride + v * LANES, sums[b * vectors + v], valid - v * LANES);
}

/// Rows of x are cut into tiles as even as their number allows; this is where a tile begins.
INLINE intptr_t few_first(intptr_t batch, intptr_t tiles, intptr_t tile) { return batch * tile / tiles; }
INLINE intptr_t few_count(intptr_t batch) { return (batch + FEW_BATCH - 1) / FEW_BATCH; }

/// Y (+)= X W^T for a panel's block, of which `valid` rows are written.
INLINE void few_tiles(
    const int bits, intptr_t kept, few_block *block, const float *x, intptr_t windows, intptr_t batch, float *y,
    intptr_t yStride, intptr_t valid, bool accumulate) {
    const int window = bits == 2 ? 4 : 16, most = bits == 2 ? 16 : 8;
    const intptr_t tiles = few_count(batch), chunks = (block->entries + most - 1) / most;
    for (intptr_t lane = 0; lane < block->height; lane += FEW_VECTORS * LANES)
        for (intptr_t tile = 0; tile < tiles; tile++) {
            const intptr_t first = few_first(batch, tiles, tile);
            // Panels are as high as whole vectors of 16 rows: where not all fit, one does.
            const bool whole = lane + FEW_VECTORS * LANES <= block->height;
            switch (few_first(batch, tiles, tile + 1) - first) {
#define TILE(B) \
    case B: \
        if (B <= FEW_BATCH && whole) \
            few_tile( \
                bits, FEW_VECTORS, B <= FEW_BATCH ? B : 1, kept, block, x + first * windows * window, lane, \
                y + first * yStride + lane, yStride, valid - lane, accumulate); \
        else if (B <= FEW_BATCH) \
            few_tile( \
                bits, 1, B <= FEW_BATCH ? B : 1, kept, block, x + first * windows * window, lane, \
                y + first * yStride + lane, yStride, valid - lane, accumulate); \
        break;
                UP_TO_10(TILE)
#undef TILE
            }
            block->next += block->ahead * chunks;
        }
}

/// Columns of `batch` rows of x, tile by tile and in a tile window by window; zeros fill the last window.
INLINE void few_gather(
    const int window, const float *x, intptr_t xStride, intptr_t batch, intptr_t columns, intptr_t windows,
    float *gathered) {
    const intptr_t tiles = few_count(batch);
    for (intptr_t tile = 0; tile < tiles; tile++)
        for (intptr_t w = 0; w < windows; w++)
            for (intptr_t b = few_first(batch, tiles, tile); b < few_first(batch, tiles, tile + 1); b++)
                for (intptr_t i = w * window; i < (w + 1) * window; i++)
                    *gathered++ = i < columns ? x[b * xStride + i] : 0;
}

INLINE void nm_few(
    const int bits, tessera_nm_shape shape, const float *x, intptr_t xStride, const uint8_t *packed, float *y,
    intptr_t yStride, intptr_t batch) {
    const nm_layout layout = nm_layout_of(shape);
    const int window = bits == 2 ? 4 : 16, most = bits == 2 ? 16 : 8;
    const intptr_t chunks = nm_smaller(FEW_BLOCK_COLUMNS / window * layout.kept / most, FEW_BLOCK_CHUNKS * 16 / most);
    const intptr_t blockEntries = chunks > 1 ? chunks * most : most;
    _Alignas(64) float gathered[FEW_PASS * (FEW_BLOCK_COLUMNS + 2 * 16)];
    _Alignas(64) float decoded[FEW_BLOCK_CHUNKS * 16 * TESSERA_PANEL_ROWS];
    const intptr_t passes = (batch + FEW_PASS - 1) / FEW_PASS;
    for (intptr_t pass = 0; pass < passes; pass++) {
        const intptr_t from = batch * pass / passes, count = batch * (pass + 1) / passes - from;
        // A matrix of no columns has one block of none.
        intptr_t first = 0;
        do {
            const intptr_t entries = nm_smaller(layout.entries - first, blockEntries);
            const intptr_t column = first / layout.kept * window, used = first % layout.kept;
            const intptr_t windows = (used + entries + layout.kept - 1) / layout.kept;
            few_gather(window, x + from * xStride + column, xStride, count, shape.columns - column, windows, gathered);
            const uint8_t *panel = packed;
            for (intptr_t top = 0; top < shape.rows; top += TESSERA_PANEL_ROWS) {
                const intptr_t height = nm_panel_height(shape.rows, top), bytes = nm_panel_bytes(shape, height);
                const intptr_t step = nm_chunk_bytes(layout, shape.format, most, height);
                const intptr_t tiles = few_count(count) * ((height + FEW_VECTORS * LANES - 1) / (FEW_VECTORS * LANES));
                const uint8_t *chunk = panel + first / most * step;
                few_block block = {
                    .words = chunk, .values = chunk + 4 * height, .wordStep = step, .valueStep = step,
                    .entries = entries, .used = used, .height = height,
                    // After the last panel comes the first one's next block.
                    .next = top + TESSERA_PANEL_ROWS < shape.rows ? chunk + bytes
                                                                  : packed + (first + blockEntries) / most * step,
                    .ahead = step / tiles + 63,
                };
                if (shape.format != TESSERA_PANEL_F32) {
                    for (intptr_t entry = 0; entry < entries; entry += most)
                        nm_decode(
                            shape.format, chunk + entry / most * step + 4 * height, nm_smaller(entries - entry, most),
                            height, decoded + entry * height);
                    block.values = (const uint8_t *)decoded;
                    block.valueStep = most * height * 4;
                }
                few_tiles(
                    bits, layout.kept, &block, gathered, windows, count, y + from * yStride + top, yStride,
                    nm_smaller(shape.rows - top, height), first > 0);
                panel += bytes;
            }
            first += entries;
        } while (first < layout.entries);
    }
}

TARGET static void nmProduct(
    tessera_nm_shape shape, const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride,
    intptr_t batch) {
    if (batch > 1) {
        if (shape.group == 4) nm_few(2, shape, x, xStride, packed, y, yStride, batch);
        else nm_few(4, shape, x, xStride, packed, y, yStride, batch);
    }
    if (batch != 1) return;
#define KEPT(FORMAT) \
    if (shape.group == 4 && shape.kept == 2) nm_single(FORMAT, 2, 2, shape, x, packed, y); \
    else if (shape.group == 4) nm_single(FORMAT, 2, 0, shape, x, packed, y); \
    else if (2 * shape.kept == shape.group) nm_single(FORMAT, 4, 8, shape, x, packed, y); \
    else nm_single(FORMAT, 4, 0, shape, x, packed, y);
    switch (shape.format) {
    case TESSERA_PANEL_F32: KEPT(TESSERA_PANEL_F32) break;
    case TESSERA_PANEL_F16: KEPT(TESSERA_PANEL_F16) break;
    case TESSERA_PANEL_BF16: KEPT(TESSERA_PANEL_BF16) break;
    }
#undef KEPT
}
