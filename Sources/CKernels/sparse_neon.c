#if defined(__aarch64__)

#include "sparse_internal.h"
#include "vector_neon.h"

typedef uint32x4_t I;
typedef struct Window {
    uint8x16x4_t bytes;   // of columns 0 to 15
} Window;

enum {
    NM_VECTORS = 4,                            // 4 sums, 4 words of places, a window of up to 4 registers
    FEW_VECTORS = 2, FEW_BATCH = 8,            // 16 sums, 2 words of places, 2 weights, a window of up to 4 registers
    PAIR_VECTORS = 4,                          // 16 sums, a column, 2 weights
    PAIR_TOTALS = 1 << 15,                     // floats of sums that stay in the second-level cache
};
#define GROUP_SLICES 2
#define GROUP_BATCH 2
#define GROUP_VECTORS 4
/// Rows of x that a part of a tile of 16 COUNT rows meets at once.
#define PAIR_WIDTH(COUNT) 16

INLINE I i_load(const uint32_t *p) { return vld1q_u32(p); }
INLINE I i_load_short(const uint16_t *p) { return vmovl_u16(vld1_u16(p)); }
INLINE I i_shift(I a, const int bits) { return vshlq_u32(a, vdupq_n_s32(-bits)); }
INLINE V v_from_low(I a) { return vreinterpretq_f32_u32(vshlq_n_u32(a, 16)); }
INLINE V v_from_high(I a) { return vreinterpretq_f32_u32(vandq_u32(a, vdupq_n_u32(0xffff0000u))); }
INLINE uint8x16_t four_bytes(const float *x) { return vreinterpretq_u8_f32(vld1q_f32(x)); }
INLINE Window window4_load(const float *x) {
    Window window;
    window.bytes.val[0] = window.bytes.val[1] = window.bytes.val[2] = window.bytes.val[3] = four_bytes(x);
    return window;
}
INLINE Window window16_load(const float *x) {
    Window window;
    for (int i = 0; i < 4; i++) window.bytes.val[i] = four_bytes(x + 4 * i);
    return window;
}
INLINE Window window16_load_part(const float *x, intptr_t n) {
    float columns[16] = {0};
    memcpy(columns, x, (size_t)n * sizeof(float));
    return window16_load(columns);
}
/// The four bytes of each lane's column: 4 place, 4 place + 1, ...
INLINE uint8x16_t place_bytes(I places, uint32_t mask) {
    I scaled = vmulq_u32(vandq_u32(places, vdupq_n_u32(mask)), vdupq_n_u32(0x04040404u));
    return vreinterpretq_u8_u32(vaddq_u32(scaled, vdupq_n_u32(0x03020100u)));
}
INLINE V window4_pick(Window x, I places) {
    return vreinterpretq_f32_u8(vqtbl1q_u8(x.bytes.val[0], place_bytes(places, 3)));
}
INLINE V window16_pick(Window x, I places) {
    return vreinterpretq_f32_u8(vqtbl4q_u8(x.bytes, place_bytes(places, 15)));
}
INLINE V v_gather(const float *x, I columns) {
    float lanes[4] = {
        x[vgetq_lane_u32(columns, 0)], x[vgetq_lane_u32(columns, 1)], x[vgetq_lane_u32(columns, 2)],
        x[vgetq_lane_u32(columns, 3)]};
    return vld1q_f32(lanes);
}
/// `longer` in the lanes whose length is above `step`.
INLINE V v_where_longer(I lengths, uint32_t step, V longer, V other) {
    return vbslq_f32(vcgtq_u32(lengths, vdupq_n_u32(step)), longer, other);
}

/// Never asked for: groups are at least as many as the lanes.
INLINE V v_replace_from(V a, V b, const int lane) { return lane == 0 ? b : a; }

INLINE void transpose_square(const float *source, intptr_t sourceStride, float *target, intptr_t targetStride) {
    float32x4x2_t ab = vtrnq_f32(v_load(source), v_load(source + sourceStride));
    float32x4x2_t cd = vtrnq_f32(v_load(source + 2 * sourceStride), v_load(source + 3 * sourceStride));
    v_store(target, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
    v_store(target + targetStride, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
    v_store(target + 2 * targetStride, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
    v_store(target + 3 * targetStride, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
}

#define NAME "neon"
#define SPARSE_TABLE tessera_sparse_table_neon
#include "sparse_template.h"

#endif
