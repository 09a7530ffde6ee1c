// Strict C11 hides what POSIX adds: threads with signal masks, clocks, aligned memory.
#define _POSIX_C_SOURCE 200809L

#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "pool_placement.h"
#include "pool_spin.h"

enum {
    LINE = 64,
    /// The last bits of a ticket are the team's size.
    COUNT_BITS = 16,
    MOST_MEMBERS = (1 << COUNT_BITS) - 1,
    STACK_BYTES = 8 << 20,
};

/// A sense-reversing barrier: the last to arrive turns the phase, which the others watch.
struct tessera_team {
    alignas(LINE) _Atomic intptr_t arrived;
    alignas(LINE) _Atomic uintptr_t phase;
    alignas(LINE) intptr_t count;
    /// Whether there are more members than processors.
    bool crowded;
};

struct worker {
    tessera_pool *pool;
    pthread_t thread;
    intptr_t index;
    /// The last ticket this worker has dealt with.
    uint64_t seen;
    uint64_t movedAt;
};

struct tessera_pool {
    /// Announces a job: a running number, and how many members it has. Workers beyond that look at nothing else, so
    /// that the next job can be written while they are still waking up.
    alignas(LINE) _Atomic uint64_t ticket;
    /// Workers of the present job that are not done.
    alignas(LINE) _Atomic intptr_t remaining;
    alignas(LINE) _Atomic bool busy;
    /// Sleeping workers, and whether the caller sleeps. Each side first says what it did, then looks at what the other
    /// said, all in one order (seq_cst), so that no one is left asleep.
    _Atomic intptr_t parked;
    _Atomic bool callerParked;
    _Atomic bool ending;

    alignas(LINE) tessera_member member;
    void *context;
    tessera_team team;

    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t done;
    struct worker *workers;
    placement places;
    intptr_t started;
    intptr_t most;
    intptr_t processors;
    /// Whether there are more threads than processors.
    _Atomic bool crowded;
};

static _Thread_local bool isMember;

bool tessera_pool_is_member(void) { return isMember; }

void tessera_team_wait(tessera_team *team) {
    uintptr_t phase = atomic_load_explicit(&team->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == team->count) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->phase, phase + 1, memory_order_release);
        return;
    }
    spin wait = {0};
    while (atomic_load_explicit(&team->phase, memory_order_acquire) == phase) {
        if (!spin_on(&wait, team->crowded)) sched_yield();
    }
}

static uint64_t awaitTicket(tessera_pool *pool, uint64_t seen, spin *wait) {
    for (;;) {
        uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
        if (ticket != seen) return ticket;
        if (spin_on(wait, pool->crowded)) continue;
        pthread_mutex_lock(&pool->lock);
        atomic_fetch_add(&pool->parked, 1);
        while ((ticket = atomic_load(&pool->ticket)) == seen) pthread_cond_wait(&pool->work, &pool->lock);
        atomic_fetch_sub(&pool->parked, 1);
        pthread_mutex_unlock(&pool->lock);
        return ticket;
    }
}

static void *work(void *argument) {
    struct worker *self = argument;
    tessera_pool *pool = self->pool;
    isMember = true;
    spin wait = {0};
    for (;;) {
        self->seen = awaitTicket(pool, self->seen, &wait);
        if (atomic_load(&pool->ending)) return NULL;
        intptr_t count = (intptr_t)(self->seen & MOST_MEMBERS);
        // One that had nothing to do goes back to sleep at once.
        if (self->index >= count) continue;
        placement_note(pool->places, self->index, count, &self->movedAt);
        pool->member(pool->context, &pool->team, self->index, count);
        if (atomic_fetch_sub(&pool->remaining, 1) == 1 && atomic_load(&pool->callerParked)) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->lock);
        }
        wait = (spin){0};
    }
}

/// Starts threads until there are members - 1 of them or the system refuses.
static void grow(tessera_pool *pool, intptr_t members) {
    if (pool->started >= members - 1) return;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    // Signals belong to the threads of the program.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->started < members - 1) {
        struct worker *worker = &pool->workers[pool->started];
        worker->pool = pool;
        worker->index = pool->started + 1;
        worker->seen = atomic_load(&pool->ticket);
        if (pthread_create(&worker->thread, &attributes, work, worker) != 0) break;
        pool->started++;
    }
    atomic_store_explicit(&pool->crowded, pool->started + 1 > pool->processors, memory_order_relaxed);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

static void announce(tessera_pool *pool, intptr_t count) {
    uint64_t number = atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> COUNT_BITS;
    atomic_store(&pool->ticket, (number + 1) << COUNT_BITS | (uint64_t)count);
    if (atomic_load(&pool->parked) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->lock);
    }
}

static void awaitWorkers(tessera_pool *pool) {
    spin wait = {0};
    while (atomic_load_explicit(&pool->remaining, memory_order_acquire) != 0) {
        if (spin_on(&wait, pool->team.crowded)) continue;
        pthread_mutex_lock(&pool->lock);
        atomic_store(&pool->callerParked, true);
        while (atomic_load(&pool->remaining) != 0) pthread_cond_wait(&pool->done, &pool->lock);
        atomic_store(&pool->callerParked, false);
        pthread_mutex_unlock(&pool->lock);
    }
}

void tessera_pool_run(tessera_pool *pool, intptr_t count, tessera_member member, void *context) {
    if (count > pool->most) count = pool->most;
    if (count <= 1 || isMember || atomic_exchange_explicit(&pool->busy, true, memory_order_acquire)) {
        member(context, NULL, 0, 1);
        return;
    }
    grow(pool, count);
    if (count > pool->started + 1) count = pool->started + 1;
    if (count > 1) {
        pool->member = member;
        pool->context = context;
        pool->team.count = count;
        pool->team.crowded = count > pool->processors;
        atomic_store_explicit(&pool->remaining, count - 1, memory_order_relaxed);
        placement_note(pool->places, 0, count, NULL);
        announce(pool, count);
        isMember = true;
        member(context, &pool->team, 0, count);
        isMember = false;
        awaitWorkers(pool);
        atomic_store_explicit(&pool->busy, false, memory_order_release);
    } else {
        atomic_store_explicit(&pool->busy, false, memory_order_release);
        member(context, NULL, 0, 1);
    }
}

static intptr_t usableProcessors(void) {
    intptr_t allowed = tessera_allowed_processors(NULL, 0);
    return allowed > 0 ? allowed : (intptr_t)sysconf(_SC_NPROCESSORS_ONLN);
}

tessera_pool *tessera_pool_create(intptr_t members) {
    if (members < 1) members = 1;
    if (members > MOST_MEMBERS) members = MOST_MEMBERS;
    void *memory = NULL;
    if (posix_memalign(&memory, LINE, sizeof(tessera_pool)) != 0) return NULL;
    tessera_pool *pool = memory;
    *pool = (tessera_pool){.most = members, .processors = usableProcessors()};
    pool->workers = calloc((size_t)members, sizeof(struct worker));
    pool->places.processors = calloc((size_t)members, sizeof(_Atomic int));
    if (!pool->workers || !pool->places.processors) {
        free(pool->workers);
        free(pool->places.processors);
        free(pool);
        return NULL;
    }
    for (intptr_t index = 0; index < members; index++) atomic_init(&pool->places.processors[index], -1);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    return pool;
}

void tessera_pool_destroy(tessera_pool *pool) {
    atomic_store(&pool->ending, true);
    announce(pool, 0);
    for (intptr_t index = 0; index < pool->started; index++) pthread_join(pool->workers[index].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->places.processors);
    free(pool->workers);
    free(pool);
}
