#include <math.h>
#include <string.h>

#include "codes_internal.h"
#include "portable_internal.h"

/// To the nearest integer, ties to even, for |a| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction.
static float nearest(float a) { return (a + 0x1.8p23f) - 0x1.8p23f; }

static void quantizeRows(
    const float *x, intptr_t xStride, intptr_t batch, intptr_t columns, tessera_quantized_rows target) {
    for (intptr_t b = 0; b < batch; b++) {
        for (intptr_t g = 0; g < target.groups; g++) {
            const float *from = x + b * xStride + g * target.groupSize;
            int8_t *codes = target.codes + (b * target.groups + g) * target.groupSize;
            intptr_t left = columns - g * target.groupSize, count = left < target.groupSize ? left : target.groupSize;
            uint32_t most = 0;
            for (intptr_t i = 0; i < count; i++) {
                uint32_t bits;
                memcpy(&bits, from + i, sizeof bits);
                bits &= UINT32_C(0x7fffffff);
                if (bits > most) most = bits;
            }
            float largest, scale = 0, inverse = 0;
            memcpy(&largest, &most, sizeof largest);
            if (most >= TESSERA_INFINITE_BITS) {
                scale = NAN;
            } else if (most >= TESSERA_SMALLEST_GROUP) {
                scale = largest / 127;
                inverse = 127 / largest;
            }
            int32_t sum = 0;
            memset(codes, 0, (size_t)target.groupSize);
            for (intptr_t i = 0; i < count && inverse > 0; i++) {
                codes[i] = (int8_t)nearest(from[i] * inverse);
                sum += codes[i];
            }
            target.scales[b * target.groups + g] = scale;
            target.sums[b * target.groups + g] = sum;
        }
    }
}

/// One row of a panel: where its codes and scales are.
typedef struct CodeRow {
    const uint8_t *panel;
    intptr_t bits, groupSize, height, row;
    int zero;
} CodeRow;

static float group_scale(CodeRow w, intptr_t g) {
    const uint8_t *group = w.panel + g * tessera_code_group_bytes(w.bits, w.groupSize, w.height);
    uint16_t half;
    memcpy(&half, group + w.height * w.groupSize * w.bits / 8 + 2 * w.row, sizeof half);
    return tessera_portable_from_half(half);
}

static int code_value(CodeRow w, intptr_t g, intptr_t column) {
    const uint8_t *group = w.panel + g * tessera_code_group_bytes(w.bits, w.groupSize, w.height);
    unsigned byte = group[tessera_code_byte(w.bits, w.height, w.row, column)];
    return (int)(byte >> tessera_code_shift(w.bits, column) & ((1u << w.bits) - 1u)) - w.zero;
}

static CodeRow code_row(
    intptr_t bits, intptr_t zero, intptr_t groupSize, intptr_t groups, const void *packed, intptr_t rows,
    intptr_t row) {
    intptr_t start = row / TESSERA_PANEL_ROWS * TESSERA_PANEL_ROWS;
    const uint8_t *panel = (const uint8_t *)packed + groups * tessera_code_group_bytes(bits, groupSize, start);
    return (CodeRow){panel, bits, groupSize, tessera_panel_height(rows, start), row - start, (int)zero};
}

static void codeProduct(
    intptr_t bits, intptr_t zero, tessera_quantized_rows x, const void *packed, float *y, intptr_t yStride,
    intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    (void)columns;
    for (intptr_t row = 0; row < rows; row++) {
        CodeRow w = code_row(bits, zero, x.groupSize, x.groups, packed, rows, row);
        for (intptr_t b = 0; b < batch; b++) {
            float total = accumulate ? y[b * yStride + row] : 0;
            for (intptr_t g = 0; g < x.groups; g++) {
                const int8_t *codes = x.codes + (b * x.groups + g) * x.groupSize;
                int32_t sum = 0;
                for (intptr_t i = 0; i < x.groupSize; i++) sum += codes[i] * code_value(w, g, i);
                float scale = group_scale(w, g) * x.scales[b * x.groups + g];
                total = fmaf((float)sum, scale, total);
            }
            y[b * yStride + row] = total;
        }
    }
}

static void codeProductExact(
    intptr_t bits, intptr_t zero, intptr_t groupSize, const float *x, intptr_t xStride, const void *packed, float *y,
    intptr_t yStride, intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    intptr_t groups = (columns + groupSize - 1) / groupSize;
    for (intptr_t row = 0; row < rows; row++) {
        CodeRow w = code_row(bits, zero, groupSize, groups, packed, rows, row);
        for (intptr_t b = 0; b < batch; b++) {
            float total = accumulate ? y[b * yStride + row] : 0;
            for (intptr_t g = 0; g < groups; g++) {
                float sum = 0;
                // Padding multiplies 0 by 0, which turns a sum of -0 into +0 as it does in the other tables.
                for (intptr_t i = 0; i < groupSize; i++) {
                    intptr_t k = g * groupSize + i;
                    sum = fmaf(k < columns ? x[b * xStride + k] : 0, (float)code_value(w, g, i), sum);
                }
                total = fmaf(sum, group_scale(w, g), total);
            }
            y[b * yStride + row] = total;
        }
    }
}

const tessera_code_kernels tessera_codes_table_portable = {
    .name = "portable",
    .quantizeRows = quantizeRows,
    .codeProduct = codeProduct,
    .codeProductExact = codeProductExact,
};
