// Included once per instruction set, after its vector and code types: products with packed codes, and the table TABLE
// named NAME.
//
// A tile is TILE_VECTORS vectors of W's rows times up to TILE_ROWS rows of X (EXACT_ROWS, at least as many, of X as it
// is). The columns are cut into blocks, so that the part of a panel that a block needs stays in the first-level cache while
// the rows of X pass over it. Few sums of floats stay in registers along a block; many are added to memory once a group,
// which leaves the registers to the integers.

#include "codes_internal.h"
#include "unroll.h"

enum {
    /// Rows of every panel here: lower ones are copied into whole ones first.
    HEIGHT = TESSERA_PANEL_ROWS,
    /// Columns of a block, at least one group.
    BLOCK = 384,
    /// Columns of a quad, of a step that 16-bit partial sums survive.
    QUAD = 4, STEP = 32,
    BLOCK_GROUPS = BLOCK / STEP,
    /// Rows of X that pass over a panel before it is begun anew.
    CHUNK = 12 * TILE_ROWS,
    MOST_SUMS = EXACT_ROWS * TILE_VECTORS > SINGLE_VECTORS ? EXACT_ROWS * TILE_VECTORS : SINGLE_VECTORS,
    MOST_VECTORS = TILE_VECTORS > SINGLE_VECTORS ? TILE_VECTORS : SINGLE_VECTORS,
};

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
                UNROLL for (int share = 0; share < shares; share++)
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

#include "codes_integer_template.h"
#include "codes_exact_template.h"

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
