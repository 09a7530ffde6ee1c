#ifndef TESSERA_POOL_SPIN_H
#define TESSERA_POOL_SPIN_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/// Waiting for another thread: pauses at first, then yields the processor, since with more threads than processors the
/// one waited for may need this one. A yield may cost milliseconds when other programs want the processor too, so a team
/// that has a processor for each member pauses for longer than its members usually differ.
typedef struct spin {
    unsigned turns;
    uint64_t since;
} spin;

enum {
    /// Pauses before the first look at the clock.
    SPIN_PAUSES = 64,
    SPIN_PAUSES_PER_LOOK = 16,
    /// Members of a team with enough processors pause this long before they yield.
    SPIN_PAUSING_NANOSECONDS = 100000,
    /// After this long without work a thread sleeps: longer than what lies between two layers or two tokens of a model,
    /// far shorter than anyone would notice on a bill.
    SPIN_NANOSECONDS = 400000,
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

/// Waits a moment. False once the time to spin is over; a caller that cannot sleep goes on.
/// - crowded: there are more members than processors.
static inline bool spin_on(spin *s, bool crowded) {
    if (s->turns < SPIN_PAUSES) {
        s->turns++;
        spin_pause();
        return true;
    }
    uint64_t now = spin_clock();
    if (s->since == 0) s->since = now;
    if (!crowded && now - s->since < SPIN_PAUSING_NANOSECONDS) {
        for (int pause = 0; pause < SPIN_PAUSES_PER_LOOK; pause++) spin_pause();
        return true;
    }
    if (now - s->since < SPIN_NANOSECONDS) {
        sched_yield();
        return true;
    }
    return false;
}

#endif
