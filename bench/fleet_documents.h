/* The database of a centre with many tills, as its documents: nodes, sequences, days, and orders.
 * They are written with the product's own encoders, directly into the database.
 *
 * Thread:  main.
 * Errors:  tb_bench_die. */
#pragma once
#include "base/time/timefmt.h"
#include "bench.h"

struct tb_fleet_size {
    int nodes;
    int days;       /* with a document in sales_by_day, the last ones up to today */
    int total_days; /* with documents in sales_totals */
    int64_t orders;
};
#define TB_FLEET_PARTITIONS 6
/* How many nodes are what: the rest is current. */
int tb_fleet_behind(const struct tb_fleet_size *size);
int tb_fleet_silent(const struct tb_fleet_size *size);

void tb_fleet_write(const char *uri, const char *database, const struct tb_fleet_size *size);
/* The business date so many days before today. */
void tb_fleet_date(int days_ago, char ret_date[TB_DATE_SIZE]);
