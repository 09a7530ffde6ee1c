#include <math.h>

#include "portable_internal.h"

void tessera_portable_layerNorm(
    const float *x, intptr_t xStride, const float *residual, intptr_t residualStride, const float *weight,
    const float *bias, float *y, intptr_t yStride, intptr_t rows, intptr_t columns, float epsilon) {
    for (intptr_t row = 0; row < rows; row++) {
        const float *source = x + row * xStride;
        float *target = y + row * yStride;
        double sum = 0, squares = 0;
        for (intptr_t i = 0; i < columns; i++) {
            target[i] = residual ? source[i] + residual[row * residualStride + i] : source[i];
            sum += target[i];
        }
        float mean = (float)(sum / (double)columns);
        for (intptr_t i = 0; i < columns; i++) {
            target[i] -= mean;
            squares += (double)target[i] * target[i];
        }
        float inverse = (float)(1 / sqrt(squares / (double)columns + epsilon));
        for (intptr_t i = 0; i < columns; i++) {
            float value = target[i] * inverse;
            if (weight) value *= weight[i];
            target[i] = bias ? value + bias[i] : value;
        }
    }
}

void tessera_portable_rmsNorm(
    const float *x, intptr_t xStride, const float *weight, float *y, intptr_t yStride, intptr_t rows,
    intptr_t columns, float epsilon) {
    for (intptr_t row = 0; row < rows; row++) {
        const float *source = x + row * xStride;
        double squares = 0;
        for (intptr_t i = 0; i < columns; i++) squares += (double)source[i] * source[i];
        float inverse = (float)(1 / sqrt(squares / (double)columns + epsilon));
        for (intptr_t i = 0; i < columns; i++) {
            float value = source[i] * inverse;
            y[row * yStride + i] = weight ? value * weight[i] : value;
        }
    }
}

void tessera_portable_gelu(float *x, const float *bias, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) {
        const float z = bias ? x[i] + bias[i] : x[i];
        x[i] = 0.5f * z * (1 + erff(z * 0.70710678118654752440f));
    }
}

void tessera_portable_geluTanh(float *x, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) {
        float inner = 0.79788456080286535588f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        x[i] = 0.5f * x[i] * (1 + tanhf(inner));
    }
}

void tessera_portable_siluMultiply(const float *gate, const float *up, float *y, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) y[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

void tessera_portable_softmax(float *x, intptr_t rows, intptr_t columns, intptr_t stride, float scale) {
    for (intptr_t row = 0; row < rows; row++) {
        float *values = x + row * stride;
        float largest = -INFINITY;
        double sum = 0;
        for (intptr_t i = 0; i < columns; i++) {
            values[i] *= scale;
            if (values[i] > largest) largest = values[i];
        }
        for (intptr_t i = 0; i < columns; i++) {
            values[i] = values[i] == -INFINITY ? 0 : expf(values[i] - largest);
            sum += values[i];
        }
        float inverse = sum == 0 ? 0 : (float)(1 / sum);
        for (intptr_t i = 0; i < columns; i++) values[i] *= inverse;
    }
}

void tessera_portable_softmaxPart(
    float *x, intptr_t rows, intptr_t columns, intptr_t stride, float scale, float *most, float *sum, float *y,
    intptr_t yStride, intptr_t width) {
    for (intptr_t row = 0; row < rows; row++) {
        float *values = x + row * stride;
        float largest = most[row];
        double total = 0;
        for (intptr_t i = 0; i < columns; i++) {
            values[i] *= scale;
            if (values[i] > largest) largest = values[i];
        }
        for (intptr_t i = 0; i < columns; i++) {
            values[i] = values[i] == -INFINITY ? 0 : expf(values[i] - largest);
            total += values[i];
        }
        if (most[row] > -INFINITY && most[row] < largest) {
            const float shrink = expf(most[row] - largest);
            sum[row] *= shrink;
            for (intptr_t i = 0; i < width; i++) y[row * yStride + i] *= shrink;
        }
        sum[row] += (float)total;
        most[row] = largest;
    }
}

void tessera_portable_rotate(
    float *x, const float *cosine, const float *sine, intptr_t heads, intptr_t headDimension) {
    intptr_t half = headDimension / 2;
    for (intptr_t head = 0; head < heads; head++) {
        float *first = x + head * headDimension, *second = first + half;
        for (intptr_t j = 0; j < half; j++) {
            float a = first[j], b = second[j];
            first[j] = a * cosine[j] - b * sine[j];
            second[j] = b * cosine[j] + a * sine[j];
        }
    }
}
