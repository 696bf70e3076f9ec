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
    int64_t hour, minute;

    if (strlen(text) != 5 || text[2] != ':' ||
        !tb_quantity_parse((struct tb_str){text, 2}, tb_unit_none, &hour) ||
        !tb_quantity_parse((struct tb_str){text + 3, 2}, tb_unit_none, &minute))
        return false;
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
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return false;
    }
    return tb_utf8_valid(tb_str_of(text));
}

static bool within(const struct tb_config_spec *spec, int64_t value)
{
    return (spec->min == 0 && spec->max == 0) || (value >= spec->min && value <= spec->max);
}

/* What the report says of each type, and the units of the types that are quantities. */
static const struct {
    const char *allowed;
    const struct tb_unit *units;
} types[] = {
    [TB_CONFIG_TEXT] = {"a text in UTF-8 without control characters", NULL},
    [TB_CONFIG_INT] = {"a whole number", tb_unit_none},
    [TB_CONFIG_SIZE] = {"a size in bytes, KiB, MiB or GiB", tb_unit_bytes},
    [TB_CONFIG_DURATION] = {"a duration in ms, s, m, h or d", tb_unit_durations},
    [TB_CONFIG_BOOL] = {"yes or no", NULL},
    [TB_CONFIG_CHOICE] = {"", NULL}, /* the choices are listed */
    [TB_CONFIG_TIME_OF_DAY] = {"a time of day from 00:00 to 23:59", NULL},
    [TB_CONFIG_NODE_NAME] = {"letters, digits and '-'", NULL},
    [TB_CONFIG_CURRENCY] = {"three capital letters, such as EUR", NULL},
    [TB_CONFIG_ADDRESS] = {"host:port, such as 127.0.0.1:8081 or [::1]:8081", NULL},
    [TB_CONFIG_ZONE] = {"a time zone this machine knows, such as Europe/Berlin or UTC", NULL},
};

bool tb_config_value_parse(const struct tb_config_spec *spec, const char *text, int64_t *ret_value)
{
    size_t len = strlen(text);

    *ret_value = 0;
    if (spec->forever && strcmp(text, "forever") == 0) {
        *ret_value = -1;
        return true;
    }
    switch (spec->type) {
    case TB_CONFIG_TEXT:
        return parse_text(text) && within(spec, (int64_t)len);
    case TB_CONFIG_INT:
    case TB_CONFIG_SIZE:
    case TB_CONFIG_DURATION:
        return tb_quantity_parse(tb_str_of(text), types[spec->type].units, ret_value) &&
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
    tb_buf_adds(out, " from ");
    tb_quantity_add(out, units, spec->min);
    tb_buf_adds(out, " to ");
    tb_quantity_add(out, units, spec->max);
}

void tb_config_value_allowed(const struct tb_config_spec *spec, struct tb_buf *out)
{
    const struct tb_unit *units = types[spec->type].units;
    bool bounded = spec->min != 0 || spec->max != 0;

    tb_buf_adds(out, types[spec->type].allowed);
    if (units && bounded)
        add_bounds(out, spec, units);
    else if (bounded)
        tb_buf_addf(out, ", %d to %d%s", (int)spec->min, (int)spec->max,
                    spec->type == TB_CONFIG_TEXT ? " bytes" : "");
    tb_buf_adds(out, spec->forever ? ", or forever" : "");
    if (spec->type != TB_CONFIG_CHOICE)
        return;
    tb_buf_adds(out, strchr(spec->choices, '|') ? "one of " : "");
    for (const char *c = spec->choices; *c; c++)
        tb_buf_add(out, *c == '|' ? ", " : c, *c == '|' ? 2 : 1);
}
