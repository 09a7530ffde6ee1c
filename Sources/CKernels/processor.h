#ifndef TESSERA_PROCESSOR_H
#define TESSERA_PROCESSOR_H

#include <stdbool.h>

/// Which instruction sets this processor runs. The tests name what the files of that instruction set are compiled for.
#if defined(__x86_64__)

/// AVX-512 F, VL, BW, DQ (and what comes before it).
bool tessera_supports_avx512(void);

/// The same and its VNNI: products of 8-bit integers summed into 32 bits.
bool tessera_supports_avx512vnni(void);
/// The same and products of pairs of bfloat16 (VDPBF16PS).
bool tessera_supports_avx512bf16(void);

/// AVX2, FMA, F16C.
bool tessera_supports_avx2(void);

#endif

#endif
