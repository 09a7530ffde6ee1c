// Products of packed codes with rounded X: integers within a group, floats across groups.

/// Rows of X as a tile reads them; `offset` times a group's entry of `offsets` is what its sum begins with.
typedef struct Rows {
    const int8_t *codes;
    const float *scales;
    const int32_t *offsets;
    intptr_t codeStride, scaleStride;
    int32_t offset;
} Rows;

/// One row of X waits for memory: fewer columns a step, so that one load instruction meets addresses near each other, as
/// prefetchers want them, and the weights this many bytes further on are asked for (Zen 5, int8: from 0.75 to 0.96 of
/// reading memory).
enum { SINGLE_STEP = 16, SINGLE_AHEAD = 8192 };
INLINE void fetch_single(const uint8_t *weights, intptr_t bytes) {
    for (intptr_t line = 0; line < bytes; line += 64) __builtin_prefetch(weights + SINGLE_AHEAD + line);
}

/// Y += X W^T, or Y = X W^T when `fresh`. `bits` as stored, `range` the bits that codes may have: what was widened to
/// bytes is still small.
INLINE void integer_tile(
    int bits, int range, int vectors, int rows, Block w, intptr_t first, Rows x, float *y, intptr_t yStride,
    bool fresh, Ahead ahead) {
    const int shares = 8 / bits, stepColumns = rows == 1 ? SINGLE_STEP : STEP;
    const bool kept = vectors * rows <= KEPT_SUMS;
    V totals[MOST_SUMS];
    if (kept) {
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < vectors; v++)
                totals[r * vectors + v] = fresh ? v_zero() : v_load(y + r * yStride + first + v * LANES);
    }
    for (intptr_t g = 0; g < w.groups; g++) {
        const uint8_t *group = w.codes + g * w.groupBytes;
        if (rows > 1) fetch(ahead, g);
        else fetch_single(group + w.codeBytes, 2 * HEIGHT);
        I sums[MOST_SUMS];
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[r * vectors + v] = i_set(x.offset * x.offsets[r * BLOCK_GROUPS + g]);
        for (intptr_t step = 0; step < w.groupSize; step += stepColumns) {
            const uint8_t *words = group + step * HEIGHT * bits / 8 + first * QUAD;
            const int8_t *codes = x.codes + g * w.groupSize + step;
#if defined(CODES_DIRECT)
            P *const parts = sums;
#else
            P parts[MOST_SUMS];
            UNROLL for (int i = 0; i < rows * vectors; i++) parts[i] = p_start();
#endif
            UNROLL for (int word = 0; word < stepColumns / QUAD / shares; word++) {
                I packed[MOST_VECTORS];
                if (rows == 1) fetch_single(words + word * HEIGHT * QUAD, vectors * LANES * QUAD);
                UNROLL for (int v = 0; v < vectors; v++)
                    packed[v] = i_load(words + (word * HEIGHT + v * LANES) * QUAD);
                UNROLL for (int share = 0; share < shares; share++) {
                    I unpacked[MOST_VECTORS];
                    UNROLL for (int v = 0; v < vectors; v++) unpacked[v] = i_share(packed[v], bits, share);
                    UNROLL for (int r = 0; r < rows; r++) {
                        X four = x_set(codes + r * x.codeStride + (word * shares + share) * QUAD, range);
                        UNROLL for (int v = 0; v < vectors; v++)
                            parts[r * vectors + v] = p_add(parts[r * vectors + v], unpacked[v], four, range);
                    }
                }
            }
#if !defined(CODES_DIRECT)
            UNROLL for (int i = 0; i < rows * vectors; i++) sums[i] = p_end(sums[i], parts[i], range);
#endif
        }
        // Else the compiler would keep what is at y in registers after all, and then spill it.
        if (!kept) __asm__("" : "+r"(y));
        V scales[MOST_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++) scales[v] = group_scales(w, group, first, v);
        // What is written for the first time is not read before: it may lie far away.
        if (!kept && fresh && g == 0) {
            UNROLL for (int r = 0; r < rows; r++) {
                V scale = v_set(x.scales[r * x.scaleStride + g]);
                UNROLL for (int v = 0; v < vectors; v++) {
                    V both = v_mul(scales[v], scale), numbers = v_from_int(sums[r * vectors + v]);
                    v_store(y + r * yStride + first + v * LANES, v_fma(numbers, both, v_zero()));
                }
            }
            continue;
        }
        UNROLL for (int r = 0; r < rows; r++) {
            V scale = v_set(x.scales[r * x.scaleStride + g]);
            UNROLL for (int v = 0; v < vectors; v++) {
                V both = v_mul(scales[v], scale), numbers = v_from_int(sums[r * vectors + v]);
                float *target = y + r * yStride + first + v * LANES;
                if (kept) totals[r * vectors + v] = v_fma(numbers, both, totals[r * vectors + v]);
                else v_store(target, v_fma(numbers, both, v_load(target)));
            }
        }
    }
    if (kept) {
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < vectors; v++)
                v_store(y + r * yStride + first + v * LANES, totals[r * vectors + v]);
    }
}

/// One function for each number of rows, so that sums have registers of their own: all tiles of a panel.
#define INTEGER_TILES(name, bits, range, vectors, rows) \
    TARGET static void name##_##rows(Block w, Rows x, float *y, intptr_t yStride, bool fresh, Ahead ahead) { \
        for (intptr_t first = 0; first < HEIGHT; first += vectors * LANES) { \
            integer_tile(bits, range, vectors, rows <= TILE_ROWS ? rows : 1, w, first, x, y, yStride, fresh, ahead); \
            ahead.lines = 0; \
        } \
    }
