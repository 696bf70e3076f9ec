/* Arena: many small allocations that are freed together (one command, one event, one document).
 *
 * Memory:  what an arena returns lives until tb_arena_release or tb_arena_clear.
 * Errors:  NULL when out of memory.
 * Units:   bytes; results are aligned for any type. */
#pragma once
#include "base/mem/buf.h"
#include <stdalign.h>

struct tb_arena_chunk;
struct tb_arena {
    struct tb_arena_chunk *chunks; /* newest first */
    char *at, *end;                /* the free part of the newest */
    size_t chunk_size;             /* smallest size of a new chunk; 0: 4 KiB */
};

/* Adds a chunk with room for `size` bytes and returns its start; tb_arena_alloc_raw calls it. */
void *tb_arena_grow(struct tb_arena *arena, size_t size);
static inline void *tb_arena_alloc_raw(struct tb_arena *arena, size_t size) /* not zeroed */
{
    char *result = arena->at;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!result || size > (size_t)(arena->end - arena->at))
        result = tb_arena_grow(arena, size);
    if (result)
        arena->at = result + size;
    return result;
}
static inline void *tb_arena_alloc(struct tb_arena *arena, size_t size) /* zeroed */
{
    void *result = tb_arena_alloc_raw(arena, size);

    return result ? memset(result, 0, size) : NULL;
}
/* Allocates count * size, zeroed; NULL too if that overflows. */
void *tb_arena_array(struct tb_arena *arena, size_t count, size_t size);
/* Returns a NUL-terminated copy; {NULL, 0} for an absent text or when out of memory. */
struct tb_str tb_arena_copy(struct tb_arena *arena, struct tb_str text);
/* Replaces *text by a copy in the arena; absent stays absent. False: out of memory. */
TB_CHECKED bool tb_arena_copy_in_place(struct tb_arena *arena, struct tb_str *text);
void tb_arena_clear(struct tb_arena *arena); /* frees all but one chunk, for the next use */
void tb_arena_release(struct tb_arena *arena);
