#include <math.h>
#include <string.h>

#include "codes_internal.h"
#include "lookup_internal.h"
#include "portable_internal.h"

static void lookupProduct(
    const float *table, intptr_t groupSize, const float *x, intptr_t xStride, const void *packed, float *y,
    intptr_t yStride, intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate) {
    const intptr_t groups = (columns + groupSize - 1) / groupSize;
    for (intptr_t row = 0; row < rows; row++) {
        const intptr_t start = row / TESSERA_PANEL_ROWS * TESSERA_PANEL_ROWS;
        const intptr_t height = tessera_panel_height(rows, start), bytes = tessera_code_group_bytes(4, groupSize, height);
        const uint8_t *panel = (const uint8_t *)packed + groups * tessera_code_group_bytes(4, groupSize, start);
        for (intptr_t b = 0; b < batch; b++) {
            float total = accumulate ? y[b * yStride + row] : 0;
            for (intptr_t g = 0; g < groups; g++) {
                const uint8_t *group = panel + g * bytes;
                const intptr_t left = columns - g * groupSize, count = left < groupSize ? left : groupSize;
                float sum = 0;
                for (intptr_t i = 0; i < count; i++) {
                    const unsigned byte = group[tessera_code_byte(4, height, row - start, i)];
                    sum = fmaf(x[b * xStride + g * groupSize + i], table[byte >> tessera_code_shift(4, i) & 15u], sum);
                }
                uint16_t half;
                memcpy(&half, group + height * groupSize / 2 + 2 * (row - start), sizeof half);
                total = fmaf(sum, tessera_portable_from_half(half), total);
            }
            y[b * yStride + row] = total;
        }
    }
}

const tessera_lookup_kernels tessera_lookup_table_portable = {.name = "portable", .lookupProduct = lookupProduct};
