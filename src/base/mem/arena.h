/* Arena: many small allocations that live and die together (one command, one event).
 *
 * Thread:  one owner.
 * Memory:  what it hands out lives until tb_arena_release or tb_arena_clear.
 * Errors:  NULL when out of memory.
 * Units:   bytes; results are aligned for any type. */
#pragma once
#include "base/mem/buf.h"

struct tb_arena_chunk;
struct tb_arena {
    struct tb_arena_chunk *chunks; /* newest first */
};

void *tb_arena_alloc(struct tb_arena *arena, size_t size); /* zeroed */
/* count * size with overflow checked. */
void *tb_arena_array(struct tb_arena *arena, size_t count, size_t size);
/* A NUL-terminated copy; {NULL, 0} for an absent text or when out of memory. */
struct tb_str tb_arena_copy(struct tb_arena *arena, struct tb_str text);
/* The text becomes a copy of its own; absent stays absent. False: out of memory. */
TB_CHECKED bool tb_arena_copy_in_place(struct tb_arena *arena, struct tb_str *text);
void tb_arena_clear(struct tb_arena *arena); /* keeps one chunk for the next use */
void tb_arena_release(struct tb_arena *arena);
