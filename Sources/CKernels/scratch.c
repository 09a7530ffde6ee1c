// Strict C11 hides what POSIX adds: threads, aligned memory.
#define _POSIX_C_SOURCE 200809L

#include "scratch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// Pieces of their own, so that writing past one is seen.
#define TESSERA_SCRATCH_APART 1
#endif
#endif

enum {
    LINE = 64,
    SMALLEST_BLOCK = 1 << 16,
    /// A thread that is between two pieces of work keeps no more than this.
    LARGEST_KEPT = 64 << 20,
};

#if defined(TESSERA_SCRATCH_APART)

void *tessera_scratch_take(size_t bytes) {
    void *memory;
    if (bytes > SIZE_MAX / 4) return NULL;
    return posix_memalign(&memory, LINE, bytes ? bytes : 1) == 0 ? memory : NULL;
}

void tessera_scratch_give(void *memory) { free(memory); }

#else

/// What is taken lies behind a line that remembers how full its block was before.
struct header {
    struct block *block;
    size_t usedBefore;
};

struct block {
    /// The block that was full when this one was needed.
    struct block *below;
    size_t capacity;
    size_t used;
};

struct stack {
    struct block *top;
    /// Bytes in use now, and the most there were.
    size_t used, most;
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool hasKey;
static _Thread_local struct stack *mine;

static void freeBlocks(struct stack *stack) {
    while (stack->top) {
        struct block *below = stack->top->below;
        free(stack->top);
        stack->top = below;
    }
}

static void endThread(void *value) {
    freeBlocks(value);
    free(value);
    mine = NULL;
}

static void makeKey(void) { hasKey = pthread_key_create(&key, endThread) == 0; }

static struct stack *stackOfThisThread(void) {
    if (mine) return mine;
    pthread_once(&once, makeKey);
    struct stack *stack = calloc(1, sizeof *stack);
    if (!stack) return NULL;
    if (!hasKey || pthread_setspecific(key, stack) != 0) {
        free(stack);
        return NULL;
    }
    return mine = stack;
}

static bool push(struct stack *stack, size_t bytes) {
    size_t capacity = bytes > stack->most ? bytes : stack->most;
    if (capacity < SMALLEST_BLOCK) capacity = SMALLEST_BLOCK;
    void *memory;
    if (posix_memalign(&memory, LINE, LINE + capacity) != 0) return false;
    struct block *block = memory;
    *block = (struct block){.below = stack->top, .capacity = capacity};
    stack->top = block;
    return true;
}

void *tessera_scratch_take(size_t bytes) {
    if (bytes > SIZE_MAX / 4) return NULL;
    size_t wanted = LINE + (bytes + LINE - 1) / LINE * LINE;
    struct stack *stack = stackOfThisThread();
    if (!stack) return NULL;
    if (!stack->top || stack->top->capacity - stack->top->used < wanted) {
        if (!push(stack, wanted)) return NULL;
    }
    struct block *block = stack->top;
    struct header *header = (struct header *)((char *)block + LINE + block->used);
    *header = (struct header){.block = block, .usedBefore = block->used};
    block->used += wanted;
    stack->used += wanted;
    if (stack->used > stack->most) stack->most = stack->used;
    return (char *)header + LINE;
}

void tessera_scratch_give(void *memory) {
    struct stack *stack = mine;
    struct header *header = (struct header *)((char *)memory - LINE);
    struct block *block = header->block;
    stack->used -= block->used - header->usedBefore;
    block->used = header->usedBefore;
    // Blocks above are empty, since what lay in them was given back before.
    while (stack->top != block) {
        struct block *above = stack->top;
        stack->top = above->below;
        free(above);
    }
    if (stack->used > 0) return;
    // With nothing in use, several blocks make room for one that holds the most that was needed.
    if (block->below || block->capacity > LARGEST_KEPT) {
        freeBlocks(stack);
        if (stack->most > LARGEST_KEPT) stack->most = 0;
    }
}

#endif
