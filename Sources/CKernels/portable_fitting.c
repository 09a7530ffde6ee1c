#include <math.h>

#include "portable_internal.h"

void tessera_portable_nearestCentroids(
    const float *x, intptr_t xStride, intptr_t points, const float *centroids, intptr_t stride, const float *halves,
    intptr_t count, intptr_t width, uint16_t *nearest) {
    for (intptr_t point = 0; point < points; point++) {
        float best = -INFINITY;
        nearest[point] = 0;
        for (intptr_t c = 0; c < count; c++) {
            float score = 0;
            for (intptr_t j = 0; j < width; j++) score += x[point * xStride + j] * centroids[j * stride + c];
            score -= halves[c];
            if (score > best) {
                best = score;
                nearest[point] = (uint16_t)c;
            }
        }
    }
}

float tessera_portable_groupError(
    const float *w, const float *h, intptr_t n, float scale, float zero, float lowest, float highest, float *moments) {
    float sums[6][16] = {{0}};
    const float inverse = scale == 0 ? 0 : 1 / scale;
    for (intptr_t j = 0; j < n; j++) {
        const intptr_t part = j % 16;
        const float product = w[j] * inverse;
        float q = product + zero;
        q = q < lowest ? lowest : q > highest ? highest : q;
        q = rintf(q);
        const float value = scale * (q - zero), difference = w[j] - value;
        const float square = h[j] * difference * difference;
        const float hq = h[j] * q, hqq = hq * q, hw = h[j] * w[j], hwq = hq * w[j];
        sums[0][part] += square;
        sums[1][part] += h[j];
        sums[2][part] += hq;
        sums[3][part] += hqq;
        sums[4][part] += hw;
        sums[5][part] += hwq;
    }
    if (moments) {
        for (int i = 0; i < 5; i++) moments[i] = tessera_sum_of_parts(sums[i + 1]);
    }
    return tessera_sum_of_parts(sums[0]);
}

void tessera_portable_relax(
    const double *from, double damage, uint16_t index, double *best, uint16_t *decision, intptr_t n) {
    tessera_relax(from, damage, index, best, decision, n);
}
