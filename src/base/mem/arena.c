#include "base/mem/arena.h"
#include <stdlib.h>

/* A command with a few lines fits in one chunk. */
#define CHUNK_SIZE 4096

struct tb_arena_chunk {
    struct tb_arena_chunk *next;
    size_t size;
    max_align_t bytes[];
};

static void use_chunk(struct tb_arena *arena, struct tb_arena_chunk *chunk)
{
    arena->chunks = chunk;
    arena->at = (char *)chunk->bytes;
    arena->end = arena->at + chunk->size;
}

void *tb_arena_grow(struct tb_arena *arena, size_t size)
{
    size_t least = arena->chunk_size ? arena->chunk_size : CHUNK_SIZE;
    struct tb_arena_chunk *chunk;

    if (size < least)
        size = least;
    chunk = malloc(sizeof *chunk + size);
    if (!chunk)
        return NULL;
    chunk->next = arena->chunks;
    chunk->size = size;
    use_chunk(arena, chunk);
    return arena->at;
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
    copy = tb_arena_alloc_raw(arena, text.len + 1);
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
    use_chunk(arena, kept);
}

void tb_arena_release(struct tb_arena *arena)
{
    while (arena->chunks) {
        struct tb_arena_chunk *chunk = arena->chunks;

        arena->chunks = chunk->next;
        free(chunk);
    }
    arena->at = arena->end = NULL;
}
