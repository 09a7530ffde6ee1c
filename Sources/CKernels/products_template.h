// Dense products over the vector type V of the including file.
//
// What makes the bits independent of the tiling: every output element has one accumulator vector, lane l of which adds the
// terms k = l, l + LANES, ... in order within a block of `in`; the lanes are then summed in one fixed tree and the blocks
// added in order. A tile only decides how many elements are computed side by side.

#include "unroll.h"

enum {
    TILE_ROWS = 8,         // rows side by side at batch 1, and the most of any tile
    TILE_BATCH = 6,        // the most rows of x in any tile
    TILE_SUMS = 24,        // the most accumulators of any tile
    BLOCK = 1024,          // columns between two lane sums: a panel of TILE_ROWS rows stays in the first-level cache
    BATCH_BLOCK = 96,      // rows of x whose block stays in the second-level cache
    AHEAD = 64,            // floats prefetched ahead in every row at batch 1; the rows of the next tile where rows are shorter
    THIN = 2,              // the largest batch at which a transposed product prefetches
};

/// Y[batch x valid] (+)= X[batch x length] W[valid x length]^T for valid <= rows. The constants unroll everything.
INLINE void product_tile(
    const int rows, const int batch, const bool prefetch, const float *x, intptr_t xStride, const float *w,
    intptr_t wStride, float *y, intptr_t yStride, intptr_t valid, intptr_t length, bool accumulate) {
    V sums[TILE_SUMS], values[TILE_BATCH];
    const float *wRows[TILE_ROWS], *xRows[TILE_BATCH];
    // Rows beyond the matrix repeat its last one; their sums are not stored.
    UNROLL for (int r = 0; r < rows; r++) wRows[r] = w + (r < valid ? r : valid - 1) * wStride;
    UNROLL for (int b = 0; b < batch; b++) xRows[b] = x + b * xStride;
    UNROLL for (int i = 0; i < rows * batch; i++) sums[i] = v_zero();
    const intptr_t ahead = length > AHEAD ? AHEAD : rows * wStride;
    intptr_t k = 0;
    for (; k + LANES <= length; k += LANES) {
        UNROLL for (int b = 0; b < batch; b++) values[b] = v_load(xRows[b] + k);
        UNROLL for (int r = 0; r < rows; r++) {
            V weight = v_load(wRows[r] + k);
            if (prefetch) __builtin_prefetch(wRows[r] + k + ahead);
            UNROLL for (int b = 0; b < batch; b++) sums[r * batch + b] = v_fma(weight, values[b], sums[r * batch + b]);
        }
    }
    if (k < length) {
        UNROLL for (int b = 0; b < batch; b++) values[b] = v_load_part(xRows[b] + k, length - k);
        UNROLL for (int r = 0; r < rows; r++) {
            V weight = v_load_part(wRows[r] + k, length - k);
            UNROLL for (int b = 0; b < batch; b++) sums[r * batch + b] = v_fma(weight, values[b], sums[r * batch + b]);
        }
    }
    UNROLL for (int b = 0; b < batch; b++) {
        float *target = y + b * yStride;
        UNROLL for (int r = 0; r < rows; r += 4) {
            const V *column = sums + r * batch + b;
            Four four = v_sum4(column[0], column[batch], column[2 * batch], column[3 * batch]);
            if (r + 4 <= valid) {
                four_store(target + r, accumulate ? four_add(four_load(target + r), four) : four);
            } else {
                float lanes[4];
                four_store(lanes, four);
                for (intptr_t lane = 0; r + lane < valid; lane++)
                    target[r + lane] = accumulate ? target[r + lane] + lanes[lane] : lanes[lane];
            }
        }
    }
}

/// One panel of `rows` rows of W against all rows of x, at most `most` of them at a time.
INLINE void product_panel(
    const int rows, const int most, const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y,
    intptr_t yStride, intptr_t batch, intptr_t valid, intptr_t length, bool accumulate) {
    for (intptr_t b = 0; b < batch;) {
        intptr_t left = batch - b, take = left < most ? left : most;
        // Two middling tiles are faster than a full one and a thin one.
        if (left > most && left < 2 * most) take = (left + 1) / 2;
        const float *xs = x + b * xStride;
        float *ys = y + b * yStride;
        switch (take) {
#define TILE(B) \
    case B: \
        if (B <= most) product_tile(rows, B, false, xs, xStride, w, wStride, ys, yStride, valid, length, accumulate); \
        break;
            UP_TO_6(TILE)
#undef TILE
        }
        b += take;
    }
}