#define INTEGERS(name, bits, range) \
    INTEGER_TILES(name, bits, range, SINGLE_VECTORS, 1) \
    INTEGER_TILES(name, bits, range, TILE_VECTORS, 2) \
    INTEGER_TILES(name, bits, range, TILE_VECTORS, 3) \
    INTEGER_TILES(name, bits, range, TILE_VECTORS, 4) \
    INTEGER_TILES(name, bits, range, TILE_VECTORS, 5) \
    INTEGER_TILES(name, bits, range, TILE_VECTORS, 6) \
    static const IntegerTiles name[] = {name##_1, name##_2, name##_3, name##_4, name##_5, name##_6};
typedef void (*IntegerTiles)(Block w, Rows x, float *y, intptr_t yStride, bool fresh, Ahead ahead);
INTEGERS(integers8, 8, 8)
INTEGERS(integers4, 4, 4)
INTEGERS(integers2, 2, 2)
INTEGERS(integers4in8, 8, 4)

/// All columns of one panel, `valid` of whose rows exist, times up to CHUNK rows of X.
INLINE void integer_panel(
    intptr_t bits, intptr_t zero, tessera_quantized_rows x, const uint8_t *codes, intptr_t height, intptr_t batch,
    float *y, intptr_t yStride, bool accumulate) {
    const intptr_t blockGroups = BLOCK / x.groupSize, tiles = (batch + TILE_ROWS - 1) / TILE_ROWS;
    const bool widened = height < HEIGHT || (bits < 8 && batch > TILE_ROWS);
    const IntegerTiles *functions = bits == 8 ? integers8 : widened ? integers4in8 : bits == 4 ? integers4 : integers2;
    if (batch == 1 && !widened && SINGLE_VECTORS * LANES == HEIGHT) {
        // From the first column to the last without a pause, as one stream of weights.
        Rows from = {x.codes, x.scales, x.sums, 0, 0, i_offset(bits, zero)};
        functions[0](block_at(codes, bits, x.groups, x.groupSize), from, y, yStride, !accumulate, (Ahead){codes, 0});
        return;
    }
    _Alignas(64) uint8_t bytes[HEIGHT * (BLOCK + 2 * BLOCK_GROUPS)];
    for (intptr_t g = 0; g < x.groups; g += blockGroups) {
        const intptr_t count = x.groups - g < blockGroups ? x.groups - g : blockGroups;
        const intptr_t blockBytes = count * tessera_code_group_bytes(bits, x.groupSize, height);
        Block block = block_at(codes, bits, count, x.groupSize);
        if (widened) {
            widen_any(bits, codes, height, count, x.groupSize, bytes);
            block = block_at(bytes, 8, count, x.groupSize);
        }
        codes += blockBytes;
        // As even as it goes: the last tile is not left with a single row.
        for (intptr_t tile = 0; tile < tiles; tile++) {
            const intptr_t b = batch * tile / tiles, rows = batch * (tile + 1) / tiles - b;
            int32_t offsets[TILE_ROWS * BLOCK_GROUPS];
            for (intptr_t r = 0; r < rows; r++)
                for (intptr_t i = 0; i < count; i++)
                    offsets[r * BLOCK_GROUPS + i] = i_offset(bits, zero) * x.sums[(b + r) * x.groups + g + i];
            Rows from = {
                x.codes + (b * x.groups + g) * x.groupSize, x.scales + b * x.groups + g, offsets,
                x.groups * x.groupSize, x.groups, 1};
            functions[rows - 1](
                block, from, y + b * yStride, yStride, !accumulate && g == 0,
                ahead_of(codes, blockBytes, count, tile, tiles));
        }
    }
}

TARGET static void codeProduct(
    intptr_t bits, intptr_t zero, tessera_quantized_rows x, const void *packed, float *y, intptr_t yStride,
    intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    (void)columns;
    const uint8_t *codes = packed;
    const intptr_t chunks = (batch + CHUNK - 1) / CHUNK;
    _Alignas(64) float copy[CHUNK * HEIGHT];
    for (intptr_t start = 0; start < rows; start += HEIGHT) {
        const intptr_t height = tessera_panel_height(rows, start);
        const intptr_t valid = rows - start < height ? rows - start : height;
        for (intptr_t chunk = 0; chunk < chunks; chunk++) {
            const intptr_t b = batch * chunk / chunks, count = batch * (chunk + 1) / chunks - b;
            tessera_quantized_rows part = x;
            part.codes += b * x.groups * x.groupSize;
            part.scales += b * x.groups;
            part.sums += b * x.groups;
            float *target = y + b * yStride + start;
            if (valid == HEIGHT) {
                // Nothing but 0 where there are no columns.
                for (intptr_t r = 0; r < count && !accumulate && x.groups == 0; r++)
                    memset(target + r * yStride, 0, HEIGHT * sizeof(float));
                integer_panel(bits, zero, part, codes, height, count, target, yStride, accumulate);
                continue;
            }
            gather(target, yStride, count, valid, accumulate, copy);
            integer_panel(bits, zero, part, codes, height, count, copy, HEIGHT, true);
            scatter(target, yStride, count, valid, copy);
        }
        codes += x.groups * tessera_code_group_bytes(bits, x.groupSize, height);
    }
}
