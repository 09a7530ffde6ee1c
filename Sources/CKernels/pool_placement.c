// sched_getcpu and processor masks are GNU.
#define _GNU_SOURCE

#include "pool.h"
#include "pool_placement.h"

#if defined(__linux__)

#include <sched.h>
#include <stdbool.h>

#include "pool_spin.h"

/// Not more often than this: a move costs some ten microseconds, and the scheduler may have its reasons.
enum { MOVE_NANOSECONDS = 2000000 };

static void moveAway(placement places, intptr_t index, intptr_t members) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    cpu_set_t unused = allowed;
    for (intptr_t other = 0; other < members; other++) {
        int processor = atomic_load_explicit(&places.processors[other], memory_order_relaxed);
        if (other != index && processor >= 0 && processor < CPU_SETSIZE) CPU_CLR(processor, &unused);
    }
    if (CPU_COUNT(&unused) == 0) return;
    // The first call moves this thread at once, the second leaves it free again.
    if (sched_setaffinity(0, sizeof unused, &unused) == 0) sched_setaffinity(0, sizeof allowed, &allowed);
}

void placement_note(placement places, intptr_t index, intptr_t members, uint64_t *movedAt) {
    int here = sched_getcpu();
    // Written when it changes only, so that all can read it from their own caches.
    if (atomic_load_explicit(&places.processors[index], memory_order_relaxed) != here)
        atomic_store_explicit(&places.processors[index], here, memory_order_relaxed);
    bool shared = false;
    for (intptr_t other = 0; other < index; other++)
        shared |= atomic_load_explicit(&places.processors[other], memory_order_relaxed) == here;
    if (!shared) return;
    uint64_t now = spin_clock();
    if (now - *movedAt < MOVE_NANOSECONDS) return;
    *movedAt = now;
    moveAway(places, index, members);
    atomic_store_explicit(&places.processors[index], sched_getcpu(), memory_order_relaxed);
}

intptr_t tessera_allowed_processors(int *processors, intptr_t room) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0;
    intptr_t count = 0;
    for (int processor = 0; processor < CPU_SETSIZE; processor++) {
        if (!CPU_ISSET(processor, &allowed)) continue;
        if (count < room) processors[count] = processor;
        count++;
    }
    return count;
}

#else

intptr_t tessera_allowed_processors(int *processors, intptr_t room) {
    (void)processors, (void)room;
    return 0;
}

void placement_note(placement places, intptr_t index, intptr_t members, uint64_t *movedAt) {
    (void)places, (void)index, (void)members, (void)movedAt;
}

#endif
