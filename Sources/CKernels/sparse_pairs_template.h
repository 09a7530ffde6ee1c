// Row pairs times a tile: rows of X in lanes, four rows of W at a time, whose 16 sums hide the latency of a multiply-add.
//
// What limits products with few entries to spare are loads: two in a cycle, while two multiply-adds could be made. A column
// that two rows share is loaded once for both; places come four with one load; the rest is one load for each multiply-add.

// Seen as one number: the compiler would load its bytes one by one, and an address made of two registers keeps a
// multiply-add from being one operation with its load.
#if defined(__GNUC__)
#define KEEP_IN_REGISTER(a) __asm__("" : "+r"(a))
#else
#define KEEP_IN_REGISTER(a)
#endif
#if defined(__clang__)
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ROLLED _Pragma("GCC unroll 1")
#endif

enum {
    PAIR_SUMS = 4 * PAIR_VECTORS,
    PAIR_PANELS = 4,              // that share a block of the tile while it is in the first-level cache
};

/// Number `index` of the columns whose places a word holds.
INLINE const float *pair_source(const float *x, uint64_t places, const int index, const intptr_t width) {
    const float *source = x + (intptr_t)(places >> (8 * index) & 0xff) * width;
    KEEP_IN_REGISTER(source);
    return source;
}

/// Some places, read a turn before they are needed: loads whose address is still being read hold up those behind them. The
/// values follow the places, so that eight bytes more may be read.
INLINE uint64_t pair_word(const uint8_t *place) {
    uint64_t places;
    memcpy(&places, place, sizeof places);
    KEEP_IN_REGISTER(places);
    return places;
}

/// One column that a and b share and one that c and d share.
INLINE void pair_shared(
    const int vectors, const intptr_t width, const float *x, uint64_t places, const float *weight, V *sums) {
    UNROLL for (int pair = 0; pair < 2; pair++) {
        const float *source = pair_source(x, places, pair, width);
        const V first = v_set(weight[2 * pair]), second = v_set(weight[2 * pair + 1]);
        V *a = sums + 2 * pair * vectors, *b = a + vectors;
        UNROLL for (int v = 0; v < vectors; v++) {
            const V column = v_load(source + v * LANES);
            a[v] = v_fma(first, column, a[v]);
            b[v] = v_fma(second, column, b[v]);
        }
    }
}

/// One column of each row.
INLINE void pair_apart(
    const int vectors, const intptr_t width, const float *x, uint64_t places, const float *weight, V *sums) {
    UNROLL for (int row = 0; row < 4; row++) {
        const float *source = pair_source(x, places, row, width);
        const V value = v_set(weight[row]);
        UNROLL for (int v = 0; v < vectors; v++)
            sums[row * vectors + v] = v_fma(value, v_load(source + v * LANES), sums[row * vectors + v]);
    }
}

/// totals[rows of the four][width] += its entries in a block for `vectors` vectors; x is [columns x width].
INLINE void pair_lanes(
    const int vectors, const intptr_t width, const pair_four *four, const uint8_t *place, const float *weight,
    const float *x, const bool fresh, float *totals) {
    V sums[PAIR_SUMS];
    float *target[4];
    UNROLL for (int row = 0; row < 4; row++) target[row] = totals + four->rows[row] * width;
    UNROLL for (int i = 0; i < 4 * vectors; i++)
        sums[i] = fresh ? v_zero() : v_load(target[i / vectors] + i % vectors * LANES);
    // In turns, because the ones could make more multiply-adds than there are, and the others more loads.
    const int both = (int)nm_smaller(four->shared, four->apart);
    uint64_t next = pair_word(place);
    ROLLED for (int left = both; left > 0; left--, weight += 8) {
        const uint64_t places = next;
        next = pair_word(place += 6);
        pair_shared(vectors, width, x, places, weight, sums);
        pair_apart(vectors, width, x, places >> 16, weight + 4, sums);
    }
    ROLLED for (int left = four->shared - both; left > 0; left--, weight += 4) {
        const uint64_t places = next;
        next = pair_word(place += 2);
        pair_shared(vectors, width, x, places, weight, sums);
    }
    ROLLED for (int left = four->apart - both; left > 0; left--, weight += 4) {
        const uint64_t places = next;
        next = pair_word(place += 4);
        pair_apart(vectors, width, x, places, weight, sums);
    }
#define REST(ROW) \
    ROLLED for (int left = four->rest[ROW]; left > 0; left--, place++, weight++) { \
        const float *source = pair_source(x, *place, 0, width); \
        const V value = v_set(*weight); \
        UNROLL for (int v = 0; v < vectors; v++) \
            sums[ROW * vectors + v] = v_fma(value, v_load(source + v * LANES), sums[ROW * vectors + v]); \
    }
    if (pair_rest(four) > 0) { REST(0) REST(1) REST(2) REST(3) }
#undef REST
    UNROLL for (int i = 0; i < 4 * vectors; i++) v_store(target[i / vectors] + i % vectors * LANES, sums[i]);
}

