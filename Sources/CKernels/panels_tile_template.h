// One tile of a packed product over the vector type V of the including file: a few vectors of rows times a few rows of x.

enum {
    VECTORS = TESSERA_PANEL_VECTOR / LANES,    // of V in 16 rows
    PANEL_SUMS = REGISTERS * 3 / 4,            // the most accumulators of any tile of several rows of x: the rest is for its inputs
    AHEAD = 4096,                              // bytes of weights prefetched ahead where they are read once
};

/// A format beside those of panels.h: a pair of bf16 columns, of W and of X alike, is one column of f32 whose product with
/// another is that of both. Its panels and tiles are those of f32.
enum { PANEL_FORMAT_PAIRS = 3 };

/// sum + weight * value, for pairs of bf16 the sum with both products.
INLINE V panel_add(const int format, V weight, V value, V sum) {
#if defined(PANEL_PAIRS)
    if (format == PANEL_FORMAT_PAIRS) return v_pairs(weight, value, sum);
#endif
    (void)format;
    return v_fma(weight, value, sum);
}

INLINE intptr_t panel_bytes(const int format) {
    return format == TESSERA_PANEL_F32 || format == PANEL_FORMAT_PAIRS ? 4 : 2;
}

/// Vectors of weights of one column (bfloat16: of a pair of columns, of which `odd` says which).
INLINE V panel_weights(const int format, const void *w, intptr_t index, const bool odd) {
    switch (format) {
    case TESSERA_PANEL_F16: return v_from_half((const uint16_t *)w + index);
    case TESSERA_PANEL_BF16:
        return odd ? v_odd_bfloats((const uint16_t *)w + index) : v_even_bfloats((const uint16_t *)w + index);
    default: return v_load((const float *)w + index);
    }
}

/// The sums of `batch` rows of y, of which the last 16 rows of the panel may be fewer: the others are 0 and not stored.
INLINE void panel_load_sums(
    const int vectors, const int batch, V *sums, const float *y, intptr_t yStride, intptr_t valid, bool accumulate) {
    UNROLL for (int i = 0; i < batch * vectors; i++) sums[i] = v_zero();
    if (!accumulate) return;
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int v = 0; v < vectors; v++) {
            const float *source = y + b * yStride + v * LANES;
            sums[b * vectors + v] = v + VECTORS < vectors ? v_load(source) : v_load_some(source, valid - v * LANES);
        }
}

INLINE void panel_store_sums(
    const int vectors, const int batch, const V *sums, float *y, intptr_t yStride, intptr_t valid) {
    UNROLL for (int b = 0; b < batch; b++)
        UNROLL for (int v = 0; v < vectors; v++) {
            float *target = y + b * yStride + v * LANES;
            if (v + VECTORS < vectors) v_store(target, sums[b * vectors + v]);
            else v_store_some(target, sums[b * vectors + v], valid - v * LANES);
        }
}

/// What a tile brings nearer for those after it: from `next` on, `step` bytes further with every column.
typedef struct panel_ahead {
    const char *next;
    intptr_t step;
} panel_ahead;

/// Y[batch x valid] (+)= X[batch x length] W^T for the vectors of a panel of `height` rows that begin at w. One
/// accumulator for every output, adding the columns in order. Prefetches `lines` cache lines with every step, and the
/// rows of y that follow. The constants unroll everything.
INLINE void panel_tile(
    const int format, const int vectors, const int batch, const int lines, const float *x, intptr_t xStride,
    const void *w, const intptr_t height, panel_ahead ahead, float *y, intptr_t yStride, intptr_t valid,
    intptr_t length, bool accumulate) {
    V sums[PANEL_SUMS];
    const int pair = format == TESSERA_PANEL_BF16 ? 2 : 1;
    const intptr_t bytes = panel_bytes(format);
    // Beside the sums, registers hold a value of every row of x and one weight, or else all weights of a column and one value.
    const bool keepsWeights = batch * vectors + batch + 1 > REGISTERS;
    panel_load_sums(vectors, batch, sums, y, yStride, valid, accumulate);
    if (batch > 1)
        UNROLL for (int b = 0; b < batch; b++)
            UNROLL for (int line = 0; line < vectors * LANES; line += 16)
                __builtin_prefetch(y + (batch + b) * yStride + line, 1);
    const char *weights = w, *next = ahead.next;
    intptr_t k = 0;
    for (; k + pair <= length; k += pair, weights += pair * height * bytes, next += pair * ahead.step) {
        UNROLL for (int line = 0; line < lines; line++) {
            // What many rows of x share waits in the second-level cache, for the first holds what is in use.
            if (batch > 1) __builtin_prefetch(next + 64 * line, 0, 2);
            else __builtin_prefetch(next + 64 * line, 0, 3);
        }
        UNROLL for (int odd = 0; odd < pair; odd++) {
            if (keepsWeights) {
                V column[PANEL_SUMS];
                UNROLL for (int v = 0; v < vectors; v++) column[v] = panel_weights(format, weights, v * LANES * pair, odd);
                UNROLL for (int b = 0; b < batch; b++) {
                    const V value = v_set(x[b * xStride + k + odd]);
                    UNROLL for (int v = 0; v < vectors; v++)
                        sums[b * vectors + v] = panel_add(format, column[v], value, sums[b * vectors + v]);
                }
                continue;
            }
            UNROLL for (int v = 0; v < vectors; v++) {
                const V weight = panel_weights(format, weights, v * LANES * pair, odd);
                UNROLL for (int b = 0; b < batch; b++) {
                    const V value = v_set(x[b * xStride + k + odd]);
                    sums[b * vectors + v] = panel_add(format, weight, value, sums[b * vectors + v]);
                }
            }
        }
    }
    // The last column of an odd number: the even half of a pair whose other half lies beyond x.
    if (k < length)
        UNROLL for (int v = 0; v < vectors; v++) {
            const V weight = panel_weights(format, weights, v * LANES * pair, false);
            UNROLL for (int b = 0; b < batch; b++)
                sums[b * vectors + v] = v_fma(weight, v_set(x[b * xStride + k]), sums[b * vectors + v]);
        }
    panel_store_sums(vectors, batch, sums, y, yStride, valid);
}
