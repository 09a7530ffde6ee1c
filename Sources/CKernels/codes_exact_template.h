// Products of packed codes with X as it is: codes become floats.

/// Y += X W^T, X of a whole number of groups. Codes come from `w`, or as floats from `values` (vectors side by side,
/// column by column) when `decoded`.
INLINE void exact_tile(
    int bits, int vectors, int rows, bool decoded, Decoder decoder, Block w, intptr_t first, const float *values,
    const float *x, intptr_t xStride, float *y, Ahead ahead) {
    const int shares = 8 / bits;
    for (intptr_t g = 0; g < w.groups; g++) {
        const uint8_t *group = w.codes + g * w.groupBytes, *words = group + first * QUAD;
        fetch(ahead, g);
        V sums[MOST_SUMS];
        UNROLL for (int i = 0; i < rows * vectors; i++) sums[i] = v_zero();
        for (intptr_t k = g * w.groupSize; k < (g + 1) * w.groupSize; k += decoded ? 1 : shares * QUAD) {
            I packed[MOST_VECTORS];
            if (!decoded) {
                UNROLL for (int v = 0; v < vectors; v++) packed[v] = i_load(words + v * LANES * QUAD);
                words += HEIGHT * QUAD;
            }
            UNROLL for (int i = 0; i < (decoded ? 1 : shares * QUAD); i++) {
                V column[MOST_VECTORS];
                UNROLL for (int v = 0; v < vectors; v++)
                    column[v] = decoded ? v_load(values + k * HEIGHT + first + v * LANES)
                                        : decode(decoder, packed[v], bits, i % QUAD * 8 + i / QUAD * bits);
                UNROLL for (int r = 0; r < rows; r++) {
                    V same = v_set(x[r * xStride + k + i]);
                    UNROLL for (int v = 0; v < vectors; v++)
                        sums[r * vectors + v] = v_fma(same, column[v], sums[r * vectors + v]);
                }
            }
        }
        __asm__("" : "+r"(y));
        UNROLL for (int v = 0; v < vectors; v++) {
            V scales = group_scales(w, group, first, v);
            UNROLL for (int r = 0; r < rows; r++) {
                float *target = y + r * HEIGHT + first + v * LANES;
                v_store(target, v_fma(sums[r * vectors + v], scales, v_load(target)));
            }
        }
    }
}

/// Floats of a block, as `exact_tile` takes them.
INLINE void decode_block(int bits, Decoder decoder, Block w, float *values) {
    const int shares = 8 / bits;
    for (intptr_t g = 0; g < w.groups; g++) {
        const uint8_t *words = w.codes + g * w.groupBytes;
        for (intptr_t k = 0; k < w.groupSize; k += shares * QUAD) {
            for (intptr_t row = 0; row < HEIGHT; row += LANES) {
                I packed = i_load(words + row * QUAD);
                UNROLL for (int i = 0; i < shares * QUAD; i++)
                    v_store(values + i * HEIGHT + row, decode(decoder, packed, bits, i % QUAD * 8 + i / QUAD * bits));
            }
            words += HEIGHT * QUAD;
            values += shares * QUAD * HEIGHT;
        }
    }
}
TARGET static void decode_any(intptr_t bits, Decoder decoder, Block w, float *values) {
    if (bits == 8) decode_block(8, decoder, w, values);
    else if (bits == 4) decode_block(4, decoder, w, values);
    else decode_block(2, decoder, w, values);
}

/// All tiles of a panel, for a number of rows.
#define EXACT_TILES(name, bits, vectors, rows, decoded) \
    TARGET static void name##_##rows( \
        Decoder decoder, Block w, const float *values, const float *x, intptr_t xStride, float *y, Ahead ahead) { \
        for (intptr_t first = 0; first < HEIGHT; first += vectors * LANES) { \
            exact_tile( \
                bits, vectors, rows <= EXACT_ROWS ? rows : 1, decoded, decoder, w, first, values, x, xStride, y, ahead); \
            ahead.lines = 0; \
        } \
    }
EXACT_TILES(exact8, 8, SINGLE_VECTORS, 1, 0)
EXACT_TILES(exact4, 4, SINGLE_VECTORS, 1, 0)
EXACT_TILES(exact2, 2, SINGLE_VECTORS, 1, 0)
EXACT_TILES(floats, 8, SINGLE_VECTORS, 1, 1)
EXACT_TILES(floats, 8, TILE_VECTORS, 2, 1)
EXACT_TILES(floats, 8, TILE_VECTORS, 3, 1)
EXACT_TILES(floats, 8, TILE_VECTORS, 4, 1)
EXACT_TILES(floats, 8, TILE_VECTORS, 5, 1)
EXACT_TILES(floats, 8, TILE_VECTORS, 6, 1)
typedef void (*ExactTiles)(
    Decoder decoder, Block w, const float *values, const float *x, intptr_t xStride, float *y, Ahead ahead);
