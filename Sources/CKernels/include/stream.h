#ifndef TESSERA_STREAM_H
#define TESSERA_STREAM_H

/// How fast memory can be read: the yardstick for products that do little but read weights.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// Reads every byte once, from front to back, by plain loads of the processor's widest vectors into eight
/// accumulators. `memory` is 8-byte aligned. Returns the exclusive or of all 64-bit words (zeros fill the
/// last), so that no load can be left out. Cost: `bytes` read.
uint64_t tessera_stream_read(const void *memory, intptr_t bytes);

/// The same bytes and the same result, but read as four streams side by side, a quarter of the memory each:
/// on some machines a thread gets more of the memory's bandwidth that way.
uint64_t tessera_stream_read4(const void *memory, intptr_t bytes);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
