/* Promise: the small grammars of HTTP accept what the standards say and nothing else. Method:
 * tables of good and bad texts, at the limits and one beyond. */
#include "api/http/fields.h"
#include "support/support.h"
#include <stdlib.h>

static const struct {
    const char *value;
    bool json;
} media_types[] = {
    {"application/json", true},
    {"Application/JSON", true},
    {"application/json; charset=utf-8", true},
    {"application/json;charset=\"UTF-8\" ; x=y", true},
    {"application/merge-patch+json", true},
    {"application/json; charset=latin1", false},
    {"text/json", false},
    {"text/plain", false},
    {"application/jsonx", false},
    {"json", false},
    {"", false},
    {"+json", false},
};

START_TEST(media_type)
{
    ck_assert_int_eq(tb_media_type_is_json(tb_str_of(media_types[_i].value)),
                     media_types[_i].json);
}
END_TEST

static const struct {
    const char *value;
    const char *key; /* NULL: refused */
} keys[] = {
    {"abc", "abc"},    {"\"abc\"", "abc"}, {" \"a-1\" ", "a-1"}, {"a", "a"},         {"", NULL},
    {"\"\"", NULL},    {"\"", NULL},       {"\"a", NULL},        {"\"a\"b\"", NULL}, {"a b", NULL},
    {"\"a b\"", NULL}, {"\xc3\xa4", NULL}, {"a\x01", NULL},      {"a\"b", "a\"b"},
};

START_TEST(idempotency_key)
{
    struct tb_str key = {NULL, 0};
    bool ok = tb_idempotency_key_parse(tb_str_of(keys[_i].value), &key);

    ck_assert_int_eq(ok, keys[_i].key != NULL);
    if (ok)
        ck_assert(tb_str_eq(key, tb_str_of(keys[_i].key)));
}
END_TEST

START_TEST(idempotency_key_has_255_characters_at_most)
{
    char text[300];
    struct tb_str key = {NULL, 0};

    memset(text, 'k', sizeof(text));
    ck_assert(tb_idempotency_key_parse((struct tb_str){text, 255}, &key));
    ck_assert_uint_eq(key.len, 255);
    ck_assert(!tb_idempotency_key_parse((struct tb_str){text, 256}, &key));
    text[0] = text[256] = '"';
    ck_assert(tb_idempotency_key_parse((struct tb_str){text, 257}, &key));
    text[256] = 'k';
    text[257] = '"';
    ck_assert(!tb_idempotency_key_parse((struct tb_str){text, 258}, &key));
}
END_TEST

static const struct {
    const char *value;
    int64_t version; /* 0: any; -1: refused */
} matches[] = {
    {"*", 0},         {"\"1\"", 1},
    {" \"42\" ", 42}, {"\"999999999999999999\"", 999999999999999999},
    {"1", -1},        {"\"\"", -1},
    {"\"0\"", -1},    {"\"01\"", -1},
    {"W/\"1\"", -1},  {"", -1},
    {"\"x\"", -1},    {"\"1\", \"2\"", -1},
    {"\"-1\"", -1},   {"**", -1},
    {"\"1", -1},      {"\"1000000000000000000000\"", -1},
};

START_TEST(if_match)
{
    bool any = false;
    int64_t version = 0;
    bool ok = tb_if_match_parse(tb_str_of(matches[_i].value), &any, &version);

    ck_assert_int_eq(ok, matches[_i].version >= 0);
    if (ok) {
        ck_assert_int_eq(any, matches[_i].version == 0);
        ck_assert_int_eq(version, matches[_i].version);
    }
}
END_TEST

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
static const struct {
    const char *value;
    bool valid;
} traces[] = {
    {"00-" TRACE "-" SPAN "-01", true},
    {"cc-" TRACE "-" SPAN "-01-more", true},
    {"cc-" TRACE "-" SPAN "-01", true},
    {"00-" TRACE "-" SPAN "-01-more", false},
    {"cc-" TRACE "-" SPAN "-01more", false},
    {"ff-" TRACE "-" SPAN "-01", false},
    {"00-00000000000000000000000000000000-" SPAN "-01", false},
    {"00-" TRACE "-0000000000000000-01", false},
    {"00-0AF7651916cd43dd8448eb211c80319c-" SPAN "-01", false},
    {"00-" TRACE "-" SPAN "-0", false},
    {"00_" TRACE "-" SPAN "-01", false},
    {"", false},
};

START_TEST(traceparent)
{
    ck_assert_int_eq(tb_traceparent_valid(tb_str_of(traces[_i].value)), traces[_i].valid);
}
END_TEST

/* The byte 0 cannot be tested as text. */
START_TEST(target_and_field_characters)
{
    for (int c = 1; c < 256; c++) {
        char byte = (char)c;
        struct tb_str one = {&byte, 1};
        bool visible = c > 0x20 && c < 0x7f;
        ck_assert_int_eq(tb_is_target(one), visible && strchr("\"<>\\^`{|}#", c) == NULL);
        ck_assert_int_eq(tb_is_field_value(one), c == '\t' || (c >= 0x20 && c != 0x7f));
        ck_assert_int_eq(tb_is_token(one), visible && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL);
    }
    ck_assert(!tb_is_token((struct tb_str){"", 0}));
    ck_assert(!tb_is_field_value((struct tb_str){"\0", 1}));
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tc = tcase_create("grammars");

    tcase_add_loop_test(tc, media_type, 0, COUNT(media_types));
    tcase_add_loop_test(tc, idempotency_key, 0, COUNT(keys));
    tcase_add_test(tc, idempotency_key_has_255_characters_at_most);
    tcase_add_loop_test(tc, if_match, 0, COUNT(matches));
    tcase_add_loop_test(tc, traceparent, 0, COUNT(traces));
    tcase_add_test(tc, target_and_field_characters);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
