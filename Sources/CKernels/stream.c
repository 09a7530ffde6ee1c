#include "include/stream.h"

#include <string.h>

#include "processor.h"

/// Eight words at a time; the compiler cuts it to the registers of the target.
typedef uint64_t words __attribute__((vector_size(64), aligned(8)));

/// Two loads may be done each cycle and an operation takes one, but nothing should ever wait for what came
/// before.
enum { accumulators = 8 };

static inline __attribute__((always_inline)) uint64_t mixture(const words sum[accumulators]) {
    uint64_t result = 0;
    for (int i = 0; i < accumulators; i++)
        for (int j = 0; j < 8; j++) result ^= sum[i][j];
    return result;
}

/// What is left of `memory` from `done` on.
static inline __attribute__((always_inline)) uint64_t rest(const char *memory, intptr_t done, intptr_t bytes) {
    uint64_t result = 0;
    for (; done < bytes; done += 8) {
        uint64_t word = 0;
        memcpy(&word, memory + done, bytes - done < 8 ? (size_t)(bytes - done) : 8);
        result ^= word;
    }
    return result;
}

static inline __attribute__((always_inline)) uint64_t one(const char *memory, intptr_t bytes) {
    words sum[accumulators];
    memset(sum, 0, sizeof sum);
    intptr_t done = 0;
    for (; done + (intptr_t)sizeof sum <= bytes; done += sizeof sum) {
        const words *next = (const words *)(memory + done);
#pragma clang loop unroll(full)
        for (int i = 0; i < accumulators; i++) sum[i] ^= next[i];
    }
    return mixture(sum) ^ rest(memory, done, bytes);
}

static inline __attribute__((always_inline)) uint64_t four(const char *memory, intptr_t bytes) {
    enum { step = 2 * sizeof(words) };
    const intptr_t part = bytes / 4 / step * step;
    words sum[accumulators];
    memset(sum, 0, sizeof sum);
    for (intptr_t done = 0; done < part; done += step) {
#pragma clang loop unroll(full)
        for (int i = 0; i < accumulators; i++) sum[i] ^= *((const words *)(memory + i / 2 * part + done) + i % 2);
    }
    return mixture(sum) ^ rest(memory, 4 * part, bytes);
}

#define READERS(suffix, attributes)                                                          \
    attributes static uint64_t one_##suffix(const char *memory, intptr_t bytes) {            \
        return one(memory, bytes);                                                           \
    }                                                                                        \
    attributes static uint64_t four_##suffix(const char *memory, intptr_t bytes) {           \
        return four(memory, bytes);                                                          \
    }

READERS(portable, )

#if defined(__x86_64__)
READERS(avx2, __attribute__((target("avx2"))))
READERS(avx512, __attribute__((target("avx512f"))))

uint64_t tessera_stream_read(const void *memory, intptr_t bytes) {
    if (tessera_supports_avx512()) return one_avx512(memory, bytes);
    return tessera_supports_avx2() ? one_avx2(memory, bytes) : one_portable(memory, bytes);
}

uint64_t tessera_stream_read4(const void *memory, intptr_t bytes) {
    if (tessera_supports_avx512()) return four_avx512(memory, bytes);
    return tessera_supports_avx2() ? four_avx2(memory, bytes) : four_portable(memory, bytes);
}
#else
uint64_t tessera_stream_read(const void *memory, intptr_t bytes) { return one_portable(memory, bytes); }
uint64_t tessera_stream_read4(const void *memory, intptr_t bytes) { return four_portable(memory, bytes); }
#endif
