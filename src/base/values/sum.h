/* Sums of money in minor units, with 128 bits.
 *
 * An order's total is an exact number everywhere, because it is within +-(2^53 - 1). A sum is not:
 * it takes 2^74 such orders to leave 128 bits, so nobody checks for that, but only about a
 * thousand of them to leave 64.
 *
 * In JSON a sum is a number where that is exact, else a decimal string, and the member "exact"
 * says so beside it. */
#pragma once
#include "base/mem/buf.h"

__extension__ typedef __int128 tb_sum;

/* The longest text has a sign and 39 digits. */
#define TB_SUM_SIZE 41

void tb_sum_format(tb_sum sum, char ret_text[TB_SUM_SIZE]); /* "-123" */
/* False: the text is no whole number of at most 38 digits. */
bool tb_sum_parse(struct tb_str text, tb_sum *ret_sum);
/* False: it does not fit. */
bool tb_sum_int64(tb_sum sum, int64_t *ret_value);
/* Adds the member, which is called totalMinor or the like; if it is a string, also
 * "exact":"string". */
void tb_sum_add_member(struct tb_buf *out, const char *key, tb_sum sum);
