// Included once per instruction set, after its vector and code types: products with packed codes, and the table TABLE
// named NAME.
//
// A tile is TILE_VECTORS vectors of W's rows times up to TILE_ROWS rows of X; sums stay in registers along a block of
// columns, so that the part of a panel a block needs stays in the first-level cache while all rows of X pass over it.

#include "codes_internal.h"

enum {
    /// Columns of a block, at least one group.
    BLOCK = 256,
    /// Columns of a quad, of a step that 16-bit partial sums survive.
    QUAD = 4, STEP = 32,
    BLOCK_GROUPS = BLOCK / STEP,
};

#define UNROLLED _Pragma("clang loop unroll(full)")

/// A block of one panel, seen from one row on.
typedef struct Block {
    const uint8_t *codes;
    intptr_t height, groups, groupSize, groupBytes, codeBytes;
} Block;

/// A tile's share of Y, of which `valid` columns exist.
typedef struct Target {
    float *y;
    intptr_t stride, valid;
    bool accumulate;
} Target;

INLINE Block block_at(const uint8_t *codes, intptr_t bits, intptr_t height, intptr_t groups, intptr_t groupSize) {
    intptr_t codeBytes = height * groupSize * bits / 8;
    return (Block){codes, height, groups, groupSize, codeBytes + 2 * height, codeBytes};
}

INLINE intptr_t valid_lanes(Target t, int vector) {
    intptr_t left = t.valid - vector * LANES;
    return left < 0 ? 0 : left < LANES ? left : LANES;
}
INLINE V target_load(Target t, int row, int vector) {
    if (!t.accumulate) return v_zero();
    const float *p = t.y + row * t.stride + vector * LANES;
    intptr_t lanes = valid_lanes(t, vector);
    return lanes == LANES ? v_load(p) : v_load_part(p, lanes);
}
INLINE void target_store(Target t, int row, int vector, V a) {
    float *p = t.y + row * t.stride + vector * LANES;
    intptr_t lanes = valid_lanes(t, vector);
    if (lanes == LANES) v_store(p, a); else if (lanes > 0) v_store_part(p, a, lanes);
}

/// Scales of `vectors` vectors of rows, for a group whose codes begin at `group`.
INLINE V group_scales(Block w, const uint8_t *group, intptr_t first, int vector) {
    return v_from_half((const uint16_t *)(const void *)(group + w.codeBytes + 2 * first) + vector * LANES);
}

// MARK: Integers

/// Rows of X as a tile reads them; offsets are what the sums of a group begin with.
typedef struct Rows {
    const int8_t *codes;
    const float *scales;
    const int32_t *offsets;
    intptr_t codeStride, scaleStride;
} Rows;

