/* Raw SQLite: how fast it inserts the rows that the store writes for an order.
 *
 * The tables, their indexes and one row of orders and outbox are read from a store that
 * tillbox-edge has just made, so the limit follows the schema. Ids and other unique columns get
 * new values for every row; all other values are copied, so the number of bytes is the same.
 *
 * Thread:  main.
 * Errors:  tb_bench_die.
 * Units:   orders (two rows each) a second. */
#pragma once
#include "server.h"

struct tb_raw;
/* Starts an edge in a new folder, places one order, and reads its rows. */
struct tb_raw *tb_raw_new(const struct tb_bench *bench);
void tb_raw_free(struct tb_raw *raw);
/* Inserts into a new database: WAL, synchronous=FULL, per_commit orders in each transaction. */
double tb_raw_run(struct tb_raw *raw, int per_commit, double seconds);
