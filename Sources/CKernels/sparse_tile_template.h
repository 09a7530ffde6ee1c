// N:M products of a tile: rows of X in lanes, so that a kept weight is one broadcast and a run of multiply-adds with memory.

/// Some chunks of a panel with their values as f32, [entry][row of the panel].
typedef struct nm_block {
    const uint32_t *words[NM_BLOCK_CHUNKS];
    const float *values[NM_BLOCK_CHUNKS];
    int counts[NM_BLOCK_CHUNKS];
    int chunks;
    intptr_t first;   // entry
} nm_block;

/// sums[rows][vectors] += the entries of a block for rows of the panel from `row`; x is the tile from the lane wanted.
INLINE void nm_tile_rows(
    const int rows, const int vectors, const int bits, const int kept, const nm_layout layout, const nm_block *block,
    const float *x, const intptr_t width, intptr_t height, intptr_t row, V *sums) {
    const int window = bits == 2 ? 4 : 16, most = bits == 2 ? 16 : 8;
    const uint32_t mask = (1u << bits) - 1;
    intptr_t used = block->first % layout.kept;
    x += block->first / layout.kept * window * width;
    for (int chunk = 0; chunk < block->chunks; chunk++) {
        const float *values = block->values[chunk] + row;
        uint32_t words[NM_TILE_SUMS];
        UNROLL for (int r = 0; r < rows; r++) words[r] = block->words[chunk][row + r];
        if (kept > 0 && block->counts[chunk] == most) {
            UNROLL for (int entry = 0; entry < most; entry++)
                UNROLL for (int r = 0; r < rows; r++) {
                    const float *source =
                        x + (entry / (kept > 0 ? kept : 1) * window + (words[r] >> (bits * entry) & mask)) * width;
                    const V weight = v_set(values[entry * height + r]);
                    UNROLL for (int v = 0; v < vectors; v++)
                        sums[r * vectors + v] = v_fma(weight, v_load(source + v * LANES), sums[r * vectors + v]);
                }
            x += most / (kept > 0 ? kept : 1) * window * width;
            continue;
        }
        for (int entry = 0; entry < block->counts[chunk]; entry++) {
            UNROLL for (int r = 0; r < rows; r++) {
                const float *source = x + (words[r] & mask) * width;
                const V weight = v_set(values[entry * height + r]);
                words[r] >>= bits;
                UNROLL for (int v = 0; v < vectors; v++)
                    sums[r * vectors + v] = v_fma(weight, v_load(source + v * LANES), sums[r * vectors + v]);
            }
            if (++used == layout.kept) {
                used = 0;
                x += window * width;
            }
        }
    }
}

/// Adds a block to `valid` rows of a panel's totals [rows x width], `vectors` vectors of them.
INLINE void nm_tile_panel(
    const int rows, const int vectors, const int bits, const int kept, const nm_layout layout, const nm_block *block,
    const float *x, const intptr_t width, intptr_t height, intptr_t valid, float *totals) {
    V sums[NM_TILE_SUMS];
    intptr_t row = 0;
#define ROWS(N) \
    for (; row + N <= valid; row += N) { \
        float *target = totals + row * width; \
        UNROLL for (int r = 0; r < N; r++) \
            UNROLL for (int v = 0; v < vectors; v++) \
                sums[r * vectors + v] = block->first == 0 ? v_zero() : v_load(target + r * width + v * LANES); \
        nm_tile_rows(N, vectors, bits, kept, layout, block, x, width, height, row, sums); \
        UNROLL for (int r = 0; r < N; r++) \
            UNROLL for (int v = 0; v < vectors; v++) \
                v_store(target + r * width + v * LANES, sums[r * vectors + v]); \
    }
    ROWS(rows)
    ROWS(1)
#undef ROWS
}