/// What is brought nearer while a block is multiplied; null where there is nothing.
typedef struct pair_near {
    const uint8_t *block;    // the panel's next one, or the first one of a later panel
    intptr_t piece;          // so many bytes of it with each of the fours
    const float *x;          // a panel's share of the columns that the next part, or the next block, is multiplied with,
    intptr_t share;          // so many floats of it with each of the fours
    float *y;                // where the sums go after the last block: 64 rows of 64
    intptr_t yStride;
} pair_near;

/// The share of number `number` of the fours.
INLINE void pair_fetch(const pair_near *near, int number) {
    for (intptr_t byte = 0; byte < near->piece; byte += 64)
        __builtin_prefetch(near->block + number * near->piece + byte, 0, 3);
    for (intptr_t line = 0; line < near->share; line += 16)
        __builtin_prefetch(near->x + number * near->share + line, 0, 2);
    if (near->y)
        for (intptr_t row = number * TESSERA_TILE_PART / PAIR_FOURS; row < (number + 1) * TESSERA_TILE_PART / PAIR_FOURS; row++)
            for (intptr_t line = 0; line < TESSERA_PANEL_ROWS; line += 16)
                __builtin_prefetch(near->y + row * near->yStride + line, 1, 2);
}

/// Every four of a block.
INLINE void pair_block(
    const int vectors, const intptr_t width, const pair_header *header, const float *weight, const float *x,
    const bool fresh, const pair_near *near, float *totals) {
    const uint8_t *place = (const uint8_t *)(header + 1);
    for (int number = 0; number < PAIR_FOURS; number++) {
        const pair_four *four = &header->fours[number];
        pair_fetch(near, number);
        UNROLL for (intptr_t lane = 0; lane < width; lane += vectors * LANES)
            pair_lanes(vectors, width, four, place, weight, x + lane, fresh, totals + lane);
        place += pair_places(four);
        weight += pair_entries(four);
    }
}

/// Values of a block as f32.
INLINE const float *pair_values(const tessera_panel_format format, const pair_header *header, float *decoded) {
    const uint8_t *values = (const uint8_t *)header + header->values;
    if (format == TESSERA_PANEL_F32) return (const float *)(const void *)values;
    const uint16_t *halves = (const uint16_t *)(const void *)values;
    intptr_t count = 0;
    for (int number = 0; number < PAIR_FOURS; number++) count += pair_entries(&header->fours[number]);
    for (intptr_t i = 0; i < count; i += LANES)
        v_store(decoded + i, format == TESSERA_PANEL_F16 ? v_from_half(halves + i) : v_from_bfloat(halves + i));
    return decoded;
}

