/* Tables of a document's fields: one table both writes a struct as a document and reads it back.
 *
 * A document may lack fields and may have others: those that no table names are ignored, because
 * later versions may write some. A missing field leaves its member as it is.
 *
 * Memory:  texts and lists that are read are copied into the arena.
 * Errors:  false: the document is not as it was written, or there is no memory. */
#pragma once
#include "base/mem/arena.h"
#include "query/mongo/driver/bson.h"
#include <stddef.h>

enum tb_bson_type {
    TB_BSON_STR,   /* struct tb_str; absent: not written */
    TB_BSON_BYTES, /* the same, of any bytes */
    TB_BSON_TEXT,  /* char[size] */
    TB_BSON_INT,   /* int64_t */
    TB_BSON_INT32, /* int32_t; the document has 64 bits */
    TB_BSON_BOOL,
    TB_BSON_TIME,     /* int64_t, in Unix milliseconds */
    TB_BSON_ENUM,     /* the name of an enum's value */
    TB_BSON_DOCUMENT, /* a struct; `length` is the place of a bool: it is there */
    TB_BSON_LIST,     /* pointer to an array; `length` is the place of its size_t */
    TB_BSON_ARRAY     /* array of at most `max`; `length` as above */
};
/* Not written when it is empty: "", false, no elements, or a number that is not positive. */
#define TB_BSON_OMIT 1u
/* Reading fails if the value is of another type, unknown, too long, or an empty text. Without this
 * such a value reads as zero. */
#define TB_BSON_STRICT 2u

struct tb_bson_table {
    const struct tb_bson_field *fields;
    size_t count, size; /* of the struct */
};
struct tb_bson_field {
    const char *name;
    enum tb_bson_type type;
    size_t offset, size; /* TB_BSON_AT */
    unsigned flags;
    size_t length, max;                  /* max 0: any */
    const struct tb_bson_table *element; /* of a document, or of a list; NULL: int64_t */
    const char *(*name_of)(int value);   /* of an enum with the values 0 to max - 1 */
};
#define TB_BSON_AT(type, member)                                                                  \
    .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define TB_BSON_TABLE(type, list)                                                                 \
    {                                                                                             \
        list, sizeof(list) / sizeof *(list), sizeof(type)                                         \
    }

/* `count` fields of the table from the one at `first` on. */
void tb_bson_put_range(struct tb_bson_writer out, const struct tb_bson_table *table, size_t first,
                       size_t count, const void *from);
void tb_bson_put_fields(struct tb_bson_writer out, const struct tb_bson_table *table,
                        const void *from);
TB_CHECKED bool tb_bson_get_fields(const bson_t *doc, const struct tb_bson_table *table,
                                   struct tb_arena *arena, void *into);
