#ifndef TESSERA_SPARSE_INTERNAL_H
#define TESSERA_SPARSE_INTERNAL_H

#include "panels_internal.h"
#include "portable_internal.h"
#include "sparse.h"

extern const tessera_sparse_kernels tessera_sparse_table_portable;
#if defined(__x86_64__)
extern const tessera_sparse_kernels tessera_sparse_table_avx2;
extern const tessera_sparse_kernels tessera_sparse_table_avx512;
#elif defined(__aarch64__)
extern const tessera_sparse_kernels tessera_sparse_table_neon;
#endif

/// How the entries of an N:M matrix lie: see tessera_nm_shape.
typedef struct nm_layout {
    intptr_t entries;   // of a row
    intptr_t window;    // columns that the place of an entry counts in: 4 or 16
    intptr_t kept;      // entries of a window
    intptr_t chunk;     // entries whose places share a word
    int bits;           // of a place
    intptr_t size;      // bytes of a value
} nm_layout;

static inline intptr_t nm_smaller(intptr_t a, intptr_t b) { return a < b ? a : b; }

/// Rows of X, filled up to whole vectors, in the part of a tile that begins at row `part`.
static inline intptr_t tessera_part_width(intptr_t batch, intptr_t part) {
    return tessera_tile_width(nm_smaller(batch - part, TESSERA_TILE_PART));
}

static inline nm_layout nm_layout_of(tessera_nm_shape shape) {
    nm_layout layout;
    layout.entries = shape.columns / shape.group * shape.kept;
    layout.window = shape.group == 4 ? 4 : 16;
    layout.kept = shape.group == 8 ? 2 * shape.kept : shape.kept;
    layout.chunk = shape.group == 4 ? 16 : 8;
    layout.bits = shape.group == 4 ? 2 : 4;
    layout.size = tessera_panel_element_bytes(shape.format);
    return layout;
}

/// Values that a chunk of `count` entries has room for, in one row.
static inline intptr_t nm_room(tessera_panel_format format, intptr_t count) {
    return format == TESSERA_PANEL_BF16 ? (count + 1) / 2 * 2 : count;
}

static inline intptr_t nm_chunk_bytes(nm_layout layout, tessera_panel_format format, intptr_t count, intptr_t height) {
    return height * (4 + layout.size * nm_room(format, count));
}

/// Bytes of one panel of `height` rows.
static inline intptr_t nm_panel_bytes(tessera_nm_shape shape, intptr_t height) {
    nm_layout layout = nm_layout_of(shape);
    intptr_t whole = layout.entries / layout.chunk, rest = layout.entries % layout.chunk;
    intptr_t bytes = whole * nm_chunk_bytes(layout, shape.format, layout.chunk, height);
    return rest > 0 ? bytes + nm_chunk_bytes(layout, shape.format, rest, height) : bytes;
}

/// The height of the panel that begins at `row`, in whole vectors.
static inline intptr_t nm_panel_height(intptr_t rows, intptr_t row) {
    return (nm_smaller(rows - row, TESSERA_PANEL_ROWS) + 15) / 16 * 16;
}

/// The number of a value in a chunk: entry outside, rows inside; bf16 in pairs.
static inline intptr_t nm_value_number(tessera_panel_format format, intptr_t entry, intptr_t row, intptr_t height) {
    return format == TESSERA_PANEL_BF16 ? (entry / 2 * height + row) * 2 + entry % 2 : entry * height + row;
}

/// Four rows of a block of row pairs: see tessera_row_pairs.
typedef struct pair_four {
    uint8_t shared, apart, rest[4], rows[4], unused[2];
} pair_four;

enum { PAIR_FOURS = TESSERA_PANEL_ROWS / 4 };

/// What a block begins with.
typedef struct pair_header {
    uint32_t values, unused[3];
    pair_four fours[PAIR_FOURS];
} pair_header;

static inline intptr_t pair_aligned(intptr_t bytes) { return (bytes + 63) / 64 * 64; }
static inline intptr_t pair_blocks(intptr_t columns) { return (columns + TESSERA_PAIR_COLUMNS - 1) / TESSERA_PAIR_COLUMNS; }
static inline intptr_t pair_rest(const pair_four *four) {
    return four->rest[0] + four->rest[1] + four->rest[2] + four->rest[3];
}
static inline intptr_t pair_places(const pair_four *four) { return 2 * four->shared + 4 * four->apart + pair_rest(four); }
static inline intptr_t pair_entries(const pair_four *four) { return 4 * (four->shared + four->apart) + pair_rest(four); }

static inline float tessera_from_bfloat(uint16_t bits) {
    union { uint32_t bits; float value; } number = {.bits = (uint32_t)bits << 16};
    return number.value;
}

static inline float tessera_stored(tessera_panel_format format, const void *values, intptr_t number) {
    switch (format) {
    case TESSERA_PANEL_F32: return ((const float *)values)[number];
    case TESSERA_PANEL_F16: return tessera_portable_from_half(((const uint16_t *)values)[number]);
    default: return tessera_from_bfloat(((const uint16_t *)values)[number]);
    }
}

#endif
