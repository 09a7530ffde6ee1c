#if defined(__aarch64__)

#include "vector_neon.h"

/// The bytes of a table in four registers; vectors of rows at batch 1.
typedef uint8x16x4_t L;
typedef uint32x4_t I;
enum { ROW_VECTORS = 8 };
INLINE L l_load(const float *table) { return vld1q_u8_x4((const uint8_t *)table); }
INLINE I i_load(const void *p) { return vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)p)); }
INLINE V l_find(L table, I words, int shift) {
    uint32x4_t codes = vshlq_u32(words, vdupq_n_s32(-shift));
    // Four byte addresses a lane: 4 code + 0, 1, 2, 3.
    uint32x4_t bytes = vmulq_n_u32(vandq_u32(codes, vdupq_n_u32(15)), 0x04040404u);
    bytes = vaddq_u32(bytes, vdupq_n_u32(0x03020100u));
    return vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(bytes)));
}

#define NAME "neon"
#define TABLE tessera_lookup_table_neon
#define PANELS tessera_panels_table_neon
#include "lookup_template.h"

#endif
