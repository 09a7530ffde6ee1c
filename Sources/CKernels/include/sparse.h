#ifndef TESSERA_SPARSE_H
#define TESSERA_SPARSE_H

/// Products with packed sparse matrices: N:M (a fixed number of entries in every group of columns), compressed rows, and
/// groups of rows that share their columns.
///
/// Conventions: those of CKernels.h and panels.h (strides in elements, sizes of 0 allowed, nothing allocates). Every output
/// is one chain from 0 over the kept entries of its row, one fused multiply-add each, for every batch and in every table that
/// has fused multiply-adds; in order of columns, but in `pairTile` in the order that they are packed in.
///
/// Batches of many rows are multiplied feature-major, so that one kept weight meets a run of neighbouring floats: a tile is up
/// to TESSERA_TILE rows of X, in parts of TESSERA_TILE_PART rows (the last one fewer, in whole vectors of 16), each part
/// [columns x its rows].

#include <stdbool.h>
#include <stdint.h>

#include "panels.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

enum {
    TESSERA_TILE = 256,
    TESSERA_TILE_PART = 64,
};

/// Floats for each column of a tile of `batch` (1 to TESSERA_TILE) rows of X: batch rounded up to whole vectors of 16.
static inline intptr_t tessera_tile_width(intptr_t batch) { return (batch + 15) / 16 * 16; }

/// An N:M matrix: `kept` entries of every `group` consecutive columns of a row; group is 4, 8 or 16 and divides columns.
///
/// Packed in panels of 64 rows as in panels.h (the last of as many vectors of 16 as it needs, filled with zeros). A row's
/// kept entries, numbered from 0, are cut into chunks of 16 (group 4) or 8 (groups 8 and 16); groups of 8 count as halves of
/// windows of 16 columns. For a panel of h rows, chunk after chunk: h words of 32 bits, entry i of the chunk in bits
/// 2 i, 2 i + 1 (its column within the group of 4) or 4 i ... 4 i + 3 (its column within the window of 16); then the values,
/// entry outside, rows inside: f32 and f16 plainly, bf16 with entries 2 i and 2 i + 1 of a row beside each other (an odd last
/// one followed by 0).
typedef struct tessera_nm_shape {
    tessera_panel_format format;
    intptr_t kept;
    intptr_t group;
    intptr_t rows;
    intptr_t columns;
} tessera_nm_shape;

/// Bytes of a packed matrix.
intptr_t tessera_nm_bytes(tessera_nm_shape shape);

/// Packs values [rows x columns / group * kept] and their places within their groups: a little-endian bit stream of
/// log2(group) bits each, rows beginning `rowBytes` apart.
void tessera_nm_pack(
    tessera_nm_shape shape, const float *values, const uint8_t *places, intptr_t rowBytes, void *packed);

/// Compressed rows, packed for products in slices of 16 rows: step t of a slice holds the entry number t of each of its rows,
/// or rubbish for a row that has ended; a slice has as many steps as its longest row.
typedef struct tessera_slices {
    tessera_panel_format format;
    bool wide;                 // columns are 32-bit numbers rather than 16-bit ones
    intptr_t rows;
    intptr_t columns;
    const uint32_t *lengths;   // entries of each row; slices * 16 of them
    const intptr_t *starts;    // steps before each slice, and before the end: slices + 1
    const void *indices;       // columns of entries, ascending within a row: [steps x 16]
    const void *values;        // [steps x 16], each in `format`, not paired
} tessera_slices;

/// Rows in groups that share their columns, packed in slices of 16 rows (the last one filled with zeros): for every step of a
/// slice one column for each of its groups and one value for each of its rows.
typedef struct tessera_row_groups {
    tessera_panel_format format;
    bool wide;                 // columns are 32-bit numbers rather than 16-bit ones
    intptr_t group;            // rows that share their columns: 4, 8 or 16
    intptr_t steps;            // entries of every row
    intptr_t rows;
    intptr_t columns;
    const void *indices;       // [slices x steps x 16 / group], ascending in steps
    const void *values;        // [slices x steps x 16], each in `format`, not paired
} tessera_row_groups;

