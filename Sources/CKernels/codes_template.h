// Included once per instruction set, after its vector and code types: products with packed codes, and the table TABLE
// named NAME.
//
// A tile is TILE_VECTORS vectors of W's rows times up to TILE_ROWS rows of X. The columns are cut into blocks, so that
// the part of a panel that a block needs stays in the first-level cache while the rows of X pass over it. Few sums of
// floats stay in registers along a block; many are added to memory once a group, which leaves the registers to the
// integers. That memory is a copy of the panel's part of Y, so that its addresses are constants.

#include "codes_internal.h"

enum {
    /// Rows of every panel here: lower ones are copied into whole ones first.
    HEIGHT = TESSERA_PANEL_ROWS,
    /// Columns of a block, at least one group.
    BLOCK = 256,
    /// Columns of a quad, of a step that 16-bit partial sums survive.
    QUAD = 4, STEP = 32,
    /// One row of X waits for memory: fewer columns a step, so that one load instruction meets addresses near each other,
    /// as prefetchers want them (1 thread, Zen 5: int8 from 0.71 to 0.90 of reading memory), and the weights this many
    /// bytes further on are asked for.
    SINGLE_STEP = 16, SINGLE_AHEAD = 8192,
    BLOCK_GROUPS = BLOCK / STEP,
    /// Rows of X that pass over a panel before it is begun anew.
    CHUNK = 12 * TILE_ROWS,
    MOST_SUMS = TILE_ROWS * TILE_VECTORS > SINGLE_VECTORS ? TILE_ROWS * TILE_VECTORS : SINGLE_VECTORS,
    MOST_VECTORS = TILE_VECTORS > SINGLE_VECTORS ? TILE_VECTORS : SINGLE_VECTORS,
};

#define UNROLLED _Pragma("clang loop unroll(full)")

/// Some groups of one panel.
typedef struct Block {
    const uint8_t *codes;
    intptr_t groups, groupSize, groupBytes, codeBytes;
} Block;

INLINE Block block_at(const uint8_t *codes, intptr_t bits, intptr_t groups, intptr_t groupSize) {
    intptr_t codeBytes = HEIGHT * groupSize * bits / 8;
    return (Block){codes, groups, groupSize, codeBytes + 2 * HEIGHT, codeBytes};
}

/// Scales of one vector of rows, for the group whose codes begin at `group`.
INLINE V group_scales(Block w, const uint8_t *group, intptr_t first, int vector) {
    return v_from_half((const uint16_t *)(const void *)(group + w.codeBytes + 2 * first) + vector * LANES);
}

/// A block of `bits`-bit codes of a panel of `height` rows as one of bytes of a whole panel; the rows it does not have
/// are zeros.
INLINE void widen(
    int bits, const uint8_t *from, intptr_t height, intptr_t groups, intptr_t groupSize, uint8_t *to) {
    const int shares = 8 / bits;
    for (intptr_t g = 0; g < groups; g++) {
        for (intptr_t word = 0; word < groupSize / QUAD / shares; word++) {
            for (intptr_t at = 0; at < HEIGHT * QUAD; at += LANES * QUAD) {
                I packed = at < height * QUAD ? i_load(from + at) : i_set(0);
                UNROLLED for (int share = 0; share < shares; share++)
                    i_store(to + share * HEIGHT * QUAD + at, i_share(packed, bits, share));
            }
            from += height * QUAD;
            to += shares * HEIGHT * QUAD;
        }
        memset(to, 0, 2 * HEIGHT);
        memcpy(to, from, (size_t)(2 * height));
        from += 2 * height;
        to += 2 * HEIGHT;
    }
}
TARGET static void widen_any(
    intptr_t bits, const uint8_t *from, intptr_t height, intptr_t groups, intptr_t groupSize, uint8_t *to) {
    if (bits == 8) widen(8, from, height, groups, groupSize, to);
    else if (bits == 4) widen(4, from, height, groups, groupSize, to);
    else widen(2, from, height, groups, groupSize, to);
}

/// What a tile asks for on behalf of the block after its own, a few lines a group while there is time.
typedef struct Ahead {
    const uint8_t *next;
    intptr_t lines;
} Ahead;

