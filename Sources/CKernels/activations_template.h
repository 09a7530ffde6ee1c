// Exponentials and what is made of them, over the vector type V of the including file.

/// 2^r for |r| <= 1/2, relative error 2e-9 before rounding: 1 + r q(r) with q fitted by Lawson's weighted least squares.
INLINE V exp2_fraction(V r) {
    V q = v_set(0.0001535336136674753f);
    q = v_fma(q, r, v_set(0.0013398875617692263f));
    q = v_fma(q, r, v_set(0.00961843736963002f));
    q = v_fma(q, r, v_set(0.055503324678966785f));
    q = v_fma(q, r, v_set(0.24022647913427805f));
    q = v_fma(q, r, v_set(0.6931472028567329f));
    return v_fma(q, r, v_set(1));
}

/// exp(x), relative error below 3e-7; 0 far below, infinity far above, NaN stays NaN.
INLINE V v_exp(V x) {
    // log2 e as the sum of two floats; the first product is exact inside the fused subtraction.
    const V high = v_set(1.44269502162933349609f), low = v_set(1.925963033500011079e-8f);
    x = v_max(v_set(-110), v_min(v_set(100), x));
    V n = v_round(v_mul(x, high));
    V r = v_fma(x, low, v_fma(x, high, v_sub(v_zero(), n)));
    return v_scale(exp2_fraction(r), n);
}

/// (1 - erf(t / sqrt 2)) / 2 for t >= 0 as 2^-u / 2 with u = t p(t), absolute error 4e-8. The fit minimises the largest
/// error of the result on [0, 10]; from 14.5 on the result is 0, as it should be.
INLINE V normal_tail(V t) {
    t = v_min(v_set(14.5f), t);
    V p = v_set(8.351299991856924e-09f);
    p = v_fma(p, t, v_set(-3.387996659846516e-07f));
    p = v_fma(p, t, v_set(5.604646285974456e-06f));
    p = v_fma(p, t, v_set(-4.748341082372039e-05f));
    p = v_fma(p, t, v_set(0.00019070511376711378f));
    p = v_fma(p, t, v_set(0.00015878784180884214f));
    p = v_fma(p, t, v_set(-0.007109004830557532f));
    p = v_fma(p, t, v_set(0.052530353236179265f));
    p = v_fma(p, t, v_set(0.4591978657497817f));
    p = v_fma(p, t, v_set(1.1511061555920454f));
    V u = v_mul(p, t), n = v_round(v_sub(v_zero(), u));
    return v_mul(v_set(0.5f), v_scale(exp2_fraction(v_sub(v_sub(v_zero(), u), n)), n));
}

INLINE V v_gelu(V x) {
    V tail = normal_tail(v_abs(x));
    return v_mul(x, v_where_negative(x, tail, v_sub(v_set(1), tail)));
}

/// x / (1 + exp(-z)).
INLINE V v_gated(V x, V z) { return v_div(x, v_add(v_set(1), v_exp(v_sub(v_zero(), z)))); }

/// (1 + tanh(z)) / 2 = 1 / (1 + exp(-2 z)).
INLINE V v_gelu_tanh(V x) {
    V cubic = v_fma(v_mul(v_mul(x, x), x), v_set(0.044715f), x);
    return v_gated(x, v_mul(v_set(1.59576912160573071f), cubic));
}

TARGET static void gelu(float *x, const float *bias, intptr_t n) {
    if (bias) {
        FOR_VECTORS(
            n, v_store(x + i, v_gelu(v_add(v_load(x + i), v_load(bias + i)))),
            v_store_part(x + i, v_gelu(v_add(v_load_part(x + i, left), v_load_part(bias + i, left))), left));
        return;
    }
    FOR_VECTORS(
        n, v_store(x + i, v_gelu(v_load(x + i))), v_store_part(x + i, v_gelu(v_load_part(x + i, left)), left));
}

TARGET static void geluTanh(float *x, intptr_t n) {
    FOR_VECTORS(
        n, v_store(x + i, v_gelu_tanh(v_load(x + i))),
        v_store_part(x + i, v_gelu_tanh(v_load_part(x + i, left)), left));
}

INLINE V v_silu(V gate, V up) { return v_mul(v_gated(gate, gate), up); }

TARGET static void siluMultiply(const float *gate, const float *up, float *y, intptr_t n) {
    FOR_VECTORS(
        n, v_store(y + i, v_silu(v_load(gate + i), v_load(up + i))),
        v_store_part(y + i, v_silu(v_load_part(gate + i, left), v_load_part(up + i, left)), left));
}

