/* Raw: what SQLite itself does with the rows that the store writes for an order.
 *
 * The tables, their indexes and one row each of orders and outbox are taken from a store that
 * tillbox-edge made a moment ago, so the limit moves with the schema. Ids and other unique
 * columns are made new for every row, everything else stays: the bytes are the same.
 *
 * Thread:  one.
 * Memory:  tb_raw_release frees the model.
 * Errors:  tb_bench_die.
 * Units:   orders (two rows each) a second. */
#pragma once
#include "node.h"

struct tb_raw;
/* Starts an edge on a folder of its own in bench->dir, places one order, takes its rows. */
struct tb_raw *tb_raw_new(const struct tb_bench *bench);
void tb_raw_free(struct tb_raw *raw);
/* Inserts into a new file, WAL, synchronous=FULL, per_commit orders a transaction. */
double tb_raw_run(struct tb_raw *raw, int per_commit, double seconds);