/// Panels of 8 x 3 reuse a loaded row of x most, which pays once x no longer fits the first-level cache; 4 x 6 loads least.
TARGET static void product(
    const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
    intptr_t batch, intptr_t out, intptr_t in, bool accumulate) {
    for (intptr_t top = 0; top < batch; top += BATCH_BLOCK) {
        const intptr_t height = batch - top < BATCH_BLOCK ? batch - top : BATCH_BLOCK;
        const bool tall = height == 1 || height >= TALL_FROM;
        const intptr_t step = tall ? TILE_ROWS : 4;
        float *target = y + top * yStride;
        intptr_t k = 0;
        do {
            const intptr_t length = in - k < BLOCK ? in - k : BLOCK;
            const float *xs = x + top * xStride + k;
            const bool add = accumulate || k > 0;
            for (intptr_t o = 0; o < out; o += step) {
                const float *ws = w + o * wStride + k;
                const intptr_t valid = out - o < step ? out - o : step;
                if (height == 1)
                    product_tile(TILE_ROWS, 1, true, xs, xStride, ws, wStride, target + o, yStride, valid, length, add);
                else if (tall)
                    product_panel(
                        TILE_ROWS, 3, xs, xStride, ws, wStride, target + o, yStride, height, valid, length, add);
                else
                    product_panel(
                        4, WIDE_BATCH, xs, xStride, ws, wStride, target + o, yStride, height, valid, length, add);
            }
            k += length;
        } while (k < in);
    }
}

/// As `product` at batch 1 and one row, without the seven rows beside it.
TARGET static float dot(const float *a, const float *b, intptr_t n) {
    float total = 0;
    intptr_t start = 0;
    do {
        intptr_t end = n - start < BLOCK ? n : start + BLOCK, k = start;
        V sums = v_zero();
        for (; k + LANES <= end; k += LANES) sums = v_fma(v_load(b + k), v_load(a + k), sums);
        if (k < end) sums = v_fma(v_load_part(b + k, end - k), v_load_part(a + k, end - k), sums);
        total = start > 0 ? total + v_sum(sums) : v_sum(sums);
        start = end;
    } while (start < n);
    return total;
}

/// Y[batch x vectors * LANES] += X[batch x out] W[out x vectors * LANES]; the last vector holds `last` lanes.
INLINE void transposed_tile(
    const int vectors, const int batch, const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y,
    intptr_t yStride, intptr_t out, intptr_t last, bool accumulate) {
    V sums[TRANSPOSED_VECTORS * TRANSPOSED_BATCH], weights[TRANSPOSED_VECTORS];
    const bool whole = vectors > 1;
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int v = 0; v < vectors; v++) {
            const float *source = y + b * yStride + v * LANES;
            sums[b * vectors + v] = !accumulate ? v_zero() : whole ? v_load(source) : v_load_part(source, last);
        }
    for (intptr_t o = 0; o < out; o++, w += wStride) {
        UNROLL for (int v = 0; v < vectors; v++)
            weights[v] = whole || last == LANES ? v_load(w + v * LANES) : v_load_part(w, last);
        // A thin batch reads few short pieces of many rows, which the processor does not foresee.
        if (batch <= THIN)
            UNROLL for (int v = 0; v < vectors; v++) __builtin_prefetch(w + v * LANES + 2 * TRANSPOSED_VECTORS * LANES);
        UNROLL for (int b = 0; b < batch; b++) {
            V value = v_set(x[b * xStride + o]);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[b * vectors + v] = v_fma(weights[v], value, sums[b * vectors + v]);
        }
    }
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int v = 0; v < vectors; v++) {
            float *target = y + b * yStride + v * LANES;
            if (whole || last == LANES) v_store(target, sums[b * vectors + v]);
            else v_store_part(target, sums[b * vectors + v], last);
        }
}

/// A strip of columns, TRANSPOSED_VECTORS wide or (thin) one vector of `last` lanes, for all of the batch.
INLINE void transposed_strip(
    const bool thin, const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
    intptr_t batch, intptr_t out, intptr_t last, bool accumulate) {
    const int vectors = thin ? 1 : TRANSPOSED_VECTORS;
    for (intptr_t b = 0; b < batch;) {
        intptr_t left = batch - b, take = left < TRANSPOSED_BATCH ? left : TRANSPOSED_BATCH;
        if (left > TRANSPOSED_BATCH && left < 2 * TRANSPOSED_BATCH) take = (left + 1) / 2;
        const float *rows = x + b * xStride;
        float *target = y + b * yStride;
        switch (take) {
#define TILE(B) \
    case B: \
        transposed_tile(vectors, B, rows, xStride, w, wStride, target, yStride, out, last, accumulate); \
        break;
            UP_TO_6(TILE)
#undef TILE
        }
        b += take;
    }
}

/// Sums begin at Y itself, so cutting `out` into blocks that fit the caches leaves every chain of additions as it is.
TARGET static void productTransposed(
    const float *x, intptr_t xStride, const float *w, intptr_t wStride, float *y, intptr_t yStride,
    intptr_t batch, intptr_t out, intptr_t in, bool accumulate) {
    if (batch <= 0) return;  // a height of 0 would never reach the end
    const intptr_t height = batch <= THIN ? 8 * batch : 128, width = TRANSPOSED_VECTORS * LANES;
    intptr_t o = 0;
    do {
        intptr_t rows = out - o < height ? out - o : height, i = 0;
        const float *block = w + o * wStride;
        bool add = accumulate || o > 0;
        for (; i + width <= in; i += width)
            transposed_strip(false, x + o, xStride, block + i, wStride, y + i, yStride, batch, rows, LANES, add);
        for (; i < in; i += LANES) {
            intptr_t last = in - i < LANES ? in - i : LANES;
            transposed_strip(true, x + o, xStride, block + i, wStride, y + i, yStride, batch, rows, last, add);
        }
        o += rows;
    } while (o < out);
}