static const ExactTiles floatTiles[] = {floats_1, floats_2, floats_3, floats_4, floats_5, floats_6};

/// Columns of a block of floats: such a block fits half of the first-level cache, where groups allow it.
enum { EXACT_BLOCK = 64 };

/// As `integer_panel`. The last group is on its own when columns are missing from it.
INLINE void exact_panel(
    intptr_t bits, intptr_t zero, intptr_t groupSize, const float *x, intptr_t xStride, const uint8_t *codes,
    intptr_t height, intptr_t batch, intptr_t columns, float *y) {
    const intptr_t whole = columns / groupSize, groups = (columns + groupSize - 1) / groupSize;
    const intptr_t blockGroups = groupSize < EXACT_BLOCK ? EXACT_BLOCK / groupSize : 1;
    const intptr_t tiles = (batch + EXACT_ROWS - 1) / EXACT_ROWS, kept = height < HEIGHT ? 8 : bits;
    const Decoder decoder = decoder_for((int)kept, (int)zero);
    const ExactTiles single = kept == 8 ? exact8_1 : kept == 4 ? exact4_1 : exact2_1;
    _Alignas(64) uint8_t bytes[HEIGHT * (TESSERA_CODE_GROUP + 2 * TESSERA_CODE_GROUP / STEP)];
    _Alignas(64) float values[TESSERA_CODE_GROUP * HEIGHT];
    float padded[EXACT_ROWS * TESSERA_CODE_GROUP];
    for (intptr_t g = 0; g < groups;) {
        const intptr_t full = g < whole ? whole - g : 1, count = full < blockGroups ? full : blockGroups;
        const intptr_t blockBytes = count * tessera_code_group_bytes(bits, groupSize, height);
        Block block = block_at(codes, bits, count, groupSize);
        if (height < HEIGHT) {
            widen_any(bits, codes, height, count, groupSize, bytes);
            block = block_at(bytes, 8, count, groupSize);
        }
        codes += blockBytes;
        if (batch > 1) decode_any(kept, decoder, block, values);
        for (intptr_t tile = 0; tile < tiles; tile++) {
            const intptr_t b = batch * tile / tiles, rows = batch * (tile + 1) / tiles - b;
            const float *from = x + b * xStride + g * groupSize;
            intptr_t fromStride = xStride;
            if (g >= whole) {
                memset(padded, 0, sizeof padded);
                for (intptr_t r = 0; r < rows; r++)
                    memcpy(
                        padded + r * groupSize, from + r * xStride,
                        (size_t)(columns - g * groupSize) * sizeof(float));
                from = padded;
                fromStride = groupSize;
            }
            (batch == 1 ? single : floatTiles[rows - 1])(
                decoder, block, values, from, fromStride, y + b * HEIGHT,
                ahead_of(codes, blockBytes, count, tile, tiles));
        }
        g += count;
    }
}

TARGET static void codeProductExact(
    intptr_t bits, intptr_t zero, intptr_t groupSize, const float *x, intptr_t xStride, const void *packed, float *y,
    intptr_t yStride, intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    const uint8_t *codes = packed;
    const intptr_t groups = (columns + groupSize - 1) / groupSize, chunks = (batch + CHUNK - 1) / CHUNK;
    _Alignas(64) float copy[CHUNK * HEIGHT];
    for (intptr_t start = 0; start < rows; start += HEIGHT) {
        const intptr_t height = tessera_panel_height(rows, start);
        const intptr_t valid = rows - start < height ? rows - start : height;
        for (intptr_t chunk = 0; chunk < chunks; chunk++) {
            const intptr_t b = batch * chunk / chunks, count = batch * (chunk + 1) / chunks - b;
            gather(y + b * yStride + start, yStride, count, valid, accumulate, copy);
            exact_panel(bits, zero, groupSize, x + b * xStride, xStride, codes, height, count, columns, copy);
            scatter(y + b * yStride + start, yStride, count, valid, copy);
        }
        codes += groups * tessera_code_group_bytes(bits, groupSize, height);
    }
}
