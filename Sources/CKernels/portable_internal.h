#ifndef TESSERA_PORTABLE_INTERNAL_H
#define TESSERA_PORTABLE_INTERNAL_H

#include "tables.h"

/// Sixteen numbers added in pairs 8, 4, 2 and 1 apart; they are overwritten.
static inline float tessera_sum_of_parts(float *parts) {
    for (int i = 0; i < 8; i++) parts[i] += parts[i + 8];
    for (int i = 0; i < 4; i++) parts[i] += parts[i + 4];
    return (parts[0] + parts[2]) + (parts[1] + parts[3]);
}

float tessera_portable_from_half(uint16_t h);
uint16_t tessera_portable_to_half(float f);

void tessera_portable_product(
    const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
    intptr_t batch, intptr_t out, intptr_t in, bool accumulate);
void tessera_portable_productTransposed(
    const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
    intptr_t batch, intptr_t out, intptr_t in, bool accumulate);
void tessera_portable_diagonalProduct(
    const float *x, intptr_t xStride, const float *s, intptr_t sStride, float *y, intptr_t yStride, intptr_t batch,
    intptr_t pieces, intptr_t width);
float tessera_portable_dot(const float *a, const float *b, intptr_t n);
void tessera_portable_addScaled(float *y, const float *x, float alpha, intptr_t n);
void tessera_portable_multiplyElements(const float *a, const float *b, float *y, intptr_t n);
void tessera_portable_add(float *y, const float *x, intptr_t n);
void tessera_portable_addBias(float *y, const float *bias, intptr_t rows, intptr_t columns, intptr_t stride);
void tessera_portable_layerNorm(
    const float *x, intptr_t xStride, const float *residual, intptr_t residualStride, const float *weight,
    const float *bias, float *y, intptr_t yStride, intptr_t rows, intptr_t columns, float epsilon);
void tessera_portable_rmsNorm(
    const float *x, intptr_t xStride, const float *weight, float *y, intptr_t yStride, intptr_t rows,
    intptr_t columns, float epsilon);
void tessera_portable_gelu(float *x, const float *bias, intptr_t n);
void tessera_portable_geluTanh(float *x, intptr_t n);
void tessera_portable_siluMultiply(const float *gate, const float *up, float *y, intptr_t n);
void tessera_portable_softmax(float *x, intptr_t rows, intptr_t columns, intptr_t stride, float scale);
void tessera_portable_softmaxPart(
    float *x, intptr_t rows, intptr_t columns, intptr_t stride, float scale, float *most, float *sum, float *y,
    intptr_t yStride, intptr_t width);
void tessera_portable_rotate(
    float *x, const float *cosine, const float *sine, intptr_t heads, intptr_t headDimension);
void tessera_portable_halfToFloat(const uint16_t *x, float *y, intptr_t n);
void tessera_portable_floatToHalf(const float *x, uint16_t *y, intptr_t n);
void tessera_portable_bfloatToFloat(const uint16_t *x, float *y, intptr_t n);
void tessera_portable_floatToBfloat(const float *x, uint16_t *y, intptr_t n);
void tessera_portable_dequantizeRow(
    const uint8_t *codes, intptr_t bits, const uint16_t *scales, intptr_t groupSize, float *y, intptr_t columns);
void tessera_portable_quantizedProduct(
    const float *x, intptr_t xStride, const uint8_t *codes, intptr_t bits, intptr_t rowBytes,
    const uint16_t *scales, intptr_t scaleStride, intptr_t groupSize, float *y, intptr_t yStride, intptr_t batch,
    intptr_t out, intptr_t in, bool accumulate, float *scratch);
void tessera_portable_nearestCentroids(
    const float *x, intptr_t xStride, intptr_t points, const float *centroids, intptr_t stride, const float *halves,
    intptr_t count, intptr_t width, uint16_t *nearest);
float tessera_portable_groupError(
    const float *w, const float *h, intptr_t n, float scale, float zero, float lowest, float highest, float *moments);
void tessera_portable_relax(
    const double *from, double damage, uint16_t index, double *best, uint16_t *decision, intptr_t n);

/// As `relax`, for compilers to make vectors of.
static inline __attribute__((always_inline)) void tessera_relax(
    const double *restrict from, double damage, uint16_t index, double *restrict best, uint16_t *restrict decision,
    intptr_t n) {
    // Compilers that count the mixed widths' shuffles do not see that branches would be guessed wrong half of the time.
#if defined(__clang__)
#pragma clang loop vectorize_width(4)
#endif
    for (intptr_t i = 0; i < n; i++) {
        const double candidate = from[i] + damage;
        const bool isLess = candidate < best[i];
        best[i] = isLess ? candidate : best[i];
        decision[i] = isLess ? index : decision[i];
    }
}

#endif
