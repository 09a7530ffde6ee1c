#include "portable_internal.h"

void tessera_portable_diagonalProduct(
    const float *x, intptr_t xStride, const float *s, intptr_t sStride, float *y, intptr_t yStride, intptr_t batch,
    intptr_t pieces, intptr_t width) {
    for (intptr_t b = 0; b < batch; b++) {
        float *row = y + b * yStride;
        for (intptr_t c = 0; c < width; c++) row[c] = 0;
        for (intptr_t p = 0; p < pieces; p++) {
            const float *source = x + b * xStride + p * width, *diagonal = s + p * sStride;
            for (intptr_t c = 0; c < width; c++) row[c] += diagonal[c] * source[c];
        }
    }
}
