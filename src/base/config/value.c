#include "base/config/config_priv.h"
#include "base/host_port.h"
#include "base/json/json.h"
#include "base/time/timefmt.h"
#include "base/values/quantity.h"

static bool parse_bool(const char *text, int64_t *ret_value)
{
    *ret_value = strcmp(text, "yes") == 0;
    return *ret_value || strcmp(text, "no") == 0;
}

/* The index of the text in "a|b|c". */
static bool parse_choice(const char *choices, const char *text, int64_t *ret_value)
{
    size_t len = strlen(text);

    for (int64_t place = 0; *choices; place++) {
        size_t size = strcspn(choices, "|");

        if (size == len && memcmp(choices, text, len) == 0) {
            *ret_value = place;
            return true;
        }
        choices += size + (choices[size] == '|');
    }
    return false;
}

/* "04:30" */
static bool parse_time_of_day(const char *text, int64_t *ret_value)
{
    int digits[4];

    if (strlen(text) != 5 || text[2] != ':')
        return false;
    for (int i = 0; i < 4; i++) {
        char c = text[i + (i >= 2)];

        if (c < '0' || c > '9')
            return false;
        digits[i] = c - '0';
    }
    int hour = digits[0] * 10 + digits[1], minute = digits[2] * 10 + digits[3];
    *ret_value = hour * 60 + minute;
    return hour < 24 && minute < 60;
}

static bool only(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == '\0';
}

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define WORD UPPER "abcdefghijklmnopqrstuvwxyz0123456789-"

/* Accepts a name, an IPv4 address or an IPv6 address in brackets, and a port. */
static bool parse_address(const char *text)
{
    char host[TB_HOST_SIZE], port[TB_PORT_SIZE];

    return tb_host_port_split(text, host, port) && host[0] &&
           only(host, text[0] == '[' ? "0123456789abcdefABCDEF:." : WORD ".");
}

static bool parse_text(const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t size = tb_utf8_size(text, left);

        if (size == 0 || (unsigned char)*text < 0x20 || *text == 0x7F)
            return false;
        text += size;
        left -= size;
    }
    return true;
}

static bool within(const struct tb_config_spec *spec, int64_t value)
{
    return (spec->min == 0 && spec->max == 0) || (value >= spec->min && value <= spec->max);
}

bool tb_config_value_parse(const struct tb_config_spec *spec, const char *text, int64_t *ret_value)
{
    size_t len = strlen(text);

    *ret_value = 0;
    switch (spec->type) {
    case TB_CONFIG_TEXT:
        return parse_text(text) && within(spec, (int64_t)len);
    case TB_CONFIG_INT:
        return tb_quantity_parse(tb_str_of(text), tb_unit_none, ret_value) &&
               within(spec, *ret_value);
    case TB_CONFIG_SIZE:
        return tb_quantity_parse(tb_str_of(text), tb_unit_bytes, ret_value) &&
               within(spec, *ret_value);
    case TB_CONFIG_DURATION:
        if (spec->forever && strcmp(text, "forever") == 0) {
            *ret_value = -1;
            return true;
        }
        return tb_quantity_parse(tb_str_of(text), tb_unit_durations, ret_value) &&
               within(spec, *ret_value);
    case TB_CONFIG_BOOL:
        return parse_bool(text, ret_value);
    case TB_CONFIG_CHOICE:
        return parse_choice(spec->choices, text, ret_value);
    case TB_CONFIG_TIME_OF_DAY:
        return parse_time_of_day(text, ret_value);
    case TB_CONFIG_NODE_NAME:
        return only(text, WORD) && within(spec, (int64_t)len);
    case TB_CONFIG_CURRENCY:
        return len == 3 && only(text, UPPER);
    case TB_CONFIG_ADDRESS:
        return parse_address(text);
    case TB_CONFIG_ZONE:
        return tb_zone_known(text);
    }
    return false;
}

static void add_bounds(struct tb_buf *out, const struct tb_config_spec *spec,
                       const struct tb_unit *units)
{
    if (spec->min == 0 && spec->max == 0)
        return;
    tb_buf_adds(out, " from ");
    tb_quantity_add(out, units, spec->min);
    tb_buf_adds(out, " to ");
    tb_quantity_add(out, units, spec->max);
}

void tb_config_value_allowed(const struct tb_config_spec *spec, struct tb_buf *out)
{
    switch (spec->type) {
    case TB_CONFIG_TEXT:
        tb_buf_adds(out, "a text in UTF-8 without control characters");
        if (spec->max)
            tb_buf_addf(out, ", %d to %d bytes", (int)spec->min, (int)spec->max);
        break;
    case TB_CONFIG_INT:
        tb_buf_adds(out, "a whole number");
        add_bounds(out, spec, tb_unit_none);
        break;
    case TB_CONFIG_SIZE:
        tb_buf_adds(out, "a size in bytes, KiB, MiB or GiB");
        add_bounds(out, spec, tb_unit_bytes);
        break;
    case TB_CONFIG_DURATION:
        tb_buf_adds(out, "a duration in ms, s, m, h or d");
        add_bounds(out, spec, tb_unit_durations);
        tb_buf_adds(out, spec->forever ? ", or forever" : "");
        break;
    case TB_CONFIG_BOOL:
        tb_buf_adds(out, "yes or no");
        break;
    case TB_CONFIG_CHOICE:
        tb_buf_adds(out, strchr(spec->choices, '|') ? "one of " : "");
        for (const char *c = spec->choices; *c; c++) {
            if (*c == '|')
                tb_buf_adds(out, ", ");
            else
                tb_buf_addc(out, *c);
        }
        break;
    case TB_CONFIG_TIME_OF_DAY:
        tb_buf_adds(out, "a time of day from 00:00 to 23:59");
        break;
    case TB_CONFIG_NODE_NAME:
        tb_buf_addf(out, "letters, digits and '-', %d to %d", (int)spec->min, (int)spec->max);
        break;
    case TB_CONFIG_CURRENCY:
        tb_buf_adds(out, "three capital letters, such as EUR");
        break;
    case TB_CONFIG_ADDRESS:
        tb_buf_adds(out, "host:port, such as 127.0.0.1:8081 or [::1]:8081");
        break;
    case TB_CONFIG_ZONE:
        tb_buf_adds(out, "a time zone this machine knows, such as Europe/Berlin or UTC");
        break;
    }
}
