#include <string.h>

#include "sparse_internal.h"

enum { PAIRS = TESSERA_PANEL_ROWS / 2 };

/// The entries of a panel in the columns of one block.
typedef struct run {
    uint64_t kept[TESSERA_PANEL_ROWS][2];                            // which columns, one bit each
    const float *values[TESSERA_PANEL_ROWS];
} run;

static int shared_columns(const run *block, int a, int b) {
    return __builtin_popcountll(block->kept[a][0] & block->kept[b][0])
        + __builtin_popcountll(block->kept[a][1] & block->kept[b][1]);
}

/// Matches rows, the pairs that share most first; of equal ones those of lowest numbers.
static void match(const run *block, uint8_t pairs[PAIRS][2]) {
    uint8_t shared[TESSERA_PANEL_ROWS][TESSERA_PANEL_ROWS], partner[TESSERA_PANEL_ROWS];
    int most[TESSERA_PANEL_ROWS];
    bool used[TESSERA_PANEL_ROWS] = {false};
    for (int a = 0; a < TESSERA_PANEL_ROWS; a++)
        for (int b = a + 1; b < TESSERA_PANEL_ROWS; b++) shared[a][b] = (uint8_t)shared_columns(block, a, b);
    for (int a = 0; a < TESSERA_PANEL_ROWS; a++) most[a] = -2;
    for (int pair = 0; pair < PAIRS; pair++) {
        int best = -1;
        for (int a = 0; a < TESSERA_PANEL_ROWS; a++) {
            if (used[a]) continue;
            // A row's best partner later on is looked for again where it was taken.
            if (most[a] == -2 || (most[a] >= 0 && used[partner[a]])) {
                most[a] = -1;
                for (int b = a + 1; b < TESSERA_PANEL_ROWS; b++)
                    if (!used[b] && shared[a][b] > most[a]) {
                        most[a] = shared[a][b];
                        partner[a] = (uint8_t)b;
                    }
            }
            if (most[a] >= 0 && (best < 0 || most[a] > most[best])) best = a;
        }
        pairs[pair][0] = (uint8_t)best;
        pairs[pair][1] = partner[best];
        used[best] = used[partner[best]] = true;
    }
}

static void store(tessera_panel_format format, float value, void *values, intptr_t number) {
    switch (format) {
    case TESSERA_PANEL_F32: ((float *)values)[number] = value; break;
    case TESSERA_PANEL_F16: ((uint16_t *)values)[number] = tessera_portable_to_half(value); break;
    case TESSERA_PANEL_BF16: tessera_portable_floatToBfloat(&value, (uint16_t *)values + number, 1); break;
    }
}

/// What four rows keep, in the order that it is multiplied in.
typedef struct four_entries {
    uint8_t columns[2][4][TESSERA_PAIR_COLUMNS];     // shared ones, the others
    float values[2][4][TESSERA_PAIR_COLUMNS];
    int counts[4];                                   // of the others
} four_entries;

/// Moves the bits of the lowest `count` columns from `from` to `to`.
static void take(uint64_t from[2], uint64_t to[2], int count) {
    for (int word = 0; word < 2; word++)
        for (; from[word] != 0 && count > 0; count--) {
            to[word] |= from[word] & -from[word];
            from[word] &= from[word] - 1;
        }
}

/// Divides a row's entries into those of columns in `shared` and the others; returns how many are others.
static int divide(const run *block, int row, const uint64_t shared[2], int place, four_entries *entries) {
    const float *value = block->values[row];
    int counts[2] = {0, 0};
    for (int word = 0; word < 2; word++)
        for (uint64_t left = block->kept[row][word]; left != 0; left &= left - 1) {
            const int column = __builtin_ctzll(left), kind = (shared[word] >> column & 1) == 0;
            entries->columns[kind][place][counts[kind]] = (uint8_t)(64 * word + column);
            entries->values[kind][place][counts[kind]++] = *value++;
        }
    return counts[1];
}

