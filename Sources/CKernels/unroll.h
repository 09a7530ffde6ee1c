#ifndef TESSERA_UNROLL_H
#define TESSERA_UNROLL_H

/// Before a loop with a constant count whose every step shall be spelled out.
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#endif