/// The whole width of a tile.
INLINE void nm_tile_block(
    const int bits, const int kept, const nm_layout layout, const nm_block *block, const float *xt, intptr_t width,
    intptr_t height, intptr_t valid, float *totals) {
#define VECTORS(COUNT, ROWS) \
    case COUNT: \
        nm_tile_panel( \
            ROWS, COUNT, bits, kept, layout, block, xt + lane, TILE_STRIDE(COUNT), height, valid, totals + lane); \
        break;
    for (intptr_t lane = 0; lane < width; lane += NM_TILE_VECTORS * LANES)
        switch (nm_smaller(width - lane, NM_TILE_VECTORS * LANES) / LANES) { NM_TILE_CASES }
#undef VECTORS
}

/// Values of a chunk as f32 in the order [entry][row].
INLINE void nm_decode(tessera_panel_format format, const uint8_t *values, intptr_t count, intptr_t height, float *decoded) {
    for (intptr_t entry = 0; entry < count; entry++)
        for (intptr_t row = 0; row < height; row += LANES)
            v_store(
                decoded + entry * height + row,
                format == TESSERA_PANEL_F16 ? nm_values(TESSERA_PANEL_F16, (int)entry, values, height, row)
                                            : nm_values(TESSERA_PANEL_BF16, (int)entry, values, height, row));
}

INLINE void nm_tile(
    const int bits, const int kept, tessera_nm_shape shape, const float *xt, const uint8_t *panel, float *y,
    intptr_t yStride, intptr_t batch) {
    const nm_layout layout = nm_layout_of(shape);
    const intptr_t width = tessera_tile_width(batch);
    // As many chunks as meet columns of x that stay in the first-level cache beside the panel's values and sums.
    const intptr_t chunkFloats = layout.chunk * layout.window / layout.kept * width;
    intptr_t most = NM_BLOCK_FLOATS / chunkFloats;
    most = most < 1 ? 1 : nm_smaller(most, NM_BLOCK_CHUNKS);
    _Alignas(64) float totals[TESSERA_PANEL_ROWS * TESSERA_TILE];
    _Alignas(64) float decoded[NM_BLOCK_CHUNKS * 16 * TESSERA_PANEL_ROWS];
    for (intptr_t top = 0; top < shape.rows; top += TESSERA_PANEL_ROWS) {
        const intptr_t height = nm_panel_height(shape.rows, top);
        const intptr_t valid = nm_smaller(shape.rows - top, height);
        const uint8_t *source = panel;
        for (intptr_t first = 0; first < layout.entries;) {
            nm_block block = {.first = first};
            for (; block.chunks < most && first < layout.entries; block.chunks++) {
                const intptr_t count = nm_smaller(layout.entries - first, layout.chunk);
                block.words[block.chunks] = (const uint32_t *)(const void *)source;
                block.values[block.chunks] = (const float *)(const void *)(source + 4 * height);
                block.counts[block.chunks] = (int)count;
                if (shape.format != TESSERA_PANEL_F32) {
                    float *target = decoded + block.chunks * 16 * TESSERA_PANEL_ROWS;
                    nm_decode(shape.format, source + 4 * height, count, height, target);
                    block.values[block.chunks] = target;
                }
                source += nm_chunk_bytes(layout, shape.format, count, height);
                first += count;
            }
            nm_tile_block(bits, kept, layout, &block, xt, width, height, valid, totals);
        }
        if (layout.entries == 0)
            for (intptr_t i = 0; i < valid * width; i++) totals[i] = 0;
        transpose(totals, width, valid, batch, y + top, yStride);
        panel += nm_panel_bytes(shape, height);
    }
}

TARGET static void nmTile(
    tessera_nm_shape shape, const float *xt, const void *packed, float *y, intptr_t yStride, intptr_t batch) {
    if (shape.group == 4 && shape.kept == 2) nm_tile(2, 2, shape, xt, packed, y, yStride, batch);
    else if (shape.group == 4) nm_tile(2, 0, shape, xt, packed, y, yStride, batch);
    else if (2 * shape.kept == shape.group) nm_tile(4, 8, shape, xt, packed, y, yStride, batch);
    else nm_tile(4, 0, shape, xt, packed, y, yStride, batch);
}
