// Between rows of X or Y and tiles, which hold them feature-major.

/// target[c][r] = source[r][c] for r < rows, c < columns.
INLINE void transpose(
    const float *source, intptr_t sourceStride, intptr_t rows, intptr_t columns, float *target, intptr_t targetStride) {
    intptr_t r = 0;
    for (; r + LANES <= rows; r += LANES) {
        intptr_t c = 0;
        for (; c + LANES <= columns; c += LANES)
            transpose_square(source + r * sourceStride + c, sourceStride, target + c * targetStride + r, targetStride);
        for (; c < columns; c++)
            for (intptr_t i = r; i < r + LANES; i++) target[c * targetStride + i] = source[i * sourceStride + c];
    }
    for (; r < rows; r++)
        for (intptr_t c = 0; c < columns; c++) target[c * targetStride + r] = source[r * sourceStride + c];
}

TARGET static void tileInput(
    const float *x, intptr_t xStride, intptr_t batch, intptr_t columns, intptr_t first, intptr_t last, float *xt) {
    for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
        const intptr_t width = tessera_part_width(batch, part), valid = nm_smaller(batch - part, TESSERA_TILE_PART);
        float *target = xt + part * columns;
        transpose(x + part * xStride + first, xStride, valid, last - first, target + first * width, width);
        for (intptr_t column = first; column < last; column++)
            for (intptr_t b = valid; b < width; b++) target[column * width + b] = 0;
    }
}
