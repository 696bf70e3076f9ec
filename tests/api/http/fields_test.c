/* Promise: HTTP's small grammars take what the standards have and nothing beside it. Method:
 * tables of good and bad texts, at the limits and one beyond. */
#include "api/http/query_string.h"
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

static const struct {
    const char *query;
    const char *fault; /* NULL: good; else part of the text */
    const char *a, *b; /* what is found; NULL: absent */
} queries[] = {
    {"a=1&b=2", NULL, "1", "2"},
    {"", NULL, NULL, NULL},
    {"a=1", NULL, "1", NULL},
    {"a=&b=x", NULL, NULL, "x"},
    {"&&a=1&", NULL, "1", NULL},
    {"a=%41+b%2Bc", NULL, "A b+c", NULL},
    {"%61=1", NULL, "1", NULL},
    {"a=1=2", NULL, "1=2", NULL},
    {"a", NULL, NULL, NULL},
    {"a=1&a=2", "a: given twice", NULL, NULL},
    {"c=1", "c: unknown", NULL, NULL},
    {"=1", "unknown", NULL, NULL},
    {"a=%4", "a: a broken", NULL, NULL},
    {"a=%", "a: a broken", NULL, NULL},
    {"a=%zz", "a: a broken", NULL, NULL},
    {"a=%00", "a: a broken", NULL, NULL},
    {"%c3%a4=1", "a query parameter: unknown", NULL, NULL},
};

START_TEST(query)
{
    static const char *const allowed[] = {"a", "b", NULL};
    struct tb_arena arena = {0};
    struct tb_params params;
    struct tb_error err = {0};
    struct tb_str text = tb_str_of(queries[_i].query);
    enum tb_code code = tb_params_parse(text, allowed, &arena, &params, &err);

    if (queries[_i].fault != NULL) {
        ck_assert_int_eq(code, TB_INVALID);
        ck_assert_ptr_nonnull(strstr(err.text, queries[_i].fault));
    } else {
        ck_assert_int_eq(code, TB_OK);
        ck_assert(tb_str_eq(tb_param(&params, "a"), tb_str_of(queries[_i].a)));
        ck_assert(tb_str_eq(tb_param(&params, "b"), tb_str_of(queries[_i].b)));
    }
    tb_arena_release(&arena);
}
END_TEST

START_TEST(absent_query_has_no_parameters)
{
    static const char *const allowed[] = {NULL};
    struct tb_arena arena = {0};
    struct tb_params params;
    struct tb_error err = {0};

    ck_ok(tb_params_parse((struct tb_str){NULL, 0}, allowed, &arena, &params, &err));
    ck_assert_uint_eq(params.count, 0);
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
    tcase_add_loop_test(tc, query, 0, COUNT(queries));
    tcase_add_test(tc, absent_query_has_no_parameters);
    tcase_add_test(tc, target_and_field_characters);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
