#ifndef TESSERA_UNROLL_H
#define TESSERA_UNROLL_H

/// Before a loop with a constant count whose every step shall be spelled out.
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/// A case for each of the numbers of rows of x (or of vectors) that a tile may have.
#define UP_TO_6(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#define UP_TO_10(CASE) UP_TO_6(CASE) CASE(7) CASE(8) CASE(9) CASE(10)
#define UP_TO_12(CASE) UP_TO_10(CASE) CASE(11) CASE(12)
#define UP_TO_16(CASE) UP_TO_12(CASE) CASE(13) CASE(14) CASE(15) CASE(16)

#endif
