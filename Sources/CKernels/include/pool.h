#ifndef TESSERA_POOL_H
#define TESSERA_POOL_H

/// Threads that stay, for work of microseconds.
///
/// A pool keeps its threads from one piece of work to the next. Between pieces they spin for a moment, then yield, then
/// sleep, so that work that follows closely starts within a microsecond and an idle pool costs nothing.

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

typedef struct tessera_pool tessera_pool;

/// What the members of one team share: their barrier.
typedef struct tessera_team tessera_team;

/// What every member runs. `team` is NULL when count is 1.
typedef void (*tessera_member)(void *context, tessera_team *_Nullable team, intptr_t index, intptr_t count);

/// A pool whose teams have up to `members` members, their callers included. Threads start when they are first wanted.
/// NULL when there is no memory.
tessera_pool *_Nullable tessera_pool_create(intptr_t members);

/// Ends the threads and frees the pool. No team may be running.
void tessera_pool_destroy(tessera_pool *pool);

/// Runs `member` with index 0..<count on as many threads at once, the caller being number 0; returns when all are done.
/// There are fewer members than asked for when the pool or the system has no more threads, and the caller alone when it
/// is itself a member of a team (of any pool), or when the pool is serving another caller.
void tessera_pool_run(tessera_pool *pool, intptr_t count, tessera_member member, void *context);

/// Whether the calling thread is a member of a team of several.
bool tessera_pool_is_member(void);

/// Returns when every member of the team is here. What members wrote before is visible to all after.
void tessera_team_wait(tessera_team *team);

/// Writes the numbers of the processors that this thread may run on, at most `room` of them; returns how many there are,
/// 0 where the system does not tell.
intptr_t tessera_allowed_processors(int *_Nullable processors, intptr_t room);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#ifdef __cplusplus
}
#endif

#endif
