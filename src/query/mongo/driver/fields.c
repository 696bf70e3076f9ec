#include "query/mongo/driver/fields.h"

static const void *at(const void *from, size_t offset)
{
    return (const char *)from + offset;
}

static void put_document(struct tb_bson_writer out, const char *key,
                         const struct tb_bson_table *table, const void *from)
{
    bson_t within;
    struct tb_bson_writer inner = tb_bson_open(out, key, &within);

    tb_bson_put_fields(inner, table, from);
    tb_bson_close(out, inner);
}

static void put_list(struct tb_bson_writer out, const struct tb_bson_field *field,
                     const void *from)
{
    const void *list = at(from, field->offset);
    size_t count = *(const size_t *)at(from, field->length);
    char scratch[16];
    bson_t within;
    struct tb_bson_writer inner = tb_bson_open_array(out, field->name, &within);

    if (field->type == TB_BSON_LIST)
        memcpy(&list, list, sizeof list);
    for (size_t i = 0; i < count; i++) {
        const char *key = tb_bson_index_key(i, scratch);

        if (field->element)
            put_document(inner, key, field->element, at(list, i * field->element->size));
        else
            tb_bson_put_int(inner, key, ((const int64_t *)list)[i]);
    }
    tb_bson_close_array(out, inner);
}

static void put_field(struct tb_bson_writer out, const struct tb_bson_field *field,
                      const void *from)
{
    const void *value = at(from, field->offset);
    bool always = !(field->flags & TB_BSON_OMIT);

    switch (field->type) {
    case TB_BSON_STR:
        tb_bson_put_str(out, field->name, *(const struct tb_str *)value);
        break;
    case TB_BSON_BYTES:
        tb_bson_put_bytes(out, field->name, *(const struct tb_str *)value);
        break;
    case TB_BSON_TEXT:
        if (always || *(const char *)value != '\0')
            tb_bson_put_text(out, field->name, value);
        break;
    case TB_BSON_INT:
        if (always || *(const int64_t *)value > 0)
            tb_bson_put_int(out, field->name, *(const int64_t *)value);
        break;
    case TB_BSON_INT32:
        tb_bson_put_int(out, field->name, *(const int32_t *)value);
        break;
    case TB_BSON_SUM:
        tb_bson_put_sum(out, field->name, *(const tb_sum *)value);
        break;
    case TB_BSON_BOOL:
        if (always || *(const bool *)value)
            tb_bson_put_bool(out, field->name, *(const bool *)value);
        break;
    case TB_BSON_TIME:
        if (always || *(const int64_t *)value > 0)
            tb_bson_put_time(out, field->name, *(const int64_t *)value);
        break;
    case TB_BSON_ENUM:
        tb_bson_put_text(out, field->name, field->name_of(*(const unsigned *)value));
        break;
    case TB_BSON_DOCUMENT:
        if (always || *(const bool *)at(from, field->length))
            put_document(out, field->name, field->element, value);
        break;
    case TB_BSON_LIST:
    case TB_BSON_ARRAY:
        if (always || *(const size_t *)at(from, field->length) > 0)
            put_list(out, field, from);
        break;
    }
}

void tb_bson_put_range(struct tb_bson_writer out, const struct tb_bson_table *table, size_t first,
                       size_t count, const void *from)
{
    TB_ASSERT(first + count <= table->count);
    for (size_t i = first; i < first + count; i++)
        put_field(out, &table->fields[i], from);
}

void tb_bson_put_fields(struct tb_bson_writer out, const struct tb_bson_table *table,
                        const void *from)
{
    tb_bson_put_range(out, table, 0, table->count, from);
}

static struct tb_str get_bytes(const bson_iter_t *iter)
{
    const uint8_t *bytes = NULL;
    uint32_t len = 0;

    if (BSON_ITER_HOLDS_BINARY(iter))
        bson_iter_binary(iter, NULL, &len, &bytes);
    return (struct tb_str){(const char *)bytes, len};
}

static bool get_str(const struct tb_bson_field *field, struct tb_str text, struct tb_arena *arena,
                    struct tb_str *into)
{
    if (!text.ptr)
        return !(field->flags & TB_BSON_STRICT);
    *into = tb_arena_copy(arena, text);
    return into->ptr != NULL;
}

static bool get_all(bson_iter_t *iter, const struct tb_bson_table *table, struct tb_arena *arena,
                    void *into);

static bool get_document(const bson_iter_t *iter, const struct tb_bson_table *table,
                         struct tb_arena *arena, void *into)
{
    bson_iter_t inner;

    return BSON_ITER_HOLDS_DOCUMENT(iter) && bson_iter_recurse(iter, &inner) &&
           get_all(&inner, table, arena, into);
}