static pair_four divided(const run *block, const uint8_t *ab, const uint8_t *cd, four_entries *entries) {
    pair_four four = {.rows = {ab[0], ab[1], cd[0], cd[1]}};
    four.shared = (uint8_t)nm_smaller(shared_columns(block, ab[0], ab[1]), shared_columns(block, cd[0], cd[1]));
    int apart = TESSERA_PAIR_COLUMNS;
    for (int place = 0; place < 4; place++) {
        const uint64_t *a = block->kept[four.rows[place & 2]], *b = block->kept[four.rows[place | 1]];
        uint64_t both[2] = {a[0] & b[0], a[1] & b[1]}, shared[2] = {0, 0};
        take(both, shared, four.shared);
        entries->counts[place] = divide(block, four.rows[place], shared, place, entries);
        apart = (int)nm_smaller(apart, entries->counts[place]);
    }
    four.apart = (uint8_t)apart;
    for (int place = 0; place < 4; place++) four.rest[place] = (uint8_t)(entries->counts[place] - apart);
    return four;
}

/// Bytes of a block with so many entries and places.
static intptr_t block_bytes(tessera_panel_format format, intptr_t entries, intptr_t places) {
    const intptr_t values = pair_aligned((intptr_t)sizeof(pair_header) + places);
    return values + pair_aligned(entries * tessera_panel_element_bytes(format));
}

static intptr_t pack_block(tessera_panel_format format, const run *block, uint8_t *target) {
    uint8_t pairs[PAIRS][2];
    four_entries entries[PAIR_FOURS];
    pair_header header = {0};
    match(block, pairs);
    intptr_t places = 0, count = 0;
    for (int i = 0; i < PAIR_FOURS; i++) {
        header.fours[i] = divided(block, pairs[2 * i], pairs[2 * i + 1], &entries[i]);
        places += pair_places(&header.fours[i]);
        count += pair_entries(&header.fours[i]);
    }
    const intptr_t bytes = block_bytes(format, count, places);
    header.values = (uint32_t)pair_aligned((intptr_t)sizeof header + places);
    memset(target, 0, (size_t)bytes);
    memcpy(target, &header, sizeof header);
    uint8_t *place = target + sizeof header;
    void *values = target + header.values;
    intptr_t number = 0;
    for (int i = 0; i < PAIR_FOURS; i++) {
        const pair_four *four = &header.fours[i];
        const four_entries *of = &entries[i];
        for (int step = 0; step < four->shared || step < four->apart; step++)
            for (int kind = 0; kind < 2; kind++)
                for (int row = 0; row < 4 && step < (kind == 0 ? four->shared : four->apart); row++) {
                    // a and b have one place for the column that they share, c and d too.
                    if (kind == 1 || row % 2 == 0) *place++ = of->columns[kind][row][step];
                    store(format, of->values[kind][row][step], values, number++);
                }
        for (int row = 0; row < 4; row++)
            for (int step = four->apart; step < of->counts[row]; step++) {
                *place++ = of->columns[1][row][step];
                store(format, of->values[1][row][step], values, number++);
            }
    }
    return bytes;
}

intptr_t tessera_pairs_most(tessera_panel_format format, intptr_t columns, intptr_t entries) {
    // Every block rounds twice.
    const intptr_t blocks = pair_blocks(columns);
    return block_bytes(format, entries, entries) + blocks * ((intptr_t)sizeof(pair_header) + 2 * 64);
}

intptr_t tessera_pairs_pack(
    tessera_panel_format format, intptr_t rows, intptr_t columns, const intptr_t *offsets, const uint32_t *entries,
    const float *values, void *packed, intptr_t *starts) {
    intptr_t next[TESSERA_PANEL_ROWS], bytes = 0;
    for (intptr_t row = 0; row < rows; row++) next[row] = offsets[row];
    for (intptr_t first = 0; first < columns; first += TESSERA_PAIR_COLUMNS) {
        run block;
        memset(&block, 0, sizeof block);
        for (intptr_t row = 0; row < rows; row++) {
            block.values[row] = values + next[row];
            for (; next[row] < offsets[row + 1] && entries[next[row]] < first + TESSERA_PAIR_COLUMNS; next[row]++) {
                const intptr_t column = (intptr_t)entries[next[row]] - first;
                block.kept[row][column / 64] |= (uint64_t)1 << column % 64;
            }
        }
        *starts++ = bytes;
        bytes += pack_block(format, &block, (uint8_t *)packed + bytes);
    }
    *starts = bytes;
    return bytes;
}