INLINE Ahead ahead_of(const uint8_t *next, intptr_t bytes, intptr_t groups, intptr_t tile, intptr_t tiles) {
    const intptr_t lines = (bytes / 64 + groups * tiles - 1) / (groups * tiles);
    return (Ahead){next + tile * groups * lines * 64, lines};
}
INLINE void fetch(Ahead ahead, intptr_t group) {
    for (intptr_t i = 0; i < ahead.lines; i++) __builtin_prefetch(ahead.next + (group * ahead.lines + i) * 64, 0, 2);
}

/// The valid columns of a panel's part of Y, to and from its copy.
INLINE void gather(
    const float *y, intptr_t yStride, intptr_t batch, intptr_t valid, bool accumulate, float *copy) {
    for (intptr_t b = 0; b < batch; b++) {
        if (accumulate) memcpy(copy + b * HEIGHT, y + b * yStride, (size_t)valid * sizeof(float));
        else memset(copy + b * HEIGHT, 0, HEIGHT * sizeof(float));
    }
}
INLINE void scatter(float *y, intptr_t yStride, intptr_t batch, intptr_t valid, const float *copy) {
    for (intptr_t b = 0; b < batch; b++)
        memcpy(y + b * yStride, copy + b * HEIGHT, (size_t)valid * sizeof(float));
}

// MARK: Integers

/// Rows of X as a tile reads them; offsets are what the sums of a group begin with.
typedef struct Rows {
    const int8_t *codes;
    const float *scales;
    const int32_t *offsets;
    intptr_t codeStride, scaleStride;
} Rows;

/// Y += X W^T. `bits` as stored, `range` the bits that codes may have: what was widened to bytes is still small.
INLINE void integer_tile(
    int bits, int range, int vectors, int rows, Block w, intptr_t first, Rows x, float *y, Ahead ahead) {
    const int shares = 8 / bits;
    const int stepColumns = rows == 1 ? SINGLE_STEP : STEP;
    const bool kept = vectors * rows <= KEPT_SUMS;
    V totals[MOST_SUMS];
    if (kept) {
        UNROLLED for (int r = 0; r < rows; r++)
            UNROLLED for (int v = 0; v < vectors; v++)
                totals[r * vectors + v] = v_load(y + r * HEIGHT + first + v * LANES);
    }
    for (intptr_t g = 0; g < w.groups; g++) {
        const uint8_t *group = w.codes + g * w.groupBytes;
        if (rows > 1) fetch(ahead, g);
        I sums[MOST_SUMS];
        UNROLLED for (int r = 0; r < rows; r++)
            UNROLLED for (int v = 0; v < vectors; v++) sums[r * vectors + v] = i_set(x.offsets[r * BLOCK_GROUPS + g]);
        for (intptr_t step = 0; step < w.groupSize; step += stepColumns) {
            const uint8_t *words = group + step * HEIGHT * bits / 8 + first * QUAD;
            const int8_t *codes = x.codes + g * w.groupSize + step;
            P parts[MOST_SUMS];
            UNROLLED for (int i = 0; i < rows * vectors; i++) parts[i] = p_start(sums[i]);
            UNROLLED for (int word = 0; word < stepColumns / QUAD / shares; word++) {
                I packed[MOST_VECTORS];
                if (rows == 1)
                    UNROLLED for (int v = 0; v < vectors; v += 64 / (QUAD * LANES))
                        __builtin_prefetch(words + (word * HEIGHT + v * LANES) * QUAD + SINGLE_AHEAD);
                UNROLLED for (int v = 0; v < vectors; v++)
                    packed[v] = i_load(words + (word * HEIGHT + v * LANES) * QUAD);
                UNROLLED for (int share = 0; share < shares; share++) {
                    I unpacked[MOST_VECTORS];
                    UNROLLED for (int v = 0; v < vectors; v++) unpacked[v] = i_share(packed[v], bits, share);
                    UNROLLED for (int r = 0; r < rows; r++) {
                        X four = x_set(codes + r * x.codeStride + (word * shares + share) * QUAD, range);
                        UNROLLED for (int v = 0; v < vectors; v++)
                            parts[r * vectors + v] = p_add(parts[r * vectors + v], unpacked[v], four, range);
                    }
                }
            }
            UNROLLED for (int i = 0; i < rows * vectors; i++) sums[i] = p_end(sums[i], parts[i], range);
        }
        // Else the compiler would keep what is at y in registers after all, and then spill it.
        if (!kept) __asm__("" : "+r"(y));
        V scales[MOST_VECTORS];
        if (rows == 1)
            UNROLLED for (int v = 0; v < vectors; v += 64 / (2 * LANES))
                __builtin_prefetch(group + w.codeBytes + 2 * (first + v * LANES) + SINGLE_AHEAD);
        UNROLLED for (int v = 0; v < vectors; v++) scales[v] = group_scales(w, group, first, v);
        UNROLLED for (int r = 0; r < rows; r++) {
            V scale = v_set(x.scales[r * x.scaleStride + g]);
            UNROLLED for (int v = 0; v < vectors; v++) {
                V both = v_mul(scales[v], scale), numbers = v_from_int(sums[r * vectors + v]);
                float *target = y + r * HEIGHT + first + v * LANES;
                if (kept) totals[r * vectors + v] = v_fma(numbers, both, totals[r * vectors + v]);
                else v_store(target, v_fma(numbers, both, v_load(target)));
            }
        }
    }
    if (kept) {
        UNROLLED for (int r = 0; r < rows; r++)
            UNROLLED for (int v = 0; v < vectors; v++)
                v_store(y + r * HEIGHT + first + v * LANES, totals[r * vectors + v]);
    }
}

