#include "portable_internal.h"

void tessera_portable_dequantizeRow(
    const uint8_t *codes, intptr_t bits, const uint16_t *scales, intptr_t groupSize, float *y, intptr_t columns) {
    int zero = 1 << (bits - 1);
    for (intptr_t start = 0; start < columns; start += groupSize) {
        float scale = tessera_portable_from_half(scales[start / groupSize]);
        intptr_t end = columns - start < groupSize ? columns : start + groupSize;
        for (intptr_t j = start; j < end; j++) y[j] = scale * (float)((int)tessera_code(codes, bits, j) - zero);
    }
}

void tessera_portable_quantizedProduct(
    const float *x, intptr_t xStride, const uint8_t *codes, intptr_t bits, intptr_t rowBytes,
    const uint16_t *scales, intptr_t scaleStride, intptr_t groupSize, float *y, intptr_t yStride, intptr_t batch,
    intptr_t out, intptr_t in, bool accumulate, float *scratch) {
    for (intptr_t start = 0; start < out; start += 16) {
        intptr_t rows = out - start < 16 ? out - start : 16;
        for (intptr_t row = 0; row < rows; row++)
            tessera_portable_dequantizeRow(
                codes + (start + row) * rowBytes, bits, scales + (start + row) * scaleStride, groupSize,
                scratch + row * in, in);
        tessera_portable_product(x, xStride, scratch, in, y + start, yStride, batch, rows, in, accumulate);
    }
}
