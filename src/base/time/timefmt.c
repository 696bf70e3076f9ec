#include "base/time/timefmt.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)
#define DAYS_MIN (-719162) /* 0001-01-01, counted from 1970-01-01 */
#define DAYS_MAX 2932896   /* 9999-12-31 */
/* The folder in which the C library looks up zone names. */
#define ZONEINFO "/usr/share/zoneinfo"
#define ZONE_NAME_MAX 64

struct civil {
    int year, month, day;
};

/* Days since 1970-01-01. Years are counted from March, so that the leap day comes last and
 * the days before month m are (153 m + 2) / 5; 400 years have 146,097 days. */
static int64_t days_from_civil(struct civil date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static struct civil civil_from_days(int64_t days)
{
    int64_t shifted = days + 719468; /* since 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day = shifted - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */

    return (struct civil){
        .year = (int)(year + era * 400 + (month >= 10)),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
    };
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

void tb_put_digits(char *at, int64_t value, int digits)
{
    while (digits-- > 0) {
        at[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void put_date(char *at, int64_t days)
{
    struct civil date = civil_from_days(clamp(days, DAYS_MIN, DAYS_MAX));

    tb_put_digits(at, date.year, 4);
    at[4] = '-';
    tb_put_digits(at + 5, date.month, 2);
    at[7] = '-';
    tb_put_digits(at + 8, date.day, 2);
}

void tb_time_format(int64_t time_ms, char ret_text[TB_TIME_SIZE])
{
    int64_t time = clamp(time_ms, TB_TIME_MIN_MS, TB_TIME_MAX_MS);
    int64_t of_day = ((time % DAY_MS) + DAY_MS) % DAY_MS;

    memcpy(ret_text, "0000-00-00T00:00:00.000Z", TB_TIME_SIZE);
    put_date(ret_text, (time - of_day) / DAY_MS);
    tb_put_digits(ret_text + 11, of_day / 3600000, 2);
    tb_put_digits(ret_text + 14, of_day / 60000 % 60, 2);
    tb_put_digits(ret_text + 17, of_day / 1000 % 60, 2);
    tb_put_digits(ret_text + 20, of_day % 1000, 3);
}

/* The text that is not read yet. */
struct reader {
    const char *at, *end;
};

static bool read_char(struct reader *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

/* Reads exactly `digits` digits with a value in [low, high]. */
static bool read_number(struct reader *in, int digits, int low, int high, int *ret_value)
{
    int value = 0;

    if (in->end - in->at < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = *in->at++;

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *ret_value = value;
    return value >= low && value <= high;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

static bool read_date(struct reader *in, int64_t *ret_days)
{
    struct civil date;

    if (!read_number(in, 4, 1, 9999, &date.year) || !read_char(in, '-') ||
        !read_number(in, 2, 1, 12, &date.month) || !read_char(in, '-') ||
        !read_number(in, 2, 1, days_in_month(date.year, date.month), &date.day))
        return false;
    *ret_days = days_from_civil(date);
    return true;
}

/* Reads ".5" to ".123456789", or nothing. */
static bool read_fraction(struct reader *in, int *ret_ms)
{
    int digits = 0, ms = 0;

    *ret_ms = 0;
    if (!read_char(in, '.'))
        return true;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++, digits++) {
        if (digits < 3)
            ms = ms * 10 + (*in->at - '0');
    }
    for (int i = digits; i < 3; i++)
        ms *= 10;
    *ret_ms = ms;
    return digits >= 1 && digits <= 9;
}

/* Reads "Z" or "+02:00"; the result is local time minus UTC. */
static bool read_offset(struct reader *in, int *ret_minutes)
{
    int hours, minutes, sign = 1;

    if (read_char(in, 'Z') || read_char(in, 'z')) {
        *ret_minutes = 0;
        return true;
    }
    if (read_char(in, '-'))
        sign = -1;
    else if (!read_char(in, '+'))
        return false;
    if (!read_number(in, 2, 0, 23, &hours) || !read_char(in, ':') ||
        !read_number(in, 2, 0, 59, &minutes))
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool tb_time_parse(struct tb_str text, int64_t *ret_ms)
{
    struct reader in = {text.ptr, text.ptr + text.len};
    int64_t days, time;
    int hour, minute, second, ms, offset;

    if (text.len < sizeof "2026-11-23T08:20:42Z" - 1)
        return false;
    if (!read_date(&in, &days) || !(read_char(&in, 'T') || read_char(&in, 't')) ||
        !read_number(&in, 2, 0, 23, &hour) || !read_char(&in, ':') ||
        !read_number(&in, 2, 0, 59, &minute) || !read_char(&in, ':') ||
        !read_number(&in, 2, 0, 60, &second) || !read_fraction(&in, &ms) ||
        !read_offset(&in, &offset) || in.at != in.end)
        return false;
    if (second == 60)
        second = 59;
    time = days * DAY_MS + ((hour * 60 + minute - offset) * INT64_C(60) + second) * 1000 + ms;
    if (time < TB_TIME_MIN_MS || time > TB_TIME_MAX_MS)
        return false;
    *ret_ms = time;
    return true;
}

bool tb_date_valid(struct tb_str text)
{
    struct reader in = {text.ptr, text.ptr + text.len};
    int64_t days;

    return text.len == TB_DATE_SIZE - 1 && read_date(&in, &days);
}

/* Accepts letters, digits and _ + - in parts divided by single slashes, so that a name such as
 * ../x cannot leave the folder of zones. */
static bool zone_name_sound(const char *name)
{
    size_t len = strlen(name);
    char last = '/';

    if (len > ZONE_NAME_MAX)
        return false;
    for (; *name; last = *name++) {
        bool word = (*name >= 'A' && *name <= 'Z') || (*name >= 'a' && *name <= 'z') ||
                    (*name >= '0' && *name <= '9') || strchr("_+-", *name);

        if (!word && (*name != '/' || last == '/'))
            return false;
    }
    return last != '/';
}

bool tb_zone_known(const char *name)
{
    char path[sizeof ZONEINFO + 1 + ZONE_NAME_MAX] = ZONEINFO "/";
    struct stat st;

    if (!*name ||
        strcmp(name, "UTC") == 0) /* UTC works without zone files, which some machines lack */
        return true;
    if (!zone_name_sound(name))
        return false;
    memcpy(path + sizeof ZONEINFO, name, strlen(name) + 1);
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

enum tb_code tb_zone_set(const char *name, struct tb_error *err)
{
    if (name && *name) {
        if (!tb_zone_known(name))
            return tb_error_set(err, TB_INVALID, "time zone %.64s: not known here (%s)", name,
                                ZONEINFO);
        if (setenv("TZ", strcmp(name, "UTC") == 0 ? "UTC0" : name, 1) != 0)
            return tb_error_set(err, TB_INTERNAL, "out of memory setting the time zone");
    }
    tzset();
    return TB_OK;
}

/* The local date at a moment, in days since 1970-01-01, and the minute of that day. */
static int64_t local_day(int64_t time_s, int *ret_minute)
{
    time_t moment = (time_t)time_s;
    struct tm local;

    TB_ASSERT(localtime_r(&moment, &local) != NULL); /* cannot fail within 9999 years */
    *ret_minute = local.tm_hour * 60 + local.tm_min;
    return days_from_civil((struct civil){local.tm_year + 1900, local.tm_mon + 1, local.tm_mday});
}

static int64_t seconds_of(int64_t time_ms)
{
    int64_t time = clamp(time_ms, TB_TIME_MIN_MS, TB_TIME_MAX_MS);

    return (time - ((time % 1000) + 1000) % 1000) / 1000;
}

static int64_t business_day(int64_t time_s, int day_start_minutes)
{
    int minute;
    int64_t day = local_day(time_s, &minute);

    return minute < day_start_minutes ? day - 1 : day;
}

void tb_business_date(int64_t time_ms, int day_start_minutes, char ret_date[TB_DATE_SIZE])
{
    put_date(ret_date, business_day(seconds_of(time_ms), day_start_minutes));
    ret_date[TB_DATE_SIZE - 1] = '\0';
}

/* By bisection, as tb_date_start_ms. The longest days, on which a clock is put back, have 25
 * hours; two days always are enough. */
int64_t tb_business_day_end_ms(int64_t time_ms, int day_start_minutes)
{
    int64_t before = seconds_of(time_ms), after = before + 2 * 86400;
    int64_t day = business_day(before, day_start_minutes);

    while (after - before > 1) {
        int64_t middle = before + (after - before) / 2;

        if (business_day(middle, day_start_minutes) > day)
            after = middle;
        else
            before = middle;
    }
    return after * 1000;
}

int64_t tb_date_utc_ms(struct tb_str date)
{
    struct reader in = {date.ptr, date.ptr + date.len};
    int64_t days = 0;

    TB_ASSERT(tb_date_valid(date) && read_date(&in, &days));
    return days * DAY_MS;
}

/* Finds the first second whose local date is `date` or later, by bisection. (mktime would fail
 * where a zone skips midnight, or a whole day.) Zones are within 26 hours of UTC. */
int64_t tb_date_start_ms(struct tb_str date)
{
    struct reader in = {date.ptr, date.ptr + date.len};
    int64_t days = 0, before, after;
    int minute;

    TB_ASSERT(tb_date_valid(date) && read_date(&in, &days));
    before = days * 86400 - 26 * 3600;
    after = days * 86400 + 26 * 3600;
    while (after - before > 1) {
        int64_t middle = before + (after - before) / 2;

        if (local_day(middle, &minute) >= days)
            after = middle;
        else
            before = middle;
    }
    return after * 1000;
}