/// One function for each number of rows, so that sums have registers of their own: all tiles of a panel.
#define INTEGER_TILES(name, bits, range, vectors, rows) \
    TARGET static void name##_##rows(Block w, Rows x, float *y, Ahead ahead) { \
        for (intptr_t first = 0; first < HEIGHT; first += vectors * LANES) { \
            integer_tile(bits, range, vectors, rows <= TILE_ROWS ? rows : 1, w, first, x, y, ahead); \
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
typedef void (*IntegerTiles)(Block w, Rows x, float *y, Ahead ahead);
INTEGERS(integers8, 8, 8)
INTEGERS(integers4, 4, 4)
INTEGERS(integers2, 2, 2)
INTEGERS(integers4in8, 8, 4)

/// All columns of one panel, `valid` of whose rows exist, times up to CHUNK rows of X.
INLINE void integer_panel(
    intptr_t bits, intptr_t zero, tessera_quantized_rows x, const uint8_t *codes, intptr_t height, intptr_t batch,
    float *y) {
    const intptr_t blockGroups = BLOCK / x.groupSize, tiles = (batch + TILE_ROWS - 1) / TILE_ROWS;
    const bool widened = height < HEIGHT || (bits < 8 && batch > TILE_ROWS);
    const IntegerTiles *functions = bits == 8 ? integers8 : widened ? integers4in8 : bits == 4 ? integers4 : integers2;
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
                x.groups * x.groupSize, x.groups};
            functions[rows - 1](block, from, y + b * HEIGHT, ahead_of(codes, blockBytes, count, tile, tiles));
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
            gather(y + b * yStride + start, yStride, count, valid, accumulate, copy);
            integer_panel(bits, zero, part, codes, height, count, copy);
            scatter(y + b * yStride + start, yStride, count, valid, copy);
        }
        codes += x.groups * tessera_code_group_bytes(bits, x.groupSize, height);
    }
}

