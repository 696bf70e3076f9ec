/* BSON documents: written with every append checked, read with every type checked.
 *
 * Memory:  texts that are read are borrowed from the document.
 * Errors:  a failed append sets *failed, which the caller reads once at the end. */
#pragma once
#include "base/error.h"
#include "base/mem/buf.h"
#include <bson/bson.h>

/* The server takes documents of 16 MiB; a bulk needs some of that around the document. */
#define TB_MONGO_DOCUMENT_MAX ((16u << 20) - (16u << 10))

struct tb_bson_writer {
    bson_t *doc;
    bool *failed; /* shared with the documents inside it */
};
/* Write nothing if the value is absent. */
void tb_bson_put_str(struct tb_bson_writer out, const char *key, struct tb_str value);
void tb_bson_put_bytes(struct tb_bson_writer out, const char *key, struct tb_str value);

void tb_bson_put_text(struct tb_bson_writer out, const char *key, const char *value);
void tb_bson_put_int(struct tb_bson_writer out, const char *key, int64_t value);
void tb_bson_put_bool(struct tb_bson_writer out, const char *key, bool value);
void tb_bson_put_time(struct tb_bson_writer out, const char *key, int64_t time_ms);
/* { key: { op: value } } */
void tb_bson_put_operator(struct tb_bson_writer out, const char *key, const char *op,
                          int64_t value);
struct tb_bson_writer tb_bson_open(struct tb_bson_writer out, const char *key, bson_t *inner);
struct tb_bson_writer tb_bson_open_array(struct tb_bson_writer out, const char *key,
                                         bson_t *inner);
void tb_bson_close(struct tb_bson_writer out, struct tb_bson_writer inner);
void tb_bson_close_array(struct tb_bson_writer out, struct tb_bson_writer inner);
/* The index as an array's key. */
const char *tb_bson_index_key(size_t index, char scratch[16]);
void tb_bson_free(bson_t **doc); /* for TB_CLEANUP */
enum tb_code tb_mongo_no_memory(struct tb_error *err);

/* The value of a field; absent, "" or 0 if it is of another type, or too long. */
struct tb_str tb_bson_get_str(const bson_iter_t *iter);
struct tb_str tb_bson_get_bytes(const bson_iter_t *iter);
int64_t tb_bson_get_int(const bson_iter_t *iter);
int64_t tb_bson_get_time(const bson_iter_t *iter);
void tb_bson_get_text(const bson_iter_t *iter, char *ret_text, size_t size);
/* The integer of that name in the document; 0: there is none. */
int64_t tb_bson_find_int(const bson_t *doc, const char *key);