enum {
    TESSERA_PAIR_COLUMNS = 128,   // columns of a block of row pairs
};

/// Rows of any sparse matrix, packed for tiles: two rows that keep many of the same columns share what they read of X.
///
/// Blocks of 64 rows and TESSERA_PAIR_COLUMNS columns, those of a panel one after another. Within a block the rows are matched
/// into pairs of large overlap, and pairs into 16 fours a, b, c, d. A block begins with the 32-bit number of bytes from there
/// to its values and 12 bytes of nothing; then 12 bytes for each four: how many columns its pairs share, how many entries of
/// every row follow, how many are left of each row, the four rows' numbers, 2 bytes of nothing. Then the places, bytes that
/// count columns from the block's first: of each four in turns one that (a, b) share and one that (c, d) share, then one each of
/// a, b, c and d; when one of the two kinds has ended, the other alone; what is left of a, of b, of c, of d. From a multiple of
/// 64 bytes on the values in the same order, a, b, c, d of every shared column, each in `format`, none paired.
typedef struct tessera_row_pairs {
    tessera_panel_format format;
    intptr_t rows;
    intptr_t columns;
    const intptr_t *starts;    // bytes before each block, [panels x blocks of a panel], and before the end
    const void *blocks;        // 64-byte aligned
} tessera_row_pairs;

/// Most bytes of one panel with so many entries.
intptr_t tessera_pairs_most(tessera_panel_format format, intptr_t columns, intptr_t entries);

/// Packs one panel of `rows` (at most 64) rows: row r has the entries offsets[r] ..< offsets[r + 1], ascending in columns.
/// Writes the bytes before each of its blocks and before its end; returns the latter.
intptr_t tessera_pairs_pack(
    tessera_panel_format format, intptr_t rows, intptr_t columns, const intptr_t *offsets, const uint32_t *entries,
    const float *values, void *packed, intptr_t *starts);

typedef struct tessera_sparse_kernels {
    /// "portable", "avx2", "avx512" or "neon".
    const char *name;

    /// Writes the columns first ..< last of a tile from `batch` rows of X [batch x columns]; rows that fill the last vector
    /// are zeros. xt should be 64-byte aligned, for speed alone.
    void (*tileInput)(
        const float *x, intptr_t xStride, intptr_t batch, intptr_t columns, intptr_t first, intptr_t last, float *xt);

    /// Y = X W^T, meant for batches below 16. `packed` may begin at any panel of a larger matrix.
    void (*nmProduct)(
        tessera_nm_shape shape, const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride,
        intptr_t batch);

    /// Y = X W^T for a tile of `batch` rows and the panels first ..< last; y begins at the row 0 of W.
    void (*pairTile)(
        const tessera_row_pairs *w, const float *xt, float *y, intptr_t yStride, intptr_t batch, intptr_t first,
        intptr_t last);

    /// Y = X W^T for the rows of the slices first ..< last; y begins at the row 0 of W.
    void (*sliceProduct)(
        const tessera_slices *w, const float *x, intptr_t xStride, float *y, intptr_t yStride, intptr_t batch,
        intptr_t first, intptr_t last);

    /// Y = X W^T for the rows of the slices first ..< last, meant for batches below 16; y begins at the row 0 of W.
    void (*groupProduct)(
        const tessera_row_groups *w, const float *x, intptr_t xStride, float *y, intptr_t yStride, intptr_t batch,
        intptr_t first, intptr_t last);

    /// The same for one tile of `batch` rows.
    void (*groupTile)(
        const tessera_row_groups *w, const float *xt, float *y, intptr_t yStride, intptr_t batch, intptr_t first,
        intptr_t last);
} tessera_sparse_kernels;

/// As `tessera_kernels_portable`, `_best` and `_named` of CKernels.h.
const tessera_sparse_kernels *tessera_sparse_portable(void);
const tessera_sparse_kernels *tessera_sparse_best(void);
const tessera_sparse_kernels *_Nullable tessera_sparse_named(const char *name);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
