#include <string.h>

#include "sparse_internal.h"

intptr_t tessera_nm_bytes(tessera_nm_shape shape) {
    intptr_t whole = shape.rows / TESSERA_PANEL_ROWS, rest = shape.rows % TESSERA_PANEL_ROWS;
    intptr_t bytes = whole * nm_panel_bytes(shape, TESSERA_PANEL_ROWS);
    return rest > 0 ? bytes + nm_panel_bytes(shape, nm_panel_height(rest, 0)) : bytes;
}

void tessera_nm_pack(
    tessera_nm_shape shape, const float *values, const uint8_t *places, intptr_t rowBytes, void *packed) {
    const nm_layout layout = nm_layout_of(shape);
    const intptr_t placeBits = shape.group == 4 ? 2 : shape.group == 8 ? 3 : 4;
    uint8_t *target = packed;
    memset(target, 0, (size_t)tessera_nm_bytes(shape));
    for (intptr_t top = 0; top < shape.rows; top += TESSERA_PANEL_ROWS) {
        const intptr_t height = nm_panel_height(shape.rows, top);
        const intptr_t valid = nm_smaller(shape.rows - top, height);
        for (intptr_t first = 0; first < layout.entries; first += layout.chunk) {
            const intptr_t count = nm_smaller(layout.entries - first, layout.chunk);
            uint32_t *words = (uint32_t *)(void *)target;
            void *room = target + 4 * height;
            for (intptr_t row = 0; row < valid; row++)
                for (intptr_t entry = 0; entry < count; entry++) {
                    const intptr_t number = first + entry;
                    const float value = values[(top + row) * layout.entries + number];
                    unsigned place = tessera_code(places + (top + row) * rowBytes, placeBits, number);
                    if (shape.group == 8) place += (unsigned)(number / shape.kept % 2 * 8);
                    words[row] |= place << (layout.bits * entry);
                    const intptr_t slot = nm_value_number(shape.format, entry, row, height);
                    switch (shape.format) {
                    case TESSERA_PANEL_F32: ((float *)room)[slot] = value; break;
                    case TESSERA_PANEL_F16: ((uint16_t *)room)[slot] = tessera_portable_to_half(value); break;
                    case TESSERA_PANEL_BF16: tessera_portable_floatToBfloat(&value, (uint16_t *)room + slot, 1); break;
                    }
                }
            target += nm_chunk_bytes(layout, shape.format, count, height);
        }
    }
}