/// `bits` as stored, `range` the bits that codes may have: what was unpacked to bytes is still small.
INLINE void integer_tile(
    int bits, int range, int vectors, int rows, Block w, intptr_t first, Rows x, Target t) {
    enum { MOST = TILE_ROWS * TILE_VECTORS > SINGLE_VECTORS ? TILE_ROWS * TILE_VECTORS : SINGLE_VECTORS };
    const int shares = 8 / bits;
    V y[MOST];
    UNROLLED for (int r = 0; r < rows; r++)
        UNROLLED for (int v = 0; v < vectors; v++) y[r * vectors + v] = target_load(t, r, v);
    for (intptr_t g = 0; g < w.groups; g++) {
        const uint8_t *group = w.codes + g * w.groupBytes;
        I sums[MOST];
        UNROLLED for (int r = 0; r < rows; r++)
            UNROLLED for (int v = 0; v < vectors; v++) sums[r * vectors + v] = i_set(x.offsets[r * BLOCK_GROUPS + g]);
        for (intptr_t step = 0; step < w.groupSize; step += STEP) {
            const uint8_t *words = group + step * w.height * bits / 8 + first * QUAD;
            const int8_t *codes = x.codes + g * w.groupSize + step;
            P parts[MOST];
            UNROLLED for (int i = 0; i < rows * vectors; i++) parts[i] = p_start(sums[i]);
            UNROLLED for (int word = 0; word < STEP / QUAD / shares; word++) {
                I packed[SINGLE_VECTORS];
                UNROLLED for (int v = 0; v < vectors; v++)
                    packed[v] = i_load(words + word * QUAD * w.height + v * LANES * QUAD);
                UNROLLED for (int share = 0; share < shares; share++) {
                    I unpacked[SINGLE_VECTORS];
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
        UNROLLED for (int v = 0; v < vectors; v++) {
            V scales = group_scales(w, group, first, v);
            UNROLLED for (int r = 0; r < rows; r++) {
                V both = v_mul(scales, v_set(x.scales[r * x.scaleStride + g]));
                y[r * vectors + v] = v_fma(v_from_int(sums[r * vectors + v]), both, y[r * vectors + v]);
            }
        }
    }
    UNROLLED for (int r = 0; r < rows; r++)
        UNROLLED for (int v = 0; v < vectors; v++) target_store(t, r, v, y[r * vectors + v]);
}

/// One function for each number of rows, so that sums have registers of their own.
#define INTEGER_TILES(name, bits, range) \
    TARGET static void name##_one(Block w, intptr_t first, Rows x, Target t) { \
        integer_tile(bits, range, NARROW_VECTORS, 1, w, first, x, t); \
    } \
    TARGET static void name##_single(Block w, intptr_t first, Rows x, Target t) { \
        integer_tile(bits, range, SINGLE_VECTORS, 1, w, first, x, t); \
    } \
    TARGET static void name##_1(Block w, intptr_t first, Rows x, Target t) { \
        integer_tile(bits, range, TILE_VECTORS, 1, w, first, x, t); \
    } \
    TARGET static void name##_2(Block w, intptr_t first, Rows x, Target t) { \
        integer_tile(bits, range, TILE_VECTORS, 2, w, first, x, t); \
    } \
    TARGET static void name##_3(Block w, intptr_t first, Rows x, Target t) { \
        integer_tile(bits, range, TILE_VECTORS, 3, w, first, x, t); \
    } \
    TARGET static void name##_4(Block w, intptr_t first, Rows x, Target t) { \
        integer_tile(bits, range, TILE_VECTORS, TILE_ROWS < 4 ? TILE_ROWS : 4, w, first, x, t); \
    } \
    TARGET static void name##_5(Block w, intptr_t first, Rows x, Target t) { \
        integer_tile(bits, range, TILE_VECTORS, TILE_ROWS < 5 ? TILE_ROWS : 5, w, first, x, t); \
    } \
    TARGET static void name##_6(Block w, intptr_t first, Rows x, Target t) { \
        integer_tile(bits, range, TILE_VECTORS, TILE_ROWS < 6 ? TILE_ROWS : 6, w, first, x, t); \
    }

