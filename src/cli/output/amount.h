/* Amounts for people: minor units with the currency's digits, computed without floating point.
 *
 * Thread:  pure.
 * Units:   money in minor units (_minor). */
#pragma once
#include <stdint.h>

/* A sign, 20 digits, a point, 9 more digits and a NUL. */
#define TB_AMOUNT_SIZE 40

/* digits: 0 to 9. 700 with 2 is "7.00", with 0 "700". */
void tb_amount_format(int64_t minor, int digits, char ret_text[TB_AMOUNT_SIZE]);
