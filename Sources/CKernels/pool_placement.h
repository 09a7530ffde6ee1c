#ifndef TESSERA_POOL_PLACEMENT_H
#define TESSERA_POOL_PLACEMENT_H

#include <stdatomic.h>
#include <stdint.h>

/// Where members of a team run. Threads that spin and yield never sleep, so a scheduler that once put two of them on one
/// processor may leave them there for a long time when the others look busy: the team then runs at half its speed.
typedef struct placement {
    /// The processor each member was last seen on, -1 before.
    _Atomic int *processors;
} placement;

/// Notes where member `index` runs. Of two members on one processor, the later one moves to a processor that none is on,
/// if there is one it may use. Does nothing but note where the system has no such calls.
/// `movedAt` is when this member moved last, kept by the caller; the first member never moves and needs none.
void placement_note(placement places, intptr_t index, intptr_t members, uint64_t *movedAt);

#endif
