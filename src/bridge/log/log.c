#include "bridge/log/log.h"

struct tb_str tb_record_header(const struct tb_record *record, const char *name)
{
    struct tb_str wanted = tb_str_of(name);

    for (size_t i = 0; i < record->header_count; i++) {
        if (tb_str_eq(record->headers[i].name, wanted))
            return record->headers[i].value;
    }
    return (struct tb_str){0};
}

size_t tb_record_size(const struct tb_record *record)
{
    size_t size = record->key.len + record->value.len;

    for (size_t i = 0; i < record->header_count; i++)
        size += record->headers[i].name.len + record->headers[i].value.len;
    return size;
}

bool tb_record_copy(struct tb_arena *arena, const struct tb_record *record,
                    struct tb_record *ret_copy)
{
    struct tb_record copy = *record;
    struct tb_header *headers = NULL;
    bool ok =
        tb_arena_copy_in_place(arena, &copy.key) && tb_arena_copy_in_place(arena, &copy.value);

    if (ok && record->header_count > 0) {
        headers = tb_arena_array(arena, record->header_count, sizeof *headers);
        ok = headers != NULL;
    }
    for (size_t i = 0; ok && i < record->header_count; i++) {
        headers[i] = record->headers[i];
        ok = tb_arena_copy_in_place(arena, &headers[i].name) &&
             tb_arena_copy_in_place(arena, &headers[i].value);
    }
    copy.headers = headers;
    if (ok)
        *ret_copy = copy;
    return ok;
}

/* Four bytes as a little-endian number, on any machine. */
static uint32_t word_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Austin Appleby's MurmurHash2 (public domain) with the seed of Kafka's Java client: every client
 * that writes to the topic must choose the same partition for a key. */
uint32_t tb_murmur2(const void *bytes, size_t len)
{
    const uint32_t m = 0x5bd1e995;
    const unsigned char *p = bytes;
    uint32_t h = 0x9747b28c ^ (uint32_t)len;

    for (; len >= 4; p += 4, len -= 4) {
        uint32_t k = word_at(p) * m;

        k ^= k >> 24;
        h = h * m ^ k * m;
    }
    for (size_t i = len; i > 0; i--)
        h ^= (uint32_t)p[i - 1] << (8 * (i - 1));
    if (len > 0)
        h *= m;
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}

int32_t tb_log_partition(struct tb_str key, int32_t partitions)
{
    return (int32_t)(tb_murmur2(key.ptr, key.len) & 0x7fffffff) % partitions;
}
