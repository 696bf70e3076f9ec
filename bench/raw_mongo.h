/* Raw MongoDB: what mongo-c-driver alone does with the documents that a central wrote.
 *
 * The documents are read back from the collection that is served, and written to another one with
 * the same indexes, in bulks of the same size, unordered, confirmed by a majority and journaled:
 * the same operations that a central sends for them, and nothing else.
 *
 * Thread:  one.
 * Memory:  tb_raw_mongo_free frees the documents.
 * Errors:  tb_bench_die.
 * Units:   documents a second. */
#pragma once
#include "bench.h"

struct tb_raw_mongo;
/* Takes the documents of database.orders. */
struct tb_raw_mongo *tb_raw_mongo_new(const char *uri, const char *database);
void tb_raw_mongo_free(struct tb_raw_mongo *raw);
size_t tb_raw_mongo_count(const struct tb_raw_mongo *raw);
/* Into an empty collection, made anew: inserts. */
double tb_raw_mongo_insert(struct tb_raw_mongo *raw, int bulk_size);
/* Over what insert left: replaces each document whose version is lower by itself, its version one
 * higher than before: {_id, version: {$lt: n}}, upsert. */
double tb_raw_mongo_replace(struct tb_raw_mongo *raw, int bulk_size);