typedef void (*IntegerTile)(Block w, intptr_t first, Rows x, Target t);
typedef struct IntegerTiles {
    /// One row of X by a single vector, by many, and 1 to 6 rows by TILE_VECTORS.
    IntegerTile one, single, rows[6];
} IntegerTiles;
#define INTEGER_TABLE(name) \
    {name##_one, name##_single, {name##_1, name##_2, name##_3, name##_4, name##_5, name##_6}}

INTEGER_TILES(integers8, 8, 8)
INTEGER_TILES(integers4, 4, 4)
INTEGER_TILES(integers2, 2, 2)
INTEGER_TILES(integers4in8, 8, 4)
static const IntegerTiles tiles8 = INTEGER_TABLE(integers8), tiles4 = INTEGER_TABLE(integers4),
    tiles2 = INTEGER_TABLE(integers2), tiles4in8 = INTEGER_TABLE(integers4in8);

/// Runs the tiles of `rows` rows of X over all rows of a panel's block, `valid` of which exist.
INLINE void integer_panel(
    const IntegerTiles *tiles, int rows, Block w, Rows x, float *y, intptr_t yStride, intptr_t valid,
    bool accumulate) {
    for (intptr_t first = 0; first < w.height;) {
        Target t = {y + first, yStride, valid - first, accumulate};
        intptr_t left = w.height - first;
        if (rows == 1 && left >= SINGLE_VECTORS * LANES) {
            tiles->single(w, first, x, t);
            first += SINGLE_VECTORS * LANES;
        } else if (left >= TILE_VECTORS * LANES) {
            tiles->rows[rows - 1](w, first, x, t);
            first += TILE_VECTORS * LANES;
        } else {
            for (int r = 0; r < rows; r++) {
                Rows row = {
                    x.codes + r * x.codeStride, x.scales + r * x.scaleStride, x.offsets + r * BLOCK_GROUPS,
                    x.codeStride, x.scaleStride};
                tiles->one(w, first, row, (Target){t.y + r * yStride, yStride, t.valid, accumulate});
            }
            first += NARROW_VECTORS * LANES;
        }
    }
}

/// A block of `bits`-bit codes as one of bytes.
INLINE void widen(int bits, Block from, uint8_t *to) {
    const int shares = 8 / bits;
    for (intptr_t g = 0; g < from.groups; g++) {
        const uint8_t *words = from.codes + g * from.groupBytes;
        for (intptr_t word = 0; word < from.groupSize / QUAD / shares; word++) {
            for (intptr_t at = 0; at < from.height * QUAD; at += LANES * QUAD) {
                I packed = i_load(words + at);
                UNROLLED for (int share = 0; share < shares; share++)
                    i_store(to + share * from.height * QUAD + at, i_share(packed, bits, share));
            }
            words += from.height * QUAD;
            to += shares * from.height * QUAD;
        }
        memcpy(to, words, (size_t)(2 * from.height));
        to += 2 * from.height;
    }
}
TARGET static void widen4(Block from, uint8_t *to) { widen(4, from, to); }
TARGET static void widen2(Block from, uint8_t *to) { widen(2, from, to); }

INLINE void clear(float *y, intptr_t yStride, intptr_t batch, intptr_t rows) {
    for (intptr_t b = 0; b < batch; b++) memset(y + b * yStride, 0, (size_t)rows * sizeof(float));
}

TARGET static void codeProduct(
    intptr_t bits, intptr_t zero, tessera_quantized_rows x, const void *packed, float *y, intptr_t yStride,
    intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    (void)columns;
    if (x.groups == 0 && !accumulate) clear(y, yStride, batch, rows);
    const IntegerTiles *tiles = bits == 8 ? &tiles8 : bits == 4 ? &tiles4 : &tiles2;
    const bool widened = bits < 8 && batch > TILE_ROWS;
    const intptr_t blockGroups = BLOCK / x.groupSize, tileCount = (batch + TILE_ROWS - 1) / TILE_ROWS;
    const uint8_t *codes = packed;
    _Alignas(64) uint8_t bytes[TESSERA_PANEL_ROWS * (BLOCK + 2 * BLOCK_GROUPS)];
    for (intptr_t start = 0; start < rows; start += TESSERA_PANEL_ROWS) {
        const intptr_t height = tessera_panel_height(rows, start);
        const intptr_t valid = rows - start < height ? rows - start : height;
        for (intptr_t g = 0; g < x.groups; g += blockGroups) {
            const intptr_t count = x.groups - g < blockGroups ? x.groups - g : blockGroups;
            Block block = block_at(codes, bits, height, count, x.groupSize);
            codes += count * block.groupBytes;
            if (widened) {
                if (bits == 4) widen4(block, bytes); else widen2(block, bytes);
                block = block_at(bytes, 8, height, count, x.groupSize);
            }
            // As even as it goes: the last tile is not left with a single row.
            for (intptr_t tile = 0; tile < tileCount; tile++) {
                const intptr_t b = batch * tile / tileCount, tileRows = batch * (tile + 1) / tileCount - b;
                int32_t offsets[TILE_ROWS * BLOCK_GROUPS];
                for (intptr_t r = 0; r < tileRows; r++)
                    for (intptr_t i = 0; i < count; i++)
                        offsets[r * BLOCK_GROUPS + i] = i_offset(bits, zero) * x.sums[(b + r) * x.groups + g + i];
                Rows from = {
                    x.codes + (b * x.groups + g) * x.groupSize, x.scales + b * x.groups + g, offsets,
                    x.groups * x.groupSize, x.groups};
                integer_panel(
                    widened ? &tiles4in8 : tiles, (int)tileRows, block, from, y + b * yStride + start, yStride,
                    valid, accumulate || g > 0);
            }
        }
    }
}

// MARK: Floats

/// `x` has a whole number of groups. Codes come from `w`, or as floats from `values` (vectors side by side, column by
/// column) when `decoded`.
INLINE void exact_tile(
    int bits, int vectors, int rows, bool decoded, Decoder decoder, Block w, intptr_t first, const float *values,
    const float *x, intptr_t xStride, Target t) {
    enum { MOST = TILE_ROWS * TILE_VECTORS > SINGLE_VECTORS ? TILE_ROWS * TILE_VECTORS : SINGLE_VECTORS };
    const int shares = 8 / bits;
    V y[MOST];
    UNROLLED for (int r = 0; r < rows; r++)
        UNROLLED for (int v = 0; v < vectors; v++) y[r * vectors + v] = target_load(t, r, v);
    for (intptr_t g = 0; g < w.groups; g++) {
        const uint8_t *group = w.codes + g * w.groupBytes, *words = group + first * QUAD;
        V sums[MOST];
        UNROLLED for (int i = 0; i < rows * vectors; i++) sums[i] = v_zero();
        for (intptr_t k = g * w.groupSize; k < (g + 1) * w.groupSize; k += shares * QUAD) {
            I packed[SINGLE_VECTORS];
            if (!decoded) {
                UNROLLED for (int v = 0; v < vectors; v++) packed[v] = i_load(words + v * LANES * QUAD);
                words += w.height * QUAD;
            }
            UNROLLED for (int i = 0; i < shares * QUAD; i++) {
                V column[SINGLE_VECTORS];
                UNROLLED for (int v = 0; v < vectors; v++)
                    column[v] = decoded ? v_load(values + ((k + i) * vectors + v) * LANES)
                                       : decode(decoder, packed[v], bits, i % QUAD * 8 + i / QUAD * bits);
                UNROLLED for (int r = 0; r < rows; r++) {
                    V same = v_set(x[r * xStride + k + i]);
                    UNROLLED for (int v = 0; v < vectors; v++)
                        sums[r * vectors + v] = v_fma(same, column[v], sums[r * vectors + v]);
                }
            }
        }
        UNROLLED for (int v = 0; v < vectors; v++) {
            V scales = group_scales(w, group, first, v);
            UNROLLED for (int r = 0; r < rows; r++)
                y[r * vectors + v] = v_fma(sums[r * vectors + v], scales, y[r * vectors + v]);
        }
    }
    UNROLLED for (int r = 0; r < rows; r++)
        UNROLLED for (int v = 0; v < vectors; v++) target_store(t, r, v, y[r * vectors + v]);
}

/// Columns of a block of floats: TILE_VECTORS vectors of them fit half of the first-level cache.
enum { EXACT_BLOCK = 128 };

/// Floats of a block, as `exact_tile` takes them.
INLINE void decode_block(int bits, Decoder decoder, Block w, intptr_t first, int vectors, float *values) {
    const int shares = 8 / bits;
    for (intptr_t g = 0; g < w.groups; g++) {
        const uint8_t *words = w.codes + g * w.groupBytes + first * QUAD;
        for (intptr_t k = 0; k < w.groupSize; k += shares * QUAD) {
            UNROLLED for (int v = 0; v < vectors; v++) {
                I packed = i_load(words + v * LANES * QUAD);
                UNROLLED for (int i = 0; i < shares * QUAD; i++)
                    v_store(
                        values + (i * vectors + v) * LANES,
                        decode(decoder, packed, bits, i % QUAD * 8 + i / QUAD * bits));
            }
            words += w.height * QUAD;
            values += shares * QUAD * vectors * LANES;
        }
    }
}

typedef void (*ExactTile)(
    Decoder decoder, Block w, intptr_t first, const float *values, const float *x, intptr_t xStride, Target t);
#define EXACT_TILE(name, bits, vectors, rows, decoded) \
    TARGET static void name( \
        Decoder decoder, Block w, intptr_t first, const float *values, const float *x, intptr_t xStride, Target t) { \
        exact_tile(bits, vectors, rows, decoded, decoder, w, first, values, x, xStride, t); \
    }
#define EXACT_SINGLES(name, bits) \
    EXACT_TILE(name##_one, bits, NARROW_VECTORS, 1, 0) \
    EXACT_TILE(name##_tile, bits, TILE_VECTORS, 1, 0) \
    EXACT_TILE(name##_single, bits, SINGLE_VECTORS, 1, 0) \
    TARGET static void name##_decode(Decoder decoder, Block w, intptr_t first, bool narrow, float *values) { \
        if (narrow) decode_block(bits, decoder, w, first, NARROW_VECTORS, values); \
        else decode_block(bits, decoder, w, first, TILE_VECTORS, values); \
    }
EXACT_SINGLES(exact8, 8)
EXACT_SINGLES(exact4, 4)
EXACT_SINGLES(exact2, 2)
EXACT_TILE(floats_narrow, 8, NARROW_VECTORS, 1, 1)
EXACT_TILE(floats_1, 8, TILE_VECTORS, 1, 1)
EXACT_TILE(floats_2, 8, TILE_VECTORS, 2, 1)
EXACT_TILE(floats_3, 8, TILE_VECTORS, 3, 1)
EXACT_TILE(floats_4, 8, TILE_VECTORS, TILE_ROWS < 4 ? TILE_ROWS : 4, 1)
EXACT_TILE(floats_5, 8, TILE_VECTORS, TILE_ROWS < 5 ? TILE_ROWS : 5, 1)
EXACT_TILE(floats_6, 8, TILE_VECTORS, TILE_ROWS < 6 ? TILE_ROWS : 6, 1)
static const ExactTile floatTiles[] = {floats_1, floats_2, floats_3, floats_4, floats_5, floats_6};

typedef struct ExactTiles {
    ExactTile one, tile, single;
    void (*decode)(Decoder decoder, Block w, intptr_t first, bool narrow, float *values);
} ExactTiles;
#define EXACT_TABLE(name) {name##_one, name##_tile, name##_single, name##_decode}
static const ExactTiles exactTiles8 = EXACT_TABLE(exact8), exactTiles4 = EXACT_TABLE(exact4),
    exactTiles2 = EXACT_TABLE(exact2);

/// One block of a panel times all rows of X, which begin at the block's first column.
INLINE void exact_panel(
    const ExactTiles *tiles, Decoder decoder, Block w, const float *x, intptr_t xStride, float *y, intptr_t yStride,
    intptr_t batch, intptr_t valid, bool accumulate, float *values) {
    for (intptr_t first = 0; first < w.height;) {
        const intptr_t left = w.height - first;
        const bool single = batch == 1 && left >= SINGLE_VECTORS * LANES, narrow = left < TILE_VECTORS * LANES;
        Target t = {y + first, yStride, valid - first, accumulate};
        if (batch == 1) {
            (single ? tiles->single : narrow ? tiles->one : tiles->tile)(decoder, w, first, 0, x, xStride, t);
        } else {
            tiles->decode(decoder, w, first, narrow, values);
            const intptr_t most = narrow ? 1 : TILE_ROWS, tileCount = (batch + most - 1) / most;
            for (intptr_t tile = 0; tile < tileCount; tile++) {
                const intptr_t b = batch * tile / tileCount, rows = batch * (tile + 1) / tileCount - b;
                t.y = y + b * yStride + first;
                (narrow ? floats_narrow : floatTiles[rows - 1])(
                    decoder, w, first, values, x + b * xStride, xStride, t);
            }
        }
        first += (single ? SINGLE_VECTORS : narrow ? NARROW_VECTORS : TILE_VECTORS) * LANES;
    }
}

TARGET static void codeProductExact(
    intptr_t bits, intptr_t zero, intptr_t groupSize, const float *x, intptr_t xStride, const void *packed, float *y,
    intptr_t yStride, intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    if (columns == 0 && !accumulate) clear(y, yStride, batch, rows);
    const ExactTiles *tiles = bits == 8 ? &exactTiles8 : bits == 4 ? &exactTiles4 : &exactTiles2;
    const Decoder decoder = decoder_for((int)bits, (int)zero);
    const intptr_t whole = columns / groupSize, groups = (columns + groupSize - 1) / groupSize;
    const intptr_t blockGroups = EXACT_BLOCK / groupSize;
    const uint8_t *codes = packed;
    _Alignas(64) float values[EXACT_BLOCK * TILE_VECTORS * LANES];
    for (intptr_t start = 0; start < rows; start += TESSERA_PANEL_ROWS) {
        const intptr_t height = tessera_panel_height(rows, start);
        const intptr_t valid = rows - start < height ? rows - start : height;
        for (intptr_t g = 0; g < groups;) {
            // The last group is on its own when columns are missing from it.
            const intptr_t full = g < whole ? whole - g : 1, count = full < blockGroups ? full : blockGroups;
            const Block block = block_at(codes, bits, height, count, groupSize);
            const bool accumulating = accumulate || g > 0;
            codes += count * block.groupBytes;
            if (g < whole) {
                exact_panel(
                    tiles, decoder, block, x + g * groupSize, xStride, y + start, yStride, batch, valid, accumulating,
                    values);
            } else {
                for (intptr_t b = 0; b < batch; b += TILE_ROWS) {
                    const intptr_t tileRows = batch - b < TILE_ROWS ? batch - b : TILE_ROWS;
                    float padded[TILE_ROWS * TESSERA_CODE_GROUP] = {0};
                    for (intptr_t r = 0; r < tileRows; r++)
                        memcpy(
                            padded + r * groupSize, x + (b + r) * xStride + g * groupSize,
                            (size_t)(columns - g * groupSize) * sizeof(float));
                    exact_panel(
                        tiles, decoder, block, padded, groupSize, y + b * yStride + start, yStride, tileRows, valid,
                        accumulating, values);
                }
            }
            g += count;
        }
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
