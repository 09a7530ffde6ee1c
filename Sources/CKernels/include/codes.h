#ifndef TESSERA_CODES_H
#define TESSERA_CODES_H

/// Products with packed small integers, in the panels of panels.h (64 rows, the last one fewer) and under its conventions.

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

enum {
    /// Groups are a multiple of 32 columns and no longer than this, so that a group's integer sum is exact in f32.
    TESSERA_CODE_GROUP = 128,
};

/// Bytes of packed codes. bits is 8, 4 or 2, groupSize 32, 64, 96 or 128; columns are padded to whole groups.
intptr_t tessera_code_panel_bytes(intptr_t bits, intptr_t groupSize, intptr_t rows, intptr_t columns);

/// Packs w = scale * (code - zero) with unsigned codes, one byte each in `codes` [rows x columns], scales binary16
/// [rows x ceil(columns / groupSize)] with stride scaleStride. Columns beyond the matrix get code `zero`, rows scale 0.
/// Per panel of h rows and group: the codes, then h binary16 scales. Codes of four consecutive columns are one 32-bit
/// lane a row (8 bits: byte i is column 4q + i; 4 bits: lanes of quads q and q + 1 share bytes, low nibble q, high nibble
/// q + 1; 2 bits: quads q to q + 3, lowest bits first).
void tessera_pack_codes(
    intptr_t bits, intptr_t groupSize, intptr_t zero, const uint8_t *codes, intptr_t codeStride, const uint16_t *scales,
    intptr_t scaleStride, intptr_t rows, intptr_t columns, void *packed);

/// Codes of 1 to 8 bits from a little-endian stream that begins on a byte, one byte each. Reads no byte beyond the one
/// that ends the last code.
void tessera_unpack_codes(intptr_t bits, const uint8_t *stream, intptr_t count, uint8_t *codes);

/// Rows of X as 8-bit integers, a scale and a sum for each group of `groupSize` columns: x ~ scale * code. With
/// m = max |x| over the group, code = x * (127 / m) rounded to nearest even and scale = m / 127, each operation rounded
/// to f32 once. A group with m < 2^-100 counts as zeros: codes and scale 0. A group with an infinity or NaN gets codes 0
/// and scale NaN, so that every product with it is NaN.
typedef struct tessera_quantized_rows {
    int8_t *codes;      // [batch x groups * groupSize], zeros beyond the columns
    float *scales;      // [batch x groups]
    int32_t *sums;      // [batch x groups], the sums of the codes
    intptr_t groups;
    intptr_t groupSize;
} tessera_quantized_rows;

typedef struct tessera_code_kernels {
    /// "portable", "avx2", "avx512", "avx512vnni", "neon" or "neondot".
    const char *name;

    /// Fills `target` from X [batch x columns].
    void (*quantizeRows)(
        const float *x, intptr_t xStride, intptr_t batch, intptr_t columns, tessera_quantized_rows target);

    /// Y (+)= X W^T with packed codes and quantized X: per group, an exact integer sum of code products, then one fused
    /// multiply-add with the product of both scales; groups in order, from Y (accumulating) or 0. `packed` may begin at
    /// any panel. The same bits from every table, whatever the batch.
    void (*codeProduct)(
        intptr_t bits, intptr_t zero, tessera_quantized_rows x, const void *packed, float *y, intptr_t yStride,
        intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate);

    /// Y (+)= X W^T with packed codes and X as it is (no rounding of activations): per group, fused multiply-adds of
    /// x * (code - zero) in the order of columns from 0, then one with the group's scale; groups in order, from Y
    /// (accumulating) or 0. The same bits from every table, whatever the batch.
    void (*codeProductExact)(
        intptr_t bits, intptr_t zero, intptr_t groupSize, const float *x, intptr_t xStride, const void *packed, float *y,
        intptr_t yStride, intptr_t batch, intptr_t rows, intptr_t columns, bool accumulate);
} tessera_code_kernels;

/// As `tessera_kernels_portable`, `_best` and `_named` of CKernels.h.
const tessera_code_kernels *tessera_codes_portable(void);
const tessera_code_kernels *tessera_codes_best(void);
const tessera_code_kernels *_Nullable tessera_codes_named(const char *name);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