INLINE void softmax_row(float *x, intptr_t n, float scale) {
    const V factor = v_set(scale), lowest = v_set(-INFINITY);
    V most = lowest, sum = v_zero();
    FOR_VECTORS(
        n, most = v_max(most, v_mul(factor, v_load(x + i))),
        // Lanes beyond the row take part as minus infinity, whatever the sign of the scale.
        V scaled = v_mul(factor, v_load_part(x + i, left)); float lanes[LANES]; v_store(lanes, scaled);
        most = v_max(most, v_load_part_or(lanes, left, lowest)));
    const float top = v_largest(most);
    if (top == -INFINITY) {
        memset(x, 0, (size_t)n * sizeof(float));
        return;
    }
    const V shift = v_set(top);
    V e;
    FOR_VECTORS(
        n, e = v_exp(v_sub(v_mul(factor, v_load(x + i)), shift)); v_store(x + i, e); sum = v_add(sum, e),
        e = v_keep(v_exp(v_sub(v_mul(factor, v_load_part(x + i, left)), shift)), left);
        v_store_part(x + i, e, left); sum = v_add(sum, e));
    const V inverse = v_set(1 / v_sum(sum));
    FOR_VECTORS(
        n, v_store(x + i, v_mul(inverse, v_load(x + i))),
        v_store_part(x + i, v_mul(inverse, v_load_part(x + i, left)), left));
}

TARGET static void softmax(float *x, intptr_t rows, intptr_t columns, intptr_t stride, float scale) {
    for (intptr_t row = 0; row < rows; row++) softmax_row(x + row * stride, columns, scale);
}

INLINE void softmax_part_row(
    float *x, intptr_t n, float scale, float *most, float *total, float *y, intptr_t width) {
    const V factor = v_set(scale), lowest = v_set(-INFINITY);
    V largest = lowest, sum = v_zero();
    FOR_VECTORS(
        n, largest = v_max(largest, v_mul(factor, v_load(x + i))),
        // As in softmax_row: lanes beyond the row are minus infinity.
        V scaled = v_mul(factor, v_load_part(x + i, left)); float lanes[LANES]; v_store(lanes, scaled);
        largest = v_max(largest, v_load_part_or(lanes, left, lowest)));
    const float here = v_largest(largest), before = *most, top = before > here ? before : here;
    if (top == -INFINITY) {
        memset(x, 0, (size_t)n * sizeof(float));
        return;
    }
    const V shift = v_set(top);
    V e;
    FOR_VECTORS(
        n, e = v_exp(v_sub(v_mul(factor, v_load(x + i)), shift)); v_store(x + i, e); sum = v_add(sum, e),
        e = v_keep(v_exp(v_sub(v_mul(factor, v_load_part(x + i, left)), shift)), left);
        v_store_part(x + i, e, left); sum = v_add(sum, e));
    if (before > -INFINITY && before < top) {
        float lanes[LANES];
        const V shrink = v_exp(v_set(before - top));
        v_store(lanes, shrink);
        *total *= lanes[0];
        FOR_VECTORS(
            width, v_store(y + i, v_mul(shrink, v_load(y + i))),
            v_store_part(y + i, v_mul(shrink, v_load_part(y + i, left)), left));
    }
    *total += v_sum(sum);
    *most = top;
}

TARGET static void softmaxPart(
    float *x, intptr_t rows, intptr_t columns, intptr_t stride, float scale, float *most, float *sum, float *y,
    intptr_t yStride, intptr_t width) {
    for (intptr_t row = 0; row < rows; row++)
        softmax_part_row(x + row * stride, columns, scale, most + row, sum + row, y + row * yStride, width);
}

TARGET static void rotate(
    float *x, const float *cosine, const float *sine, intptr_t heads, intptr_t headDimension) {
    const intptr_t half = headDimension / 2;
    for (intptr_t head = 0; head < heads; head++) {
        float *first = x + head * headDimension, *second = first + half;
#define TURN(LOAD, STORE) \
    V a = LOAD(first + i), b = LOAD(second + i), c = LOAD(cosine + i), s = LOAD(sine + i); \
    STORE(first + i, v_fnma(b, s, v_mul(a, c))); \
    STORE(second + i, v_fma(a, s, v_mul(b, c)))
#define LOAD_LEFT(p) v_load_part(p, left)
#define STORE_LEFT(p, v) v_store_part(p, v, left)
        FOR_VECTORS(half, TURN(v_load, v_store), TURN(LOAD_LEFT, STORE_LEFT));
#undef STORE_LEFT
#undef LOAD_LEFT
#undef TURN
    }
}