/// Some panels, block after block of columns: each meets every part of the tile, so that weights are read once. Panels below
/// `limit` come after them.
INLINE void pair_panels(
    const tessera_panel_format format, const tessera_row_pairs *w, const float *xt, float *y, intptr_t yStride,
    intptr_t batch, intptr_t first, intptr_t last, intptr_t limit, intptr_t perPanel, float *totals) {
    enum { ROOM = TESSERA_PANEL_ROWS * TESSERA_PAIR_COLUMNS };
    _Alignas(64) float decoded[2 * ROOM];
    const uint8_t *bytes = w->blocks;
    const float *weights[PAIR_PANELS];
    for (intptr_t block = 0; block < perPanel; block++) {
        // After the last block later panels begin with the first one.
        const bool isEnd = block + 1 == perPanel;
        const intptr_t nextBlock = isEnd ? 0 : block + 1;
        const intptr_t column = block * TESSERA_PAIR_COLUMNS;
        for (intptr_t panel = first; panel < last; panel++)
            weights[panel - first] = pair_values(
                format, (const pair_header *)(const void *)(bytes + w->starts[panel * perPanel + block]),
                decoded + (format == TESSERA_PANEL_F32 ? 0 : (panel - first) * ROOM));
        for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
            const intptr_t width = tessera_part_width(batch, part);
            const float *x = xt + part * w->columns + column * width;
            const bool isLast = part + TESSERA_TILE_PART >= batch;
            const float *next = isLast ? xt + nextBlock * TESSERA_PAIR_COLUMNS * tessera_part_width(batch, 0)
                                       : x + TESSERA_TILE_PART * w->columns;
            const intptr_t share = TESSERA_PAIR_COLUMNS * width / (PAIR_FOURS * (last - first));
            for (intptr_t panel = first; panel < last; panel++) {
                const intptr_t number = panel * perPanel + block;
                const pair_header *header = (const pair_header *)(const void *)(bytes + w->starts[number]);
                const intptr_t nextPanel = isEnd ? panel + last - first : panel;
                const intptr_t then = nextPanel * perPanel + nextBlock;
                const bool fetches = part == 0 && nextPanel < limit;
                const pair_near near = {
                    .block = fetches ? bytes + w->starts[then] : 0,
                    .piece = fetches ? (w->starts[then + 1] - w->starts[then]) / PAIR_FOURS : 0,
                    .x = next + (panel - first) * PAIR_FOURS * share,
                    .share = share,
                    .y = isEnd ? y + part * yStride + panel * TESSERA_PANEL_ROWS : 0,
                    .yStride = yStride,
                };
                float *sums = totals + part * (last - first) * TESSERA_PANEL_ROWS
                    + (panel - first) * TESSERA_PANEL_ROWS * width;
#define WIDTH(COUNT) \
    case COUNT: \
        pair_block( \
            PAIR_WIDTH(COUNT) / LANES, 16 * COUNT, header, weights[panel - first], x, block == 0, &near, sums); \
        break;
                switch (width / 16) { WIDTH(1) WIDTH(2) WIDTH(3) WIDTH(4) }
#undef WIDTH
            }
        }
    }
}

INLINE void pair_tile(
    const tessera_panel_format format, const tessera_row_pairs *w, const float *xt, float *y, intptr_t yStride,
    intptr_t batch, intptr_t first, intptr_t last) {
    _Alignas(64) float totals[PAIR_TOTALS];
    const intptr_t perPanel = pair_blocks(w->columns), width = tessera_tile_width(batch);
    // Decoded values have room for two panels.
    const intptr_t most = format == TESSERA_PANEL_F32 ? PAIR_PANELS : 2;
    const intptr_t together = nm_smaller(most, PAIR_TOTALS / (TESSERA_PANEL_ROWS * width));
    for (intptr_t panel = first; panel < last; panel += together) {
        const intptr_t end = nm_smaller(panel + together, last);
        if (perPanel == 0)
            for (intptr_t i = 0; i < (end - panel) * TESSERA_PANEL_ROWS * width; i++) totals[i] = 0;
        pair_panels(format, w, xt, y, yStride, batch, panel, end, last, perPanel, totals);
        for (intptr_t part = 0; part < batch; part += TESSERA_TILE_PART) {
            const intptr_t partWidth = tessera_part_width(batch, part);
            const float *sums = totals + part * (end - panel) * TESSERA_PANEL_ROWS;
            for (intptr_t top = panel * TESSERA_PANEL_ROWS; top < nm_smaller(end * TESSERA_PANEL_ROWS, w->rows);
                 top += TESSERA_PANEL_ROWS, sums += TESSERA_PANEL_ROWS * partWidth)
                transpose_far(
                    sums, partWidth, nm_smaller(w->rows - top, TESSERA_PANEL_ROWS),
                    nm_smaller(batch - part, TESSERA_TILE_PART), y + part * yStride + top, yStride);
        }
    }
}

TARGET static void pairTile(
    const tessera_row_pairs *w, const float *xt, float *y, intptr_t yStride, intptr_t batch, intptr_t first,
    intptr_t last) {
    switch (w->format) {
    case TESSERA_PANEL_F32: pair_tile(TESSERA_PANEL_F32, w, xt, y, yStride, batch, first, last); break;
    case TESSERA_PANEL_F16: pair_tile(TESSERA_PANEL_F16, w, xt, y, yStride, batch, first, last); break;
    case TESSERA_PANEL_BF16: pair_tile(TESSERA_PANEL_BF16, w, xt, y, yStride, batch, first, last); break;
    }
}
