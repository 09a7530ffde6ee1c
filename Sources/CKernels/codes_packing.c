#include <string.h>

#include "codes_internal.h"

intptr_t tessera_code_panel_bytes(intptr_t bits, intptr_t groupSize, intptr_t rows, intptr_t columns) {
    intptr_t groups = (columns + groupSize - 1) / groupSize, full = rows / TESSERA_PANEL_ROWS * TESSERA_PANEL_ROWS;
    intptr_t padded = full + (rows > full ? tessera_panel_height(rows, full) : 0);
    return groups * tessera_code_group_bytes(bits, groupSize, padded);
}

void tessera_pack_codes(
    intptr_t bits, intptr_t groupSize, intptr_t zero, const uint8_t *codes, intptr_t codeStride, const uint16_t *scales,
    intptr_t scaleStride, intptr_t rows, intptr_t columns, void *packed) {
    uint8_t *group = packed;
    for (intptr_t start = 0; start < rows; start += TESSERA_PANEL_ROWS) {
        intptr_t height = tessera_panel_height(rows, start);
        intptr_t codeBytes = height * groupSize * bits / 8, valid = rows - start < height ? rows - start : height;
        for (intptr_t first = 0; first < columns; first += groupSize) {
            memset(group, 0, (size_t)(codeBytes + 2 * height));
            for (intptr_t row = 0; row < height; row++) {
                const uint8_t *source = codes + (start + row) * codeStride + first;
                for (intptr_t column = 0; column < groupSize; column++) {
                    bool inside = row < valid && first + column < columns;
                    unsigned code = inside ? source[column] : (unsigned)zero;
                    group[tessera_code_byte(bits, height, row, column)] |=
                        (uint8_t)(code << tessera_code_shift(bits, column));
                }
                uint16_t scale = row < valid ? scales[(start + row) * scaleStride + first / groupSize] : 0;
                memcpy(group + codeBytes + 2 * row, &scale, sizeof scale);
            }
            group += codeBytes + 2 * height;
        }
    }
}
