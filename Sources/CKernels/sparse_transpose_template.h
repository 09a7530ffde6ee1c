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

/// The same where the rows of `target` may be as far apart as a page, so that 16 of them compete for one place in the cache:
/// 16 rows at a time in a buffer, then row after row.
INLINE void transpose_far(
    const float *source, intptr_t sourceStride, intptr_t rows, intptr_t columns, float *target, intptr_t targetStride) {
    _Alignas(64) float near[16 * TESSERA_PANEL_ROWS];
    if (rows != TESSERA_PANEL_ROWS) {
        transpose(source, sourceStride, rows, columns, target, targetStride);
        return;
    }
    for (intptr_t c = 0; c < columns; c += 16) {
        const intptr_t count = nm_smaller(columns - c, 16);
        transpose(source + c, sourceStride, rows, count, near, TESSERA_PANEL_ROWS);
        for (intptr_t i = 0; i < count; i++)
            for (intptr_t r = 0; r < TESSERA_PANEL_ROWS; r += LANES)
                v_store(target + (c + i) * targetStride + r, v_load(near + i * TESSERA_PANEL_ROWS + r));
    }
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
