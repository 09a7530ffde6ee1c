// The reference table: one element at a time, every chain as panels.h describes it.

#include <math.h>

#include "panels_internal.h"
#include "portable_internal.h"

static float element(tessera_panel_format format, const void *packed, intptr_t index) {
    float value;
    switch (format) {
    case TESSERA_PANEL_F32: return ((const float *)packed)[index];
    case TESSERA_PANEL_F16: return tessera_portable_from_half(((const uint16_t *)packed)[index]);
    case TESSERA_PANEL_BF16: tessera_portable_bfloatToFloat((const uint16_t *)packed + index, &value, 1); return value;
    }
    return 0;
}

static void product(
    tessera_panel_format format, const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride,
    intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    const intptr_t laidOut = tessera_panel_columns(format, columns);
    for (intptr_t row = 0; row < rows; row++) {
        const intptr_t top = row / TESSERA_PANEL_ROWS * TESSERA_PANEL_ROWS;
        const intptr_t height = tessera_panel_height(rows - top);
        for (intptr_t b = 0; b < batch; b++) {
            float sum = accumulate ? y[b * yStride + row] : 0;
            for (intptr_t k = 0; k < columns; k++) {
                const intptr_t index = top * laidOut + tessera_panel_index(format, height, row - top, k);
                sum = fmaf(element(format, packed, index), x[b * xStride + k], sum);
            }
            y[b * yStride + row] = sum;
        }
    }
}

/// What VDPBF16PS makes of numbers that are not normal.
static float flushed(float a) { return fabsf(a) < 0x1p-126f ? copysignf(0, a) : a; }

static float rounded_to_bfloat(float a) {
    uint16_t pattern;
    tessera_portable_floatToBfloat(&a, &pattern, 1);
    tessera_portable_bfloatToFloat(&pattern, &a, 1);
    return a;
}

static void bfloatProduct(
    const float *x, intptr_t xStride, const void *packed, float *y, intptr_t yStride, intptr_t batch, intptr_t rows,
    intptr_t columns, bool accumulate) {
    const intptr_t laidOut = tessera_panel_columns(TESSERA_PANEL_BF16, columns);
    for (intptr_t row = 0; row < rows; row++) {
        const intptr_t top = row / TESSERA_PANEL_ROWS * TESSERA_PANEL_ROWS;
        const intptr_t height = tessera_panel_height(rows - top);
        for (intptr_t b = 0; b < batch; b++) {
            float sum = accumulate ? y[b * yStride + row] : 0;
            // Column 1, 0, 3, 2, ...; beyond the last there are zeros.
            for (intptr_t i = 0; i < laidOut; i++) {
                const intptr_t k = i ^ 1, index = tessera_panel_index(TESSERA_PANEL_BF16, height, row - top, k);
                const float weight = element(TESSERA_PANEL_BF16, packed, top * laidOut + index);
                const float value = k < columns ? rounded_to_bfloat(flushed(x[b * xStride + k])) : 0;
                sum = flushed(fmaf(flushed(weight), value, flushed(sum)));
            }
            y[b * yStride + row] = sum;
        }
    }
}

static void diagonalGrid(
    tessera_panel_format format, const float *z, intptr_t zStride, const void *s, float *w, intptr_t wStride,
    intptr_t batch, intptr_t outputs, intptr_t inputs, intptr_t width) {
    for (intptr_t b = 0; b < batch; b++)
        for (intptr_t i = 0; i < outputs; i++)
            for (intptr_t c = 0; c < width; c++) {
                float sum = 0;
                for (intptr_t j = 0; j < inputs; j++)
                    sum = fmaf(element(format, s, (i * inputs + j) * width + c), z[b * zStride + j * width + c], sum);
                w[b * wStride + i * width + c] = sum;
            }
}

const tessera_panel_kernels tessera_panels_table_portable = {
    .name = "portable",
    .product = product,
    .bfloatProduct = bfloatProduct,
    .diagonalGrid = diagonalGrid,
};
