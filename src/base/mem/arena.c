#include "base/mem/arena.h"
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

/* A command with a few lines fits in the first chunk. */
#define CHUNK_SIZE 4096

struct tb_arena_chunk {
    struct tb_arena_chunk *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

static struct tb_arena_chunk *chunk_new(struct tb_arena *arena, size_t size)
{
    struct tb_arena_chunk *chunk;

    if (size < CHUNK_SIZE)
        size = CHUNK_SIZE;
    chunk = malloc(sizeof *chunk + size);
    if (!chunk)
        return NULL;
    chunk->next = arena->chunks;
    chunk->used = 0;
    chunk->size = size;
    arena->chunks = chunk;
    return chunk;
}

static void *alloc_raw(struct tb_arena *arena, size_t size)
{
    struct tb_arena_chunk *chunk = arena->chunks;
    void *result;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!chunk || size > chunk->size - chunk->used)
        chunk = chunk_new(arena, size);
    if (!chunk)
        return NULL;
    result = chunk->bytes + chunk->used;
    chunk->used += size;
    return result;
}

void *tb_arena_alloc(struct tb_arena *arena, size_t size)
{
    void *result = alloc_raw(arena, size);

    if (result)
        memset(result, 0, size);
    return result;
}

void *tb_arena_array(struct tb_arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return tb_arena_alloc(arena, total);
}

struct tb_str tb_arena_copy(struct tb_arena *arena, struct tb_str text)
{
    char *copy;

    if (!text.ptr)
        return (struct tb_str){0};
    copy = alloc_raw(arena, text.len + 1);
    if (!copy)
        return (struct tb_str){0};
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (struct tb_str){copy, text.len};
}

bool tb_arena_copy_in_place(struct tb_arena *arena, struct tb_str *text)
{
    bool absent = !text->ptr;

    *text = tb_arena_copy(arena, *text);
    return absent || text->ptr;
}

void tb_arena_clear(struct tb_arena *arena)
{
    struct tb_arena_chunk *kept = arena->chunks;

    if (!kept)
        return;
    arena->chunks = kept->next;
    tb_arena_release(arena);
    kept->next = NULL;
    kept->used = 0;
    arena->chunks = kept;
}

void tb_arena_release(struct tb_arena *arena)
{
    while (arena->chunks) {
        struct tb_arena_chunk *chunk = arena->chunks;

        arena->chunks = chunk->next;
        free(chunk);
    }
}
