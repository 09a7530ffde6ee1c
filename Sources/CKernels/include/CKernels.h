#ifndef TESSERA_CKERNELS_H
#define TESSERA_CKERNELS_H

/// The arithmetic kernels of Tessera, one table of function pointers per instruction set.
///
/// Conventions, for every member:
/// - sizes and strides are `intptr_t`; strides count elements between the starts of two rows; sizes of 0 are allowed;
/// - pointers need only the alignment of their element type;
/// - outputs do not overlap inputs unless the member says so;
/// - nothing is checked here: the caller guarantees sizes, and buffers that hold them;
/// - nothing allocates, locks or keeps state, so any member may run on many threads at once;
/// - within one table, the bits of an output element depend only on the inputs that define it, never on how the caller
///   splits rows, columns or batch into calls, nor on alignment.

#include <stdbool.h>
#include <stdint.h>

#include "codes.h"
#include "lookup.h"
#include "panels.h"
#include "sparse.h"
#include "pool.h"
#include "scratch.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#define TESSERA_NULLABLE _Nullable
#else
#define TESSERA_NULLABLE
#endif

typedef struct tessera_kernels {
    /// "portable", "avx2", "avx512" or "neon".
    const char *name;

    // MARK: Dense products

    /// Y (+)= X W^T with X [batch x in], W [out x in], Y [batch x out], all row-major f32.
    /// Cost: batch * out * in multiply-adds; meant for batch 1 to 64, correct for any.
    void (*product)(
        const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
        intptr_t batch, intptr_t out, intptr_t in, bool accumulate);

    /// Y (+)= X W with X [batch x out], W [out x in], Y [batch x in], all row-major f32.
    /// Each element of Y adds its terms in the order of `out`, starting from 0 (or from Y when accumulating), so that
    /// cutting `out` into accumulating calls gives the same bits too.
    void (*productTransposed)(
        const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
        intptr_t batch, intptr_t out, intptr_t in, bool accumulate);

    /// Y = X [diag(s_0); diag(s_1); ...]: y_c = sum over p of s_p,c * x_{p * width + c}, added in the order of p from 0.
    /// X [batch x pieces * width], Y [batch x width], s_p at s + p * sStride.
    void (*diagonalProduct)(
        const float *x, intptr_t xStride, const float *s, intptr_t sStride, float *y, intptr_t yStride, intptr_t batch,
        intptr_t pieces, intptr_t width);

    // MARK: Vectors

    /// The inner product of two vectors of n elements, with the operations of `product` at batch 1.
    float (*dot)(const float *a, const float *b, intptr_t n);

    /// y += alpha x.
    void (*addScaled)(float *y, const float *x, float alpha, intptr_t n);

    /// y = a * b, element by element. y may be a or b.
    void (*multiplyElements)(const float *a, const float *b, float *y, intptr_t n);

    /// y += x. y may be x.
    void (*add)(float *y, const float *x, intptr_t n);

    /// y += bias on every row. y [rows x columns].
    void (*addBias)(float *y, const float *bias, intptr_t rows, intptr_t columns, intptr_t stride);

    // MARK: Normalisation

    /// y = (s - mean(s)) / sqrt(variance(s) + epsilon) * weight + bias for each row s = x (+ residual), with the
    /// population variance taken in a second pass. y may be x or residual (with the same stride).
    /// A NULL weight stands for ones, a NULL bias for zeros. Ba, Kiros, Hinton 2016, equation 4.
    void (*layerNorm)(
        const float *x, intptr_t xStride, const float *TESSERA_NULLABLE residual, intptr_t residualStride,
        const float *TESSERA_NULLABLE weight, const float *TESSERA_NULLABLE bias, float *y, intptr_t yStride,
        intptr_t rows, intptr_t columns, float epsilon);

    /// y = x / sqrt(mean(x^2) + epsilon) * weight for each row. y may be x (with the same stride).
    /// A NULL weight stands for ones. Zhang, Sennrich 2019, equation 4.
    void (*rmsNorm)(
        const float *x, intptr_t xStride, const float *TESSERA_NULLABLE weight, float *y, intptr_t yStride,
        intptr_t rows, intptr_t columns, float epsilon);

    // MARK: Activations

    /// With z = x + bias, or x where bias is NULL: x <- z * (1 + erf(z / sqrt 2)) / 2, the erf within 2e-7. Hendrycks,
    /// Gimpel 2016.
    void (*gelu)(float *x, const float *TESSERA_NULLABLE bias, intptr_t n);

    /// x <- x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2.
    void (*geluTanh)(float *x, intptr_t n);

    /// y = up * gate / (1 + exp(-gate)). y may be gate or up.
    void (*siluMultiply)(const float *gate, const float *up, float *y, intptr_t n);

    /// Each row becomes exp(scale x - max(scale x)), divided by its sum; the exponential has relative error <= 3e-7.
    /// Entries of -infinity become 0, and so does a row of nothing else.
    void (*softmax)(float *x, intptr_t rows, intptr_t columns, intptr_t stride, float scale);

    /// Softmax over columns that come in parts (Milakov, Gimelshein 2018): each row of x becomes exp(scale x - m), where m
    /// is the largest of `most` and scale x; what was summed before is brought to the same m: sum <- sum exp(most - m) +
    /// the row's new sum, y <- y exp(most - m) for a row of `width` numbers, most <- m. A row begins with most = -infinity
    /// and sum = 0, and then leaves its y untouched; y / sum is the softmax's product once all parts are in.
    void (*softmaxPart)(
        float *x, intptr_t rows, intptr_t columns, intptr_t stride, float scale, float *most, float *sum, float *y,
        intptr_t yStride, intptr_t width);

    /// Rotary position embedding of one token in place, in the half-split convention of Hugging Face: within each head of
    /// x [heads x headDimension], (x_j, x_{j+h}) turns by the angle whose cosine and sine are entry j, h = headDimension / 2.
    void (*rotate)(
        float *x, const float *cosine, const float *sine, intptr_t heads, intptr_t headDimension);

    // MARK: Conversions

    /// IEEE binary16 to f32, exact.
    void (*halfToFloat)(const uint16_t *x, float *y, intptr_t n);
    /// f32 to IEEE binary16, to nearest even; what is too large becomes infinity, NaN stays NaN.
    void (*floatToHalf)(const float *x, uint16_t *y, intptr_t n);
    /// bfloat16 to f32, exact.
    void (*bfloatToFloat)(const uint16_t *x, float *y, intptr_t n);
    /// f32 to bfloat16, to nearest even; what is too large becomes infinity, NaN stays NaN.
    void (*floatToBfloat)(const float *x, uint16_t *y, intptr_t n);

    // MARK: Group-quantized weights

    /// One row of a group-quantized matrix: y_j = scale_{j / groupSize} * (code_j - 2^(bits-1)).
    /// Codes are unsigned, `bits` (8, 4, 3 or 2) each, a little-endian bit stream (code j begins at bit bits * j, bit 0 being
    /// the lowest of byte 0) of ceil(columns * bits / 8) bytes, none of which beyond the last is read.
    /// `scales` are binary16, ceil(columns / groupSize) of them. The same bits from every table.
    void (*dequantizeRow)(
        const uint8_t *codes, intptr_t bits, const uint16_t *scales, intptr_t groupSize, float *y, intptr_t columns);

    /// Y (+)= X W^T with W [out x in] group-quantized: row o begins at codes + o * rowBytes and scales + o * scaleStride.
    /// `scratch` holds 16 * in floats. The same bits as `dequantizeRow` on every row, then `product`.
    void (*quantizedProduct)(
        const float *x, intptr_t xStride, const uint8_t *codes, intptr_t bits, intptr_t rowBytes,
        const uint16_t *scales, intptr_t scaleStride, intptr_t groupSize, float *y, intptr_t yStride,
        intptr_t batch, intptr_t out, intptr_t in, bool accumulate, float *scratch);

    // MARK: Fitting and allocation

    /// For each of `points` rows of x, `width` wide, the centroid c of the largest score x c - half_c, of equal ones the first;
    /// 0 where no score is a number. Column j of the centroids lies at centroids + j * stride; `count` of them, at most 65536.
    /// Scores add their terms in the order of the columns, from 0. Cost: points * count * width multiply-adds.
    void (*nearestCentroids)(
        const float *x, intptr_t xStride, intptr_t points, const float *centroids, intptr_t stride, const float *halves,
        intptr_t count, intptr_t width, uint16_t *nearest);

    /// The sum of h (w - scale (q - zero))^2 over n numbers, a multiple of 16, where q is w / scale + zero between `lowest`
    /// and `highest`, to the nearest integer. Unless `moments` is NULL they become the sums of h, h q, h q^2, h w, h w q.
    /// Sums are of sixteen parts, number j in part j mod 16, which are then added in pairs 8, 4, 2 and 1 apart: the same
    /// bits from every table.
    float (*groupError)(
        const float *w, const float *h, intptr_t n, float scale, float zero, float lowest, float highest,
        float *TESSERA_NULLABLE moments);

    /// One choice of a knapsack's dynamic programme: where from_i + damage is less than best_i it takes its place, and
    /// `index` that of decision_i. `from` may not overlap `best`. The same bits from every table.
    void (*relax)(const double *from, double damage, uint16_t index, double *best, uint16_t *decision, intptr_t n);
} tessera_kernels;

/// The reference table in plain C, for any processor.
const tessera_kernels *tessera_kernels_portable(void);

/// The fastest table this processor runs. Chosen at the first call; safe from any thread; the same pointer every time.
const tessera_kernels *tessera_kernels_best(void);

/// The table of that name, or NULL when there is none or this processor lacks its instructions.
const tessera_kernels *TESSERA_NULLABLE tessera_kernels_named(const char *name);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
