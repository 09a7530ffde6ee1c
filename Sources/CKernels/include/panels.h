#ifndef TESSERA_PANELS_H
#define TESSERA_PANELS_H

/// Products with packed weights: a matrix laid out once so that a product reads it as one stream.
///
/// Layout, the same for every instruction set, so that packed weights may be kept in files: the rows of W [rows x columns]
/// are cut into panels of 64; the last panel has as many vectors of 16 rows as it needs (rows of zeros fill it). Within a
/// panel of h rows, columns run outside and rows inside:
/// - f32, f16: element (r, k) is number k * h + r;
/// - bf16: pairs of columns lie together: element (r, k) is number (k / 2) * 2h + 2r + k % 2; an odd last column is
///   followed by zeros.
/// Panels follow each other without gaps; the start should be 64-byte aligned (for speed alone).
///
/// Conventions, for every product: those of CKernels.h; sizes of 0 allowed; X [batch x columns] and Y [batch x rows] are
/// row-major with strides; nothing allocates. The bits of an output element depend only on its row of X, its row of W,
/// and (when accumulating) on itself, not on batch, on where panels are cut into calls, or on the other rows.
/// Float chains run over k in order from Y (accumulating) or 0, one fused multiply-add a column, so any table gives the
/// same bits as any other where it has fused multiply-adds.

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

enum {
    TESSERA_PANEL_ROWS = 64,
    TESSERA_PANEL_VECTOR = 16,
};

typedef enum tessera_panel_format {
    TESSERA_PANEL_F32 = 0,
    TESSERA_PANEL_F16 = 1,
    TESSERA_PANEL_BF16 = 2,
} tessera_panel_format;

/// Bytes of a packed matrix.
intptr_t tessera_panel_bytes(tessera_panel_format format, intptr_t rows, intptr_t columns);

/// Packs f32 numbers (rounding to nearest even for f16 and bf16; numbers that came from that precision do not change).
void tessera_pack(
    tessera_panel_format format, const float *w, intptr_t wStride, intptr_t rows, intptr_t columns, void *packed);

/// The inverse: f32 numbers, row-major.
void tessera_unpack(
    tessera_panel_format format, const void *packed, float *w, intptr_t wStride, intptr_t rows, intptr_t columns);

typedef struct tessera_panel_kernels {
    /// "portable", "avx2", "avx512", "avx512bf16" or "neon".
    const char *name;

    /// Y (+)= X W^T with packed floats of any format. `packed` may begin at any panel of a larger matrix.
    void (*product)(
        tessera_panel_format format, const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride,
        intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate);

    /// Y (+)= round(X) W^T with packed bf16, X rounded to bf16 (nearest even, what is smaller than 2^-126 to 0) and
    /// products of bf16 summed in f32; null where the processor has no instruction for them. For every pair of columns
    /// the odd one is added first, then the even one, each by a fused multiply-add (Intel's definition of VDPBF16PS), with
    /// what is smaller than 2^-126 taken for 0 and turned into 0.
    void (*_Nullable bfloatProduct)(
        const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride, intptr_t batch, intptr_t rows,
        intptr_t columns, bool accumulate);

    /// The middle step of BLAST: w[i][c] = sum over j of s[i][j][c] * z[j][c] for i < outputs, j < inputs, c < width.
    /// Rows of z [batch x inputs * width] and w [batch x outputs * width]; s [outputs x inputs x width] as it is stored,
    /// each number in `format`, none paired. Added in the order of j from 0, by fused multiply-adds.
    void (*diagonalGrid)(
        tessera_panel_format format, const float *z, intptr_t zStride, const void *s, float *w, intptr_t wStride,
        intptr_t batch, intptr_t outputs, intptr_t inputs, intptr_t width);
} tessera_panel_kernels;

/// As `tessera_kernels_portable`, `_best` and `_named` of CKernels.h.
const tessera_panel_kernels *tessera_panels_portable(void);
const tessera_panel_kernels *tessera_panels_best(void);
const tessera_panel_kernels *_Nullable tessera_panels_named(const char *name);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
