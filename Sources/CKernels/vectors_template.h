// Element-by-element kernels and row normalisation over the vector type V of the including file.

/// `whole` on full vectors at i, then `part` on the last `left` < LANES elements.
#define FOR_VECTORS(n, whole, part) \
    do { \
        intptr_t i = 0; \
        for (; i + LANES <= (n); i += LANES) { whole; } \
        if (i < (n)) { \
            const intptr_t left = (n) - i; \
            part; \
        } \
    } while (0)

TARGET static void addScaled(float *y, const float *x, float alpha, intptr_t n) {
    const V factor = v_set(alpha);
    FOR_VECTORS(
        n, v_store(y + i, v_fma(factor, v_load(x + i), v_load(y + i))),
        v_store_part(y + i, v_fma(factor, v_load_part(x + i, left), v_load_part(y + i, left)), left));
}

TARGET static void multiplyElements(const float *a, const float *b, float *y, intptr_t n) {
    FOR_VECTORS(
        n, v_store(y + i, v_mul(v_load(a + i), v_load(b + i))),
        v_store_part(y + i, v_mul(v_load_part(a + i, left), v_load_part(b + i, left)), left));
}

TARGET static void add(float *y, const float *x, intptr_t n) {
    FOR_VECTORS(
        n, v_store(y + i, v_add(v_load(y + i), v_load(x + i))),
        v_store_part(y + i, v_add(v_load_part(y + i, left), v_load_part(x + i, left)), left));
}

TARGET static void addBias(float *y, const float *bias, intptr_t rows, intptr_t columns, intptr_t stride) {
    for (intptr_t row = 0; row < rows; row++) add(y + row * stride, bias, columns);
}

/// The sum of n elements: two chains of vectors, so that the latency of an addition is half hidden.
INLINE float row_sum(const float *x, intptr_t n) {
    V even = v_zero(), odd = v_zero();
    intptr_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        even = v_add(even, v_load(x + i));
        odd = v_add(odd, v_load(x + i + LANES));
    }
    for (; i + LANES <= n; i += LANES) even = v_add(even, v_load(x + i));
    if (i < n) odd = v_add(odd, v_load_part(x + i, n - i));
    return v_sum(v_add(even, odd));
}

/// The sum of (x - centre)^2.
INLINE float row_squares(const float *x, float centre, intptr_t n) {
    const V c = v_set(centre);
    V even = v_zero(), odd = v_zero();
    intptr_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        V a = v_sub(v_load(x + i), c), b = v_sub(v_load(x + i + LANES), c);
        even = v_fma(a, a, even);
        odd = v_fma(b, b, odd);
    }
    for (; i + LANES <= n; i += LANES) {
        V a = v_sub(v_load(x + i), c);
        even = v_fma(a, a, even);
    }
    if (i < n) {
        V a = v_keep(v_sub(v_load_part(x + i, n - i), c), n - i);
        odd = v_fma(a, a, odd);
    }
    return v_sum(v_add(even, odd));
}

/// y = (x - centre) * factor (* weight) (+ bias).
INLINE void row_affine(
    const float *x, float centre, float factor, const float *weight, const float *bias, float *y, intptr_t n) {
    const V c = v_set(centre), f = v_set(factor), none = v_set(-0.0f), one = v_set(1);
#define AFFINE(LOAD) \
    v_fma(v_mul(v_sub(LOAD(x + i), c), f), weight ? LOAD(weight + i) : one, bias ? LOAD(bias + i) : none)
#define LOAD_LEFT(p) v_load_part(p, left)
    FOR_VECTORS(n, v_store(y + i, AFFINE(v_load)), v_store_part(y + i, AFFINE(LOAD_LEFT), left));
#undef LOAD_LEFT
#undef AFFINE
}

TARGET static void layerNorm(
    const float *x, intptr_t xStride, const float *residual, intptr_t residualStride, const float *weight,
    const float *bias, float *y, intptr_t yStride, intptr_t rows, intptr_t columns, float epsilon) {
    for (intptr_t row = 0; row < rows; row++) {
        const float *source = x + row * xStride;
        float *target = y + row * yStride;
        if (residual) {
            const float *other = residual + row * residualStride;
            FOR_VECTORS(
                columns, v_store(target + i, v_add(v_load(source + i), v_load(other + i))),
                v_store_part(target + i, v_add(v_load_part(source + i, left), v_load_part(other + i, left)), left));
            source = target;
        }
        float mean = row_sum(source, columns) / (float)columns;
        float variance = row_squares(source, mean, columns) / (float)columns;
        row_affine(source, mean, 1 / sqrtf(variance + epsilon), weight, bias, target, columns);
    }
}

TARGET static void rmsNorm(
    const float *x, intptr_t xStride, const float *weight, float *y, intptr_t yStride, intptr_t rows,
    intptr_t columns, float epsilon) {
    for (intptr_t row = 0; row < rows; row++) {
        const float *source = x + row * xStride;
        float mean = row_squares(source, 0, columns) / (float)columns;
        row_affine(source, 0, 1 / sqrtf(mean + epsilon), weight, 0, y + row * yStride, columns);
    }
}
