#ifndef TESSERA_SCRATCH_H
#define TESSERA_SCRATCH_H

/// Scratch memory of each thread: a stack that grows to what was needed once and is used again.

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// `bytes` of uninitialised memory of the calling thread, 64-byte aligned. NULL when there is no memory.
/// Other threads may use it until it is given back.
void *_Nullable tessera_scratch_take(size_t bytes);

/// Gives back what the calling thread took last and has not given back.
void tessera_scratch_give(void *memory);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
