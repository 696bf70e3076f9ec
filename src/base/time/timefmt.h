/* Times as text: RFC 3339 in UTC with milliseconds, business dates.
 *
 * Thread:  any; but call tb_zone_set before other threads start: a process has one time zone.
 * Units:   Unix milliseconds; minutes for the start of the day. */
#pragma once
#include "base/mem/buf.h"

#define TB_TIME_SIZE 25 /* 2026-11-23T08:20:42.123Z and a NUL */
#define TB_DATE_SIZE 11 /* 2026-11-23 and a NUL */
/* Years 0001 to 9999: what RFC 3339 can express. */
#define TB_TIME_MIN_MS INT64_C(-62135596800000)
#define TB_TIME_MAX_MS INT64_C(253402300799999)

/* Writes the last `digits` decimal digits of a value that is not negative, with zeroes in front
 * and without a NUL. */
void tb_put_digits(char *at, int64_t value, int digits);
/* Clamps time_ms into the range above. */
void tb_time_format(int64_t time_ms, char ret_text[TB_TIME_SIZE]);
/* Accepts RFC 3339 with any offset and up to 9 digits of a second, which are cut to milliseconds.
 * Leap second 60 becomes 59. */
bool tb_time_parse(struct tb_str text, int64_t *ret_ms);
bool tb_date_valid(struct tb_str text); /* YYYY-MM-DD that exists */

/* "" or NULL keeps the system's zone; TB_INVALID: the machine does not know the name. */
TB_CHECKED enum tb_code tb_zone_set(const char *name, struct tb_error *err);
bool tb_zone_known(const char *name); /* would tb_zone_set accept it? */
/* Writes the date of the business day: the local date, or the day before if the local time is
 * before day_start_minutes. */
void tb_business_date(int64_t time_ms, int day_start_minutes, char ret_date[TB_DATE_SIZE]);
/* The moment at which that business day ends: the next one begins. */
int64_t tb_business_day_end_ms(int64_t time_ms, int day_start_minutes);
/* The moment at which a valid date begins in the process's zone, and in UTC. */
int64_t tb_date_start_ms(struct tb_str date);
int64_t tb_date_utc_ms(struct tb_str date);
