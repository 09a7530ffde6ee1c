// Rows of diagonal blocks over the vector type V of the including file.

/// `batch` rows and `vectors` vectors of Y, the last of `last` lanes; one accumulator each, adding the pieces in order.
INLINE void diagonal_tile(
    const int vectors, const int batch, const float *x, intptr_t xStride, const float *s, intptr_t sStride, float *y,
    intptr_t yStride, intptr_t pieces, intptr_t width, intptr_t last) {
    V sums[8];
    const bool whole = vectors > 1 || last == LANES;
    UNROLL for (int i = 0; i < batch * vectors; i++) sums[i] = v_zero();
    for (intptr_t p = 0; p < pieces; p++, x += width, s += sStride)
        UNROLL for (int v = 0; v < vectors; v++) {
            V diagonal = whole ? v_load(s + v * LANES) : v_load_part(s, last);
            UNROLL for (int b = 0; b < batch; b++) {
                const float *source = x + b * xStride + v * LANES;
                V value = whole ? v_load(source) : v_load_part(source, last);
                sums[b * vectors + v] = v_fma(diagonal, value, sums[b * vectors + v]);
            }
        }
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int v = 0; v < vectors; v++) {
            float *target = y + b * yStride + v * LANES;
            if (whole) v_store(target, sums[b * vectors + v]);
            else v_store_part(target, sums[b * vectors + v], last);
        }
}

TARGET static void diagonalProduct(
    const float *x, intptr_t xStride, const float *s, intptr_t sStride, float *y, intptr_t yStride, intptr_t batch,
    intptr_t pieces, intptr_t width) {
    for (intptr_t b = 0; b < batch;) {
        const bool four = batch - b >= 4;
        const float *rows = x + b * xStride;
        float *target = y + b * yStride;
        intptr_t c = 0;
#define TILE(VECTORS, LAST) \
    if (four) \
        diagonal_tile(VECTORS, 4, rows + c, xStride, s + c, sStride, target + c, yStride, pieces, width, LAST); \
    else \
        diagonal_tile(VECTORS, 1, rows + c, xStride, s + c, sStride, target + c, yStride, pieces, width, LAST)
        for (; c + 2 * LANES <= width; c += 2 * LANES) { TILE(2, LANES); }
        for (; c < width; c += LANES) {
            const intptr_t last = width - c < LANES ? width - c : LANES;
            TILE(1, last);
        }
#undef TILE
        b += four ? 4 : 1;
    }
}
