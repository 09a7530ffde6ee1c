// Conversions between storage types and group-quantized weights, over the vector type V of the including file.

enum { HALVES_AHEAD = 2048, CODES_AHEAD = 2048 };   // numbers between those converted and those brought nearer from memory

TARGET static void halfToFloat(const uint16_t *x, float *y, intptr_t n) {
    FOR_VECTORS(
        n, __builtin_prefetch(x + i + HALVES_AHEAD); v_store(y + i, v_from_half(x + i)),
        tessera_portable_halfToFloat(x + i, y + i, left));
}

TARGET static void floatToHalf(const float *x, uint16_t *y, intptr_t n) {
    FOR_VECTORS(n, v_to_half(y + i, v_load(x + i)), tessera_portable_floatToHalf(x + i, y + i, left));
}

TARGET static void bfloatToFloat(const uint16_t *x, float *y, intptr_t n) {
    FOR_VECTORS(n, v_store(y + i, v_from_bfloat(x + i)), tessera_portable_bfloatToFloat(x + i, y + i, left));
}

TARGET static void floatToBfloat(const float *x, uint16_t *y, intptr_t n) {
    FOR_VECTORS(n, v_to_bfloat(y + i, v_load(x + i)), tessera_portable_floatToBfloat(x + i, y + i, left));
}

/// Eight codes as the low bits of a word, from exactly the `bits` bytes that hold them.
INLINE uint64_t eight_codes(const uint8_t *p, const int bits) {
    uint64_t word = 0;
    memcpy(&word, p, (size_t)bits);
    return word;
}

INLINE void dequantize(
    const int bits, const uint8_t *codes, const uint16_t *scales, intptr_t groupSize, float *y, intptr_t columns) {
    const int zero = 1 << (bits - 1);
    for (intptr_t start = 0, group = 0; start < columns; start += groupSize, group++) {
        const float scale = from_half(scales[group]);
        const V factor = v_set(scale);
        intptr_t end = columns - start < groupSize ? columns : start + groupSize, j = start;
        // A group of any size may begin inside a byte; whole steps begin at the next code that does not.
        for (; j < end && (j & 7) != 0; j++) y[j] = scale * (float)((int)tessera_code(codes, bits, j) - zero);
        for (; j + 16 <= end; j += 16) {
            const uint8_t *p = codes + (j >> 3) * bits;
            if (bits == 8) {
                __builtin_prefetch(p + CODES_AHEAD);
                dequantize_bytes(p, factor, y + j);
            } else {
                dequantize_words(eight_codes(p, bits), eight_codes(p + bits, bits), bits, factor, y + j);
            }
        }
        for (; j < end; j++) y[j] = scale * (float)((int)tessera_code(codes, bits, j) - zero);
    }
}

TARGET static void dequantizeRow(
    const uint8_t *codes, intptr_t bits, const uint16_t *scales, intptr_t groupSize, float *y, intptr_t columns) {
    switch (bits) {
    case 8: dequantize(8, codes, scales, groupSize, y, columns); break;
    case 6: dequantize(6, codes, scales, groupSize, y, columns); break;
    case 5: dequantize(5, codes, scales, groupSize, y, columns); break;
    case 4: dequantize(4, codes, scales, groupSize, y, columns); break;
    case 3: dequantize(3, codes, scales, groupSize, y, columns); break;
    case 2: dequantize(2, codes, scales, groupSize, y, columns); break;
    default: tessera_portable_dequantizeRow(codes, bits, scales, groupSize, y, columns);
    }
}

TARGET static void quantizedProduct(
    const float *x, intptr_t xStride, const uint8_t *codes, intptr_t bits, intptr_t rowBytes,
    const uint16_t *scales, intptr_t scaleStride, intptr_t groupSize, float *y, intptr_t yStride, intptr_t batch,
    intptr_t out, intptr_t in, bool accumulate, float *scratch) {
    for (intptr_t start = 0; start < out; start += 16) {
        const intptr_t rows = out - start < 16 ? out - start : 16;
        for (intptr_t row = 0; row < rows; row++)
            dequantizeRow(
                codes + (start + row) * rowBytes, bits, scales + (start + row) * scaleStride, groupSize,
                scratch + row * in, in);
        product(x, xStride, scratch, in, y + start, yStride, batch, rows, in, accumulate);
    }
}
