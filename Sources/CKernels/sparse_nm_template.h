// N:M products: rows of W in lanes, the columns of a window of x chosen lane by lane.

enum {
    // Between the weights of one row of x and those brought nearer from memory.
    NM_AHEAD_BYTES = 4096,
    // Of 16 bits there are more entries to a byte, so that fewer loads are under way: asked for earlier, and every fourth
    // line into the second-level cache earlier still, whose own prefetching goes on from there. Zen 5: 1.05 to 1.1 times as fast.
    NM_AHEAD_BYTES_OF_HALVES = 8192, NM_FAR_BYTES_OF_HALVES = 24576,
};

/// The columns of x that the places of a window count in: `bits` is 2 for a window of 4, 4 for one of 16.
INLINE Window window_load(const int bits, const float *x, intptr_t left) {
    if (bits == 2) return window4_load(x);
    return left >= 16 ? window16_load(x) : window16_load_part(x, left);
}

INLINE V window_pick(const int bits, Window x, I places) {
    return bits == 2 ? window4_pick(x, places) : window16_pick(x, places);
}

/// Entry number `entry` of a chunk, LANES rows from lane `lane` of a panel of `height` rows.
INLINE V nm_values(
    const tessera_panel_format format, const int entry, const uint8_t *values, intptr_t height, intptr_t lane) {
    switch (format) {
    case TESSERA_PANEL_F32: return v_load((const float *)(const void *)values + entry * height + lane);
    case TESSERA_PANEL_F16: return v_from_half((const uint16_t *)(const void *)values + entry * height + lane);
    default: {
        I pairs = i_load((const uint32_t *)(const void *)values + entry / 2 * height + lane);
        return entry % 2 == 0 ? v_from_low(pairs) : v_from_high(pairs);
    }
    }
}

/// Values of a chunk as f32 in the order [entry][row], with room for an even number of entries.
INLINE void nm_decode(tessera_panel_format format, const uint8_t *values, intptr_t count, intptr_t height, float *decoded) {
    if (format == TESSERA_PANEL_F16) {
        const uint16_t *halves = (const uint16_t *)(const void *)values;
        for (intptr_t i = 0; i < count * height; i += LANES) v_store(decoded + i, v_from_half(halves + i));
        return;
    }
    const uint32_t *pairs = (const uint32_t *)(const void *)values;
    for (intptr_t entry = 0; entry < count; entry += 2, pairs += height, decoded += 2 * height)
        for (intptr_t row = 0; row < height; row += LANES) {
            const I pair = i_load(pairs + row);
            v_store(decoded + row, v_from_low(pair));
            v_store(decoded + height + row, v_from_high(pair));
        }
}

/// Brings nearer what lies beyond a row of numbers of 32 bits, for `vectors` vectors from p.
INLINE void nm_fetch(const tessera_panel_format format, const int vectors, const uint8_t *p) {
    const intptr_t ahead = format == TESSERA_PANEL_F32 ? NM_AHEAD_BYTES : NM_AHEAD_BYTES_OF_HALVES;
    UNROLL for (int line = 0; line < vectors * LANES; line += 16) __builtin_prefetch(p + ahead + 4 * line);
    if (format != TESSERA_PANEL_F32) __builtin_prefetch(p + NM_FAR_BYTES_OF_HALVES, 0, 2);
}

/// Sums of one row of x for `vectors` vectors of rows of a panel. `kept` entries a window; 0 takes the layout's.
INLINE void nm_lanes(
    const tessera_panel_format format, const int bits, const int kept, const int vectors, const nm_layout layout,
    const float *x, intptr_t columns, const uint8_t *chunk, intptr_t height, intptr_t lane, V *sums) {
    const int window = bits == 2 ? 4 : 16, most = bits == 2 ? 16 : 8;
    I places[NM_VECTORS];
    intptr_t column = 0, first = 0;
    UNROLL for (int v = 0; v < vectors; v++) sums[v] = v_zero();
    if (kept > 0) {
        // Whole chunks of whole windows.
        const intptr_t step = nm_chunk_bytes(layout, format, most, height);
        const int span = most / (kept > 0 ? kept : 1) * window;
        Window values = window_load(bits, x, columns);
        for (; first + most <= layout.entries && column + span <= columns;
             first += most, column += span, chunk += step) {
            const uint8_t *numbers = chunk + 4 * height;
            nm_fetch(format, vectors, chunk + 4 * lane);
            UNROLL for (int v = 0; v < vectors; v++)
                places[v] = i_load((const uint32_t *)(const void *)chunk + lane + v * LANES);
            UNROLL for (int entry = 0; entry < most; entry++) {
                if (entry % kept == 0) values = window_load(bits, x + column + entry / kept * window, 16);
                // Two entries of 16 bits are as long as one of 32.
                if (format == TESSERA_PANEL_F32) nm_fetch(format, vectors, numbers + 4 * (entry * height + lane));
                else if (entry % 2 == 0) nm_fetch(format, vectors, numbers + 4 * (entry / 2 * height + lane));
                UNROLL for (int v = 0; v < vectors; v++) {
                    V weight = nm_values(format, entry, numbers, height, lane + v * LANES);
                    sums[v] = v_fma(weight, window_pick(bits, values, places[v]), sums[v]);
                    places[v] = i_shift(places[v], bits);
                }
            }
        }
    }
    intptr_t used = 0;
    for (; first < layout.entries; first += most) {
        const int count = (int)nm_smaller(layout.entries - first, most);
        UNROLL for (int v = 0; v < vectors; v++)
            places[v] = i_load((const uint32_t *)(const void *)chunk + lane + v * LANES);
        for (int entry = 0; entry < count; entry++) {
            const Window values = window_load(bits, x + column, columns - column);
            UNROLL for (int v = 0; v < vectors; v++) {
                V weight = nm_values(format, entry, chunk + 4 * height, height, lane + v * LANES);
                sums[v] = v_fma(weight, window_pick(bits, values, places[v]), sums[v]);
                places[v] = i_shift(places[v], bits);
            }
            if (++used == layout.kept) {
                used = 0;
                column += window;
            }
        }
        chunk += nm_chunk_bytes(layout, format, count, height);
    }
}

/// One row of x: every panel from its first chunk to its last, so that the weights are one stream.
INLINE void nm_single(
    const tessera_panel_format format, const int bits, const int kept, tessera_nm_shape shape, const float *x,
    const uint8_t *panel, float *y) {
    const nm_layout layout = nm_layout_of(shape);
    V sums[NM_VECTORS];
    for (intptr_t top = 0; top < shape.rows; top += TESSERA_PANEL_ROWS, y += TESSERA_PANEL_ROWS) {
        const intptr_t height = nm_panel_height(shape.rows, top);
        const intptr_t valid = nm_smaller(shape.rows - top, height);
        intptr_t lane = 0;
        for (; lane + NM_VECTORS * LANES <= height; lane += NM_VECTORS * LANES) {
            nm_lanes(format, bits, kept, NM_VECTORS, layout, x, shape.columns, panel, height, lane, sums);
            UNROLL for (int v = 0; v < NM_VECTORS; v++)
                v_store_some(y + lane + v * LANES, sums[v], valid - lane - v * LANES);
        }
        for (; lane < height; lane += LANES) {
            nm_lanes(format, bits, 0, 1, layout, x, shape.columns, panel, height, lane, sums);
            v_store_some(y + lane, sums[0], valid - lane);
        }
        panel += nm_panel_bytes(shape, height);
    }
}
