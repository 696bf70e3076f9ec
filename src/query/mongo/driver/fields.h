/* Tables of fields. The same table writes a struct as a document and reads the document back.
 *
 * Reading ignores fields that are not in the table, because later versions may write more. If the
 * document lacks a field, its member of the struct stays unchanged.
 *
 * Memory:  texts and lists that are read are copied into the arena.
 * Errors:  false: a field breaks TB_BSON_STRICT, or there is no memory. */
#pragma once
#include "base/mem/arena.h"
#include "query/mongo/driver/bson.h"
#include <stddef.h>

enum tb_bson_type {
    TB_BSON_STR,   /* struct tb_str; not written if it is absent */
    TB_BSON_BYTES, /* as TB_BSON_STR, but any bytes */
    TB_BSON_TEXT,  /* char[size] */
    TB_BSON_INT,   /* int64_t */
    TB_BSON_INT32, /* int32_t; stored with 64 bits */
    TB_BSON_SUM,   /* tb_sum; stored with 64 bits, or as a decimal if it needs more */
    TB_BSON_BOOL,
    TB_BSON_TIME,     /* int64_t, in Unix milliseconds */
    TB_BSON_ENUM,     /* stored as the name of the value */
    TB_BSON_DOCUMENT, /* a struct; the bool at `length` says whether it is there */
    TB_BSON_LIST,     /* pointer to an array; the size_t at `length` is its count */
    TB_BSON_ARRAY     /* array of at most `max` elements; `length` as above */
};
/* Do not write an empty value: "", false, no elements, or a number that is not positive. */
#define TB_BSON_OMIT 1u
/* Reading fails if a text, enum, list or document has another type, is an unknown name, is too
 * long, or is an empty char[]. Without this flag such a char[] reads as "", a list ends before the
 * element that cannot be read, and any other such member stays unchanged. A number, bool or time
 * of another type always reads as 0 or false. */
#define TB_BSON_STRICT 2u

struct tb_bson_table {
    const struct tb_bson_field *fields;
    size_t count, size; /* of the struct */
};
struct tb_bson_field {
    const char *name;
    enum tb_bson_type type;
    size_t offset, size; /* of the member: TB_BSON_AT */
    unsigned flags;
    size_t length, max;                     /* length: an offset too; max 0: no limit */
    const struct tb_bson_table *element;    /* of the inner documents; NULL: int64_t */
    const char *(*name_of)(unsigned value); /* of an enum with the values 0 to max - 1 */
};
#define TB_BSON_AT(type, member)                                                                  \
    .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define TB_BSON_TABLE(type, list)                                                                 \
    {                                                                                             \
        list, sizeof(list) / sizeof *(list), sizeof(type)                                         \
    }

/* Writes `count` fields of the table, beginning with fields[first]. */
void tb_bson_put_range(struct tb_bson_writer out, const struct tb_bson_table *table, size_t first,
                       size_t count, const void *from);
void tb_bson_put_fields(struct tb_bson_writer out, const struct tb_bson_table *table,
                        const void *from);
TB_CHECKED bool tb_bson_get_fields(const bson_t *doc, const struct tb_bson_table *table,
                                   struct tb_arena *arena, void *into);
