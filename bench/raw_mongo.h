/* Raw MongoDB: how fast mongo-c-driver alone writes the documents of a central.
 *
 * The documents are read from the served collection and written to another one with the same
 * indexes, in bulks of the same size, unordered, confirmed by a majority and journaled. These are
 * the operations that a central sends for them.
 *
 * Thread:  main.
 * Memory:  tb_raw_mongo_free frees the documents.
 * Errors:  tb_bench_die.
 * Units:   documents a second. */
#pragma once
#include "bench.h"

struct tb_raw_mongo;
/* Reads the documents of database.orders. */
struct tb_raw_mongo *tb_raw_mongo_new(const char *uri, const char *database);
void tb_raw_mongo_free(struct tb_raw_mongo *raw);
size_t tb_raw_mongo_count(const struct tb_raw_mongo *raw);
/* Inserts all documents into a new collection. */
double tb_raw_mongo_insert(struct tb_raw_mongo *raw, int bulk_size);
/* After tb_raw_mongo_insert: raises the version of `count` documents by one and replaces the
 * stored ones: {_id, version: {$lt: n}}, upsert. */
double tb_raw_mongo_replace(struct tb_raw_mongo *raw, int bulk_size, size_t first, size_t count);