// MARK: Floats

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
        UNROLLED for (int i = 0; i < rows * vectors; i++) sums[i] = v_zero();
        for (intptr_t k = g * w.groupSize; k < (g + 1) * w.groupSize; k += decoded ? 1 : shares * QUAD) {
            I packed[MOST_VECTORS];
            if (!decoded) {
                UNROLLED for (int v = 0; v < vectors; v++) packed[v] = i_load(words + v * LANES * QUAD);
                words += HEIGHT * QUAD;
            }
            UNROLLED for (int i = 0; i < (decoded ? 1 : shares * QUAD); i++) {
                V column[MOST_VECTORS];
                UNROLLED for (int v = 0; v < vectors; v++)
                    column[v] = decoded ? v_load(values + k * HEIGHT + first + v * LANES)
                                        : decode(decoder, packed[v], bits, i % QUAD * 8 + i / QUAD * bits);
                UNROLLED for (int r = 0; r < rows; r++) {
                    V same = v_set(x[r * xStride + k + i]);
                    UNROLLED for (int v = 0; v < vectors; v++)
                        sums[r * vectors + v] = v_fma(same, column[v], sums[r * vectors + v]);
                }
            }
        }
        __asm__("" : "+r"(y));
        UNROLLED for (int v = 0; v < vectors; v++) {
            V scales = group_scales(w, group, first, v);
            UNROLLED for (int r = 0; r < rows; r++) {
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
                UNROLLED for (int i = 0; i < shares * QUAD; i++)
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
                bits, vectors, rows <= TILE_ROWS ? rows : 1, decoded, decoder, w, first, values, x, xStride, y, ahead); \
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
    const intptr_t tiles = (batch + TILE_ROWS - 1) / TILE_ROWS, kept = height < HEIGHT ? 8 : bits;
    const Decoder decoder = decoder_for((int)kept, (int)zero);
    const ExactTiles single = kept == 8 ? exact8_1 : kept == 4 ? exact4_1 : exact2_1;
    _Alignas(64) uint8_t bytes[HEIGHT * (TESSERA_CODE_GROUP + 2 * TESSERA_CODE_GROUP / STEP)];
    _Alignas(64) float values[TESSERA_CODE_GROUP * HEIGHT];
    float padded[TILE_ROWS * TESSERA_CODE_GROUP];
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

// MARK: Activations

/// One whole group; its scale and the sum of its codes.
INLINE float quantize_group(const float *x, intptr_t groupSize, int8_t *codes, int32_t *sum) {
    I most = i_set(0);
    for (intptr_t i = 0; i < groupSize; i += LANES) most = i_max(most, i_magnitude(v_load(x + i)));
    const uint32_t bits = (uint32_t)i_largest(most);
    if (bits < TESSERA_SMALLEST_GROUP || bits >= TESSERA_INFINITE_BITS) {
        memset(codes, 0, (size_t)groupSize);
        *sum = 0;
        return bits < TESSERA_SMALLEST_GROUP ? 0 : NAN;
    }
    float largest;
    memcpy(&largest, &bits, sizeof largest);
    const V inverse = v_set(127 / largest);
    I total = i_set(0);
    for (intptr_t i = 0; i < groupSize; i += LANES) {
        I nearest = i_nearest(v_mul(v_load(x + i), inverse));
        i_store_bytes(codes + i, nearest);
        total = i_add(total, nearest);
    }
    *sum = i_sum(total);
    return largest / 127;
}

TARGET static void quantizeRows(
    const float *x, intptr_t xStride, intptr_t batch, intptr_t columns, tessera_quantized_rows target) {
    const intptr_t whole = columns / target.groupSize;
    for (intptr_t b = 0; b < batch; b++) {
        const float *row = x + b * xStride;
        int8_t *codes = target.codes + b * target.groups * target.groupSize;
        float *scales = target.scales + b * target.groups;
        int32_t *sums = target.sums + b * target.groups;
        for (intptr_t g = 0; g < whole; g++)
            scales[g] = quantize_group(row + g * target.groupSize, target.groupSize, codes + g * target.groupSize, sums + g);
        for (intptr_t g = whole; g < target.groups; g++) {
            float padded[TESSERA_CODE_GROUP] = {0};
            memcpy(padded, row + g * target.groupSize, (size_t)(columns - g * target.groupSize) * sizeof(float));
            scales[g] = quantize_group(padded, target.groupSize, codes + g * target.groupSize, sums + g);
        }
    }
}

const tessera_code_kernels TABLE = {
    .name = NAME,
    .quantizeRows = quantizeRows,
    .codeProduct = codeProduct,
    .codeProductExact = codeProductExact,
};
