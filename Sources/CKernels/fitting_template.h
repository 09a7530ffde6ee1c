// Included once per instruction set: what fits ask for millions of times.

/// Scores of LANES centroids for two points: x c - half, columns in order.
INLINE void score_two(
    const float *x, const float *next, const float *centroids, intptr_t stride, intptr_t width, V halves, V *scores) {
    V one = v_zero(), two = v_zero();
    for (intptr_t j = 0; j < width; j++) {
        const V c = v_load(centroids + j * stride);
        one = v_fma(v_set(x[j]), c, one);
        two = v_fma(v_set(next[j]), c, two);
    }
    scores[0] = v_sub(one, halves);
    scores[1] = v_sub(two, halves);
}

/// The first index of the largest score: of the lanes' own, and of the centroids that fill no vector.
INLINE uint16_t first_largest(
    V bests, V places, const float *x, const float *centroids, intptr_t stride, const float *halves, intptr_t first,
    intptr_t count, intptr_t width) {
    float scores[LANES], indices[LANES];
    v_store(scores, bests);
    v_store(indices, places);
    float best = -INFINITY, place = 0;
    for (int lane = 0; lane < LANES; lane++) {
        if (scores[lane] > best || (scores[lane] == best && indices[lane] < place)) {
            best = scores[lane];
            place = indices[lane];
        }
    }
    for (intptr_t c = first; c < count; c++) {
        float score = 0;
        for (intptr_t j = 0; j < width; j++) score = fmaf(x[j], centroids[j * stride + c], score);
        score -= halves[c];
        if (score > best) {
            best = score;
            place = (float)c;
        }
    }
    return (uint16_t)place;
}

TARGET static void nearestCentroids(
    const float *x, intptr_t xStride, intptr_t points, const float *centroids, intptr_t stride, const float *halves,
    intptr_t count, intptr_t width, uint16_t *nearest) {
    float lanes[LANES];
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = (float)lane;
    // Indices below 65536 are exact in f32, and blend with the scores' masks.
    const V step = v_set(LANES);
    for (intptr_t point = 0; point < points; point += 2) {
        const float *one = x + point * xStride, *two = point + 1 < points ? one + xStride : one;
        V bests[2] = {v_set(-INFINITY), v_set(-INFINITY)}, places[2] = {v_zero(), v_zero()}, current = v_load(lanes);
        intptr_t c = 0;
        for (; c + LANES <= count; c += LANES) {
            V scores[2];
            score_two(one, two, centroids + c, stride, width, v_load(halves + c), scores);
            for (int i = 0; i < 2; i++) {
                places[i] = v_where_less(bests[i], scores[i], current, places[i]);
                bests[i] = v_where_less(bests[i], scores[i], scores[i], bests[i]);
            }
            current = v_add(current, step);
        }
        nearest[point] = first_largest(bests[0], places[0], one, centroids, stride, halves, c, count, width);
        if (point + 1 < points) {
            nearest[point + 1] = first_largest(bests[1], places[1], two, centroids, stride, halves, c, count, width);
        }
    }
}

enum { GROUP_PARTS = 16 / LANES };

INLINE float v_sum_parts(const V *parts) {
    float numbers[16];
    for (int part = 0; part < GROUP_PARTS; part++) v_store(numbers + part * LANES, parts[part]);
    return tessera_sum_of_parts(numbers);
}

INLINE float group_error(
    const float *w, const float *h, intptr_t n, float scale, float zero, float lowest, float highest, float *moments) {
    const V scales = v_set(scale), zeros = v_set(zero), inverse = v_set(scale == 0 ? 0 : 1 / scale);
    const V low = v_set(lowest), high = v_set(highest);
    V error[GROUP_PARTS], sums[5][GROUP_PARTS];
    for (int part = 0; part < GROUP_PARTS; part++) {
        error[part] = v_zero();
        for (int i = 0; i < 5; i++) sums[i][part] = v_zero();
    }
    for (intptr_t j = 0; j < n; j += 16) {
        for (int part = 0; part < GROUP_PARTS; part++) {
            const V weight = v_load(w + j + part * LANES), importance = v_load(h + j + part * LANES);
            V q = v_add(v_mul(weight, inverse), zeros);
            q = v_round(v_min(high, v_max(low, q)));
            const V difference = v_sub(weight, v_mul(scales, v_sub(q, zeros)));
            error[part] = v_add(error[part], v_mul(v_mul(importance, difference), difference));
            if (moments) {
                const V weighted = v_mul(importance, q);
                sums[0][part] = v_add(sums[0][part], importance);
                sums[1][part] = v_add(sums[1][part], weighted);
                sums[2][part] = v_add(sums[2][part], v_mul(weighted, q));
                sums[3][part] = v_add(sums[3][part], v_mul(importance, weight));
                sums[4][part] = v_add(sums[4][part], v_mul(weighted, weight));
            }
        }
    }
    if (moments) {
        for (int i = 0; i < 5; i++) moments[i] = v_sum_parts(sums[i]);
    }
    return v_sum_parts(error);
}

TARGET static float groupError(
    const float *w, const float *h, intptr_t n, float scale, float zero, float lowest, float highest, float *moments) {
    // One without the moments' sums in its loop.
    return moments ? group_error(w, h, n, scale, zero, lowest, highest, moments)
                   : group_error(w, h, n, scale, zero, lowest, highest, 0);
}

TARGET static void relax(
    const double *from, double damage, uint16_t index, double *best, uint16_t *decision, intptr_t n) {
    tessera_relax(from, damage, index, best, decision, n);
}
