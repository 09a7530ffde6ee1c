#include "portable_internal.h"

enum { lanes = 8 };

float tessera_portable_dot(const float *a, const float *b, intptr_t n) {
    // Eight partial sums: more accurate than one, and a compiler may keep them in vector registers.
    float sums[lanes] = {0};
    intptr_t k = 0;
    for (; k + lanes <= n; k += lanes)
        for (int lane = 0; lane < lanes; lane++) sums[lane] += a[k + lane] * b[k + lane];
    for (int lane = 0; k < n; k++, lane++) sums[lane] += a[k] * b[k];
    for (int half = lanes / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++) sums[lane] += sums[lane + half];
    return sums[0];
}

void tessera_portable_product(
    const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
    intptr_t batch, intptr_t out, intptr_t in, bool accumulate) {
    for (intptr_t o = 0; o < out; o++)
        for (intptr_t b = 0; b < batch; b++) {
            float sum = tessera_portable_dot(x + b * xStride, w + o * wStride, in);
            float *target = y + b * yStride + o;
            *target = accumulate ? *target + sum : sum;
        }
}

void tessera_portable_productTransposed(
    const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
    intptr_t batch, intptr_t out, intptr_t in, bool accumulate) {
    for (intptr_t b = 0; b < batch; b++) {
        float *row = y + b * yStride;
        if (!accumulate)
            for (intptr_t i = 0; i < in; i++) row[i] = 0;
        for (intptr_t o = 0; o < out; o++) tessera_portable_addScaled(row, w + o * wStride, x[b * xStride + o], in);
    }
}

void tessera_portable_addScaled(float *y, const float *x, float alpha, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) y[i] += alpha * x[i];
}

void tessera_portable_multiplyElements(const float *a, const float *b, float *y, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

void tessera_portable_add(float *y, const float *x, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) y[i] += x[i];
}

void tessera_portable_addBias(float *y, const float *bias, intptr_t rows, intptr_t columns, intptr_t stride) {
    for (intptr_t row = 0; row < rows; row++) tessera_portable_add(y + row * stride, bias, columns);
}
