#ifndef TESSERA_POOL_SPIN_H
#define TESSERA_POOL_SPIN_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/// Waiting for another thread: pauses at first, then yields the processor, since with more threads than processors the
/// one waited for may need this one.
typedef struct spin {
    unsigned turns;
    uint64_t since;
} spin;

enum {
    SPIN_PAUSES = 64,
    /// After this long without work a thread sleeps: longer than what lies between two layers or two tokens of a model,
    /// far shorter than anyone would notice on a bill.
    SPIN_NANOSECONDS = 300000,
};

static inline void spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static inline uint64_t spin_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void spin_once(spin *s) {
    if (s->turns < SPIN_PAUSES) {
        s->turns++;
        spin_pause();
    } else {
        sched_yield();
    }
}

/// As `spin_once`, false once the time to spin is over.
static inline bool spin_while_worthwhile(spin *s) {
    if (s->turns < SPIN_PAUSES) {
        s->turns++;
        spin_pause();
        return true;
    }
    uint64_t now = spin_clock();
    if (s->since == 0) s->since = now;
    if (now - s->since > SPIN_NANOSECONDS) return false;
    sched_yield();
    return true;
}

#endif