/* Reads *length elements. Without TB_BSON_STRICT the list ends before the first one that cannot be
 * read. */
static bool get_elements(bson_iter_t *list, const struct tb_bson_field *field,
                         struct tb_arena *arena, void *into, size_t *length)
{
    for (size_t i = 0; i < *length && bson_iter_next(list); i++) {
        if (!field->element) {
            ((int64_t *)into)[i] = tb_bson_get_int(list);
        } else if (!get_document(list, field->element, arena,
                                 (char *)into + i * field->element->size)) {
            *length = i;
            return !(field->flags & TB_BSON_STRICT);
        }
    }
    return true;
}

static bool get_list(const bson_iter_t *iter, const struct tb_bson_field *field,
                     struct tb_arena *arena, void *into)
{
    size_t *length = (void *)((char *)into + field->length), count = 0;
    void *elements = (char *)into + field->offset;
    bson_iter_t list, walk;

    if (!BSON_ITER_HOLDS_ARRAY(iter) || !bson_iter_recurse(iter, &list))
        return !(field->flags & TB_BSON_STRICT);
    for (walk = list; bson_iter_next(&walk);)
        count++;
    if (field->max > 0 && count > field->max) {
        if (field->flags & TB_BSON_STRICT)
            return false;
        count = field->max;
    }
    if (field->type == TB_BSON_LIST && count > 0) {
        void *room =
            tb_arena_array(arena, count, field->element ? field->element->size : sizeof(int64_t));

        if (!room)
            return false;
        memcpy(elements, &room, sizeof room);
        elements = room;
    }
    *length = count;
    return get_elements(&list, field, arena, elements, length);
}

static bool get_field(const bson_iter_t *iter, const struct tb_bson_field *field,
                      struct tb_arena *arena, void *into)
{
    bool is_strict = field->flags & TB_BSON_STRICT;
    void *value = (char *)into + field->offset;

    switch (field->type) {
    case TB_BSON_STR:
        return get_str(field, tb_bson_get_str(iter), arena, value);
    case TB_BSON_BYTES:
        return get_str(field, get_bytes(iter), arena, value);
    case TB_BSON_TEXT:
        tb_bson_get_text(iter, value, field->size);
        return !is_strict || *(const char *)value != '\0';
    case TB_BSON_INT:
        *(int64_t *)value = tb_bson_get_int(iter);
        return true;
    case TB_BSON_INT32:
        *(int32_t *)value = (int32_t)tb_bson_get_int(iter);
        return true;
    case TB_BSON_SUM:
        *(tb_sum *)value = tb_bson_get_sum(iter);
        return true;
    case TB_BSON_BOOL:
        *(bool *)value = BSON_ITER_HOLDS_BOOL(iter) && bson_iter_bool(iter);
        return true;
    case TB_BSON_TIME:
        *(int64_t *)value = BSON_ITER_HOLDS_DATE_TIME(iter) ? bson_iter_date_time(iter) : 0;
        return true;
    case TB_BSON_ENUM:
        return tb_name_find(tb_bson_get_str(iter), field->name_of, (unsigned)field->max, value) ||
               !(field->flags & TB_BSON_STRICT);
    case TB_BSON_DOCUMENT:
        if (!BSON_ITER_HOLDS_DOCUMENT(iter))
            return !is_strict;
        if (!get_document(iter, field->element, arena, value))
            return false;
        *(bool *)((char *)into + field->length) = true;
        return true;
    case TB_BSON_LIST:
    case TB_BSON_ARRAY:
        return get_list(iter, field, arena, into);
    }
    return false;
}

/* A document usually has its fields in the table's order, so the search begins behind the field
 * that was found last. */
static const struct tb_bson_field *find_field(const struct tb_bson_table *table, const char *name,
                                              size_t *next)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct tb_bson_field *field = &table->fields[(*next + i) % table->count];

        if (strcmp(field->name, name) == 0) {
            *next = (*next + i + 1) % table->count;
            return field;
        }
    }
    return NULL;
}

static bool get_all(bson_iter_t *iter, const struct tb_bson_table *table, struct tb_arena *arena,
                    void *into)
{
    size_t next = 0;

    while (bson_iter_next(iter)) {
        const struct tb_bson_field *field = find_field(table, bson_iter_key(iter), &next);

        if (field && !get_field(iter, field, arena, into))
            return false;
    }
    return true;
}

bool tb_bson_get_fields(const bson_t *doc, const struct tb_bson_table *table,
                        struct tb_arena *arena, void *into)
{
    bson_iter_t iter;

    return bson_iter_init(&iter, doc) && get_all(&iter, table, arena, into);
}
