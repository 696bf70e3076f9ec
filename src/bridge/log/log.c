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

size_t tb_record_packed_size(const struct tb_record *record)
{
    return sizeof *record + tb_record_size(record) + 2 +
           record->header_count * (sizeof *record->headers + 2);
}

/* Copies a text and a NUL to *at. An absent text stays absent, an empty one stays present. */
static struct tb_str put(char **at, struct tb_str text)
{
    struct tb_str copy = {text.ptr ? *at : NULL, text.len};

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    (*at)[text.len] = '\0';
    *at += text.len + 1;
    return copy;
}

struct tb_record *tb_record_pack(void *room, const struct tb_record *record)
{
    struct tb_record *copy = room;
    struct tb_header *headers = (struct tb_header *)(copy + 1);
    char *at = (char *)(headers + record->header_count);

    *copy = *record;
    copy->headers = headers;
    copy->key = put(&at, record->key);
    copy->value = put(&at, record->value);
    for (size_t i = 0; i < record->header_count; i++) {
        headers[i].name = put(&at, record->headers[i].name);
        headers[i].value = put(&at, record->headers[i].value);
    }
    return copy;
}

bool tb_record_copy(struct tb_arena *arena, const struct tb_record *record,
                    struct tb_record *ret_copy)
{
    void *room = tb_arena_alloc_raw(arena, tb_record_packed_size(record));

    if (room)
        *ret_copy = *tb_record_pack(room, record);
    return room != NULL;
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
