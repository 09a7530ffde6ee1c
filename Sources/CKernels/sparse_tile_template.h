// N:M products of a tile: rows of X in lanes, so that a kept weight is one broadcast and a run of multiply-adds with memory.

// An address made of two registers keeps a multiply-add from being one operation with its load, which costs an eighth.
#if defined(__GNUC__)
#define KEEP_IN_REGISTER(pointer) __asm__("" : "+r"(pointer))
#else
#define KEEP_IN_REGISTER(pointer)
#endif

enum {
    NM_AHEAD_CHUNKS = 6,       // between what is multiplied and what is brought nearer from memory
};

/// Some chunks of a panel with their values as f32, [entry][row of the panel].
typedef struct nm_block {
    const uint32_t *words[NM_BLOCK_CHUNKS];
    const float *values[NM_BLOCK_CHUNKS];
    const uint8_t *next[NM_BLOCK_CHUNKS];  // a later chunk as packed, brought nearer while the panel meets this one
    intptr_t first[NM_BLOCK_CHUNKS + 1];   // entries before each chunk, and before the end
} nm_block;

/// sums[rows][vectors] += one chunk for rows of the panel from `row`. x is the tile [columns x vectors * LANES].
///
/// Loads are what limits this loop, one for every multiply-add, so weights of neighbouring rows come with one load and are
/// spread by shuffles. Weights are read lane by lane and columns in no order, which the processor does not foresee: while
/// a panel's 64 rows meet a chunk, each fetches its share of a later chunk and of the columns `ahead` chunks further.
INLINE void nm_tile_rows(
    const int rows, const int vectors, const int bits, const int kept, const intptr_t height, const nm_layout layout,
    const nm_block *block, int chunk, int ahead, const float *x, intptr_t row, V *sums) {
    const int window = bits == 2 ? 4 : 16, most = bits == 2 ? 16 : 8, width = vectors * LANES;
    const uint32_t mask = (1u << bits) - 1;
    const float *values = block->values[chunk] + row;
    const intptr_t first = block->first[chunk], count = block->first[chunk + 1] - first;
    uint32_t words[NM_TILE_SUMS];
    UNROLL for (int r = 0; r < rows; r++) words[r] = block->words[chunk][row + r];
    if (kept > 0 && count == most) {
        const int together = rows % 4 == 0 ? 4 : rows % 2 == 0 ? 2 : 1;
        const int columns = most / (kept > 0 ? kept : 1) * window, lines = columns * width / 16 / TESSERA_PANEL_ROWS;
        x += first / (kept > 0 ? kept : 1) * window * width;
        const uint8_t *nextValues = block->next[chunk] + row * 4 * (most + 1);
        const float *nextColumns = x + (ahead * columns * width + row * lines * 16);
        V neighbours = v_zero();
        UNROLL for (int entry = 0; entry < most; entry++)
            UNROLL for (int r = 0; r < rows; r++) {
                if (entry < lines) __builtin_prefetch(nextColumns + (r * lines + entry) * 16, 0, 3);
                if (entry == most / 2) __builtin_prefetch(nextValues + r * 4 * (most + 1), 0, 2);
                if (r % together == 0) neighbours = v_load_neighbours(together, values + entry * height + r);
                const V weight = v_neighbour(together, neighbours, r % together);
                const float *source = x + (words[r] >> (bits * entry) & mask) * width;
                KEEP_IN_REGISTER(source);
                source += entry / (kept > 0 ? kept : 1) * window * width;
                UNROLL for (int v = 0; v < vectors; v++)
                    sums[r * vectors + v] = v_fma(weight, v_load(source + v * LANES), sums[r * vectors + v]);
            }
        return;
    }
    intptr_t used = first % layout.kept;
    x += first / layout.kept * window * width;
    for (int entry = 0; entry < count; entry++) {
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

/// Adds chunks from ..< to of a block to `valid` rows of a panel's totals [rows x vectors * LANES].
INLINE void nm_tile_panel(
    const int rows, const int vectors, const int bits, const int kept, const intptr_t height, const nm_layout layout,
    const nm_block *block, int from, int to, int ahead, const float *x, intptr_t valid, float *totals) {
    const int width = vectors * LANES;
    const bool fresh = block->first[from] == 0;
    V sums[NM_TILE_SUMS];
    intptr_t row = 0;
#define ROWS(N) \
    for (; row + N <= valid; row += N) { \
        float *target = totals + row * width; \
        UNROLL for (int i = 0; i < N * vectors; i++) sums[i] = fresh ? v_zero() : v_load(target + i * LANES); \
        for (int chunk = from; chunk < to; chunk++) \
            nm_tile_rows(N, vectors, bits, kept, height, layout, block, chunk, ahead, x, row, sums); \
        UNROLL for (int i = 0; i < N * vectors; i++) v_store(target + i * LANES, sums[i]); \
    }
    ROWS(rows)
    ROWS(1)
#undef ROWS
}

/// The same for any width; panels of whole height know it when compiled.
INLINE void nm_tile_width(
    const int bits, const int kept, const nm_layout layout, const nm_block *block, int from, int to, int ahead,
    const float *x, intptr_t width, intptr_t height, intptr_t valid, float *totals) {
#define VECTORS(COUNT, ROWS) \
    case COUNT: \
        if (height == TESSERA_PANEL_ROWS && valid == TESSERA_PANEL_ROWS) \
            nm_tile_panel( \
                ROWS, COUNT, bits, kept, TESSERA_PANEL_ROWS, layout, block, from, to, ahead, x, TESSERA_PANEL_ROWS, \
                totals); \
        else nm_tile_panel(1, COUNT, bits, 0, height, layout, block, from, to, ahead, x, valid, totals); \
        break;
    switch (width / LANES) { NM_TILE_CASES }
#undef VECTORS
}

/// Panel after panel; a few chunks of it at a time meet every part of the tile, so that weights are read once and the
/// sums of a part stay in the first-level cache meanwhile.
INLINE void nm_tile(
    const int bits, const int kept, tessera_nm_shape shape, const float *xt, const uint8_t *panel, float *y,
    intptr_t yStride, intptr_t batch) {
    const nm_layout layout = nm_layout_of(shape);
    const intptr_t span = layout.chunk * layout.window / layout.kept * nm_smaller(tessera_tile_width(batch), TESSERA_TILE_PART);
    const int step = span > NM_STEP_FLOATS / 2 ? 1 : (int)(NM_STEP_FLOATS / span);
    _Alignas(64) float totals[TESSERA_PANEL_ROWS * TESSERA_TILE];
    _Alignas(64) float decoded[NM_BLOCK_CHUNKS * 16 * TESSERA_PANEL_ROWS];
    for (intptr_t top = 0; top < shape.rows; top += TESSERA_PANEL_ROWS) {
        const intptr_t height = nm_panel_height(shape.rows, top);
        const intptr_t valid = nm_smaller(shape.rows - top, height);
        const uint8_t *source = panel;
        for (intptr_t first = 0; first < layout.entries;) {
            nm_block block;
            int chunks = 0;
            for (; chunks < NM_BLOCK_CHUNKS && first < layout.entries; chunks++) {
                const intptr_t count = nm_smaller(layout.entries - first, layout.chunk);
                block.words[chunks] = (const uint32_t *)(const void *)source;
                block.values[chunks] = (const float *)(const void *)(source + 4 * height);
                block.first[chunks] = first;
                // f32 is read where it lies, from a little later on; other formats are decoded a block at a time.
                const intptr_t whole = nm_chunk_bytes(layout, shape.format, layout.chunk, height);
                block.next[chunks] = source + (shape.format == TESSERA_PANEL_F32 ? NM_AHEAD_CHUNKS : NM_BLOCK_CHUNKS) * whole;
                if (shape.format != TESSERA_PANEL_F32) {
                    float *target = decoded + chunks * 16 * TESSERA_PANEL_ROWS;
                    nm_decode(shape.format, source + 4 * height, count, height, target);
                    block.values[chunks] = target;
                }
                source += nm_chunk_bytes(layout, shape.format, count, height);
                first += count;
            }
            block.first[chunks] = first;
            for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART)
                for (int chunk = 0; chunk < chunks; chunk += step)
                    nm_tile_width(
                        bits, kept, layout, &block, chunk, (int)nm_smaller(chunk + step, chunks), step,
                        xt + part * shape.columns, tessera_part_width(batch, part), height, valid,
                        totals + part * TESSERA_PANEL_ROWS);
        }
        for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
            const intptr_t width = tessera_part_width(batch, part);
            float *sums = totals + part * TESSERA_PANEL_ROWS;
            if (layout.entries == 0)
                for (intptr_t i = 0; i < valid * width; i++) sums[i] = 0;
            transpose_far(
                sums, width, valid, nm_smaller(batch - part, TESSERA_TILE_PART), y + part * yStride + top, yStride);
        }
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
