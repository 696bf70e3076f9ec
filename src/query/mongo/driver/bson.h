/* Functions that write a BSON document field by field, and that read the value of a field.
 *
 * Memory:  texts that are read are borrowed from the document.
 * Errors:  a failed append sets *failed. The caller checks it once, after the last append. */
#pragma once
#include "base/error.h"
#include "base/mem/buf.h"
#include "base/values/sum.h"
#include <bson/bson.h>

/* The server accepts documents of up to 16 MiB. The rest is for what a bulk adds to each. */
#define TB_MONGO_DOCUMENT_MAX ((16u << 20) - (16u << 10))

struct tb_bson_writer {
    bson_t *doc;
    bool *failed; /* shared with the writers of inner documents */
};
/* These two write nothing if the value is absent. */
void tb_bson_put_str(struct tb_bson_writer out, const char *key, struct tb_str value);
void tb_bson_put_bytes(struct tb_bson_writer out, const char *key, struct tb_str value);

void tb_bson_put_text(struct tb_bson_writer out, const char *key, const char *value);
void tb_bson_put_int(struct tb_bson_writer out, const char *key, int64_t value);
/* With 64 bits if it fits, else as a decimal, which has 34 digits. */
void tb_bson_put_sum(struct tb_bson_writer out, const char *key, tb_sum value);
void tb_bson_put_bool(struct tb_bson_writer out, const char *key, bool value);
void tb_bson_put_time(struct tb_bson_writer out, const char *key, int64_t time_ms);
/* Begins an inner document or array, which `inner` stores. Write it with the returned writer, then
 * close it. */
struct tb_bson_writer tb_bson_open(struct tb_bson_writer out, const char *key, bson_t *inner);
struct tb_bson_writer tb_bson_open_array(struct tb_bson_writer out, const char *key,
                                         bson_t *inner);
void tb_bson_close(struct tb_bson_writer out, struct tb_bson_writer inner);
void tb_bson_close_array(struct tb_bson_writer out, struct tb_bson_writer inner);
/* The key of an array's element: its index in decimal. May use scratch. */
const char *tb_bson_index_key(size_t index, char scratch[16]);
void tb_bson_free(bson_t **doc); /* for TB_CLEANUP */
enum tb_code tb_mongo_no_memory(struct tb_error *err);

/* The value of a field. If it has another type or is too long: absent, "" or 0. */
struct tb_str tb_bson_get_str(const bson_iter_t *iter);
int64_t tb_bson_get_int(const bson_iter_t *iter);
tb_sum tb_bson_get_sum(const bson_iter_t *iter); /* an integer, or a decimal that is whole */
void tb_bson_get_text(const bson_iter_t *iter, char *ret_text, size_t size);
/* The value of the integer field `key`; 0: there is none. */
int64_t tb_bson_find_int(const bson_t *doc, const char *key);
