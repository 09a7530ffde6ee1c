#include <string.h>

#include "codes_internal.h"

intptr_t tessera_code_panel_bytes(intptr_t bits, intptr_t groupSize, intptr_t rows, intptr_t columns) {
    intptr_t groups = (columns + groupSize - 1) / groupSize, full = rows / TESSERA_PANEL_ROWS * TESSERA_PANEL_ROWS;
    intptr_t padded = full + (rows > full ? tessera_panel_height(rows, full) : 0);
    return groups * tessera_code_group_bytes(bits, groupSize, padded);
}

/// The codes of one row of a group: quads of four bytes, 8 / bits of which share one word of the panel. Shifted codes
/// stay within their bytes, so that words may be of either byte order.
static inline void pack_row(int bits, intptr_t groupSize, intptr_t height, const uint8_t *codes, uint8_t *target) {
    const int quads = 8 / bits;
    for (intptr_t column = 0; column < groupSize; column += 4 * quads, target += 4 * height) {
        uint32_t word = 0;
        for (int quad = 0; quad < quads; quad++) {
            uint32_t four;
            memcpy(&four, codes + column + 4 * quad, sizeof four);
            word |= four << (bits * quad);
        }
        memcpy(target, &word, sizeof word);
    }
}
static void pack_row_any(
    intptr_t bits, intptr_t groupSize, intptr_t height, const uint8_t *codes, uint8_t *target) {
    if (bits == 8) pack_row(8, groupSize, height, codes, target);
    else if (bits == 4) pack_row(4, groupSize, height, codes, target);
    else pack_row(2, groupSize, height, codes, target);
}

void tessera_pack_codes(
    intptr_t bits, intptr_t groupSize, intptr_t zero, const uint8_t *codes, intptr_t codeStride, const uint16_t *scales,
    intptr_t scaleStride, intptr_t rows, intptr_t columns, void *packed) {
    uint8_t *group = packed, padded[TESSERA_CODE_GROUP];
    for (intptr_t start = 0; start < rows; start += TESSERA_PANEL_ROWS) {
        intptr_t height = tessera_panel_height(rows, start);
        intptr_t codeBytes = height * groupSize * bits / 8, valid = rows - start < height ? rows - start : height;
        for (intptr_t first = 0; first < columns; first += groupSize) {
            const intptr_t inside = columns - first < groupSize ? columns - first : groupSize;
            for (intptr_t row = 0; row < height; row++) {
                const uint8_t *source = codes + (start + row) * codeStride + first;
                if (row >= valid || inside < groupSize) {
                    memset(padded, (int)zero, (size_t)groupSize);
                    if (row < valid) memcpy(padded, source, (size_t)inside);
                    source = padded;
                }
                pack_row_any(bits, groupSize, height, source, group + 4 * row);
                uint16_t scale = row < valid ? scales[(start + row) * scaleStride + first / groupSize] : 0;
                memcpy(group + codeBytes + 2 * row, &scale, sizeof scale);
            }
            group += codeBytes + 2 * height;
        }
    }
}

/// Eight codes fill exactly `bits` bytes.
static inline void unpack(int bits, const uint8_t *stream, intptr_t count, uint8_t *codes) {
    const unsigned mask = (1u << bits) - 1;
    intptr_t done = 0;
    for (; done + 8 <= count; done += 8, stream += bits, codes += 8) {
        uint64_t word = 0;
        for (int byte = 0; byte < bits; byte++) word |= (uint64_t)stream[byte] << (8 * byte);
        for (int i = 0; i < 8; i++) codes[i] = (uint8_t)(word >> (bits * i) & mask);
    }
    for (int i = 0; i < count - done; i++) {
        const int bit = bits * i, byte = bit / 8, shift = bit % 8;
        unsigned code = (unsigned)stream[byte] >> shift;
        if (shift + bits > 8) code |= (unsigned)stream[byte + 1] << (8 - shift);
        codes[i] = (uint8_t)(code & mask);
    }
}

void tessera_unpack_codes(intptr_t bits, const uint8_t *stream, intptr_t count, uint8_t *codes) {
    switch (bits) {
    case 8: memcpy(codes, stream, (size_t)count); break;
    case 6: unpack(6, stream, count, codes); break;
    case 5: unpack(5, stream, count, codes); break;
    case 4: unpack(4, stream, count, codes); break;
    case 3: unpack(3, stream, count, codes); break;
    case 2: unpack(2, stream, count, codes); break;
    default: unpack((int)bits, stream, count, codes);
    }
}
