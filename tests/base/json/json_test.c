/* Promise: exactly the documents that json.h allows are read, and read as they were written. */
#include "base/json/json.h"
#include "support/support.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define GENERATED_DOCUMENTS 2000

static enum tb_code check_text(struct tb_str text, int depth_max)
{
    struct tb_json *root = NULL;
    struct tb_error err = {0};
    enum tb_code code = tb_json_parse(text, depth_max, &root, &err);

    ck_assert((root != NULL) == (code == TB_OK));
    tb_json_free(root);
    return code;
}

/* Parses a copy on the heap without a NUL, so that ASan sees a read beyond its end. */
static enum tb_code check_exact(const char *text, size_t len, int depth_max)
{
    char *copy = malloc(len ? len : 1);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, len);
    enum tb_code code = check_text((struct tb_str){copy, len}, depth_max);
    free(copy);
    return code;
}

/* Cases that JSONTestSuite leaves open or does not have. */
START_TEST(strings_are_utf8_without_nul)
{
    static const struct {
        struct tb_str text;
        enum tb_code code;
    } cases[] = {
        {TB_STR("\"\xC3\xA4\xE2\x82\xAC\xF0\x9D\x84\x9E\xF4\x8F\xBF\xBF\x7F\""), TB_OK},
        {TB_STR("\"\\ud834\\udd1E\\/\\uffff\""), TB_OK},
        {TB_STR("\"\xC0\xAF\""), TB_INVALID},         /* overlong */
        {TB_STR("\"\xE0\x9F\xBF\""), TB_INVALID},     /* overlong */
        {TB_STR("\"\xF0\x8F\xBF\xBF\""), TB_INVALID}, /* overlong */
        {TB_STR("\"\xED\xA0\x80\""), TB_INVALID},     /* surrogate */
        {TB_STR("\"\xF4\x90\x80\x80\""), TB_INVALID}, /* above U+10FFFF */
        {TB_STR("\"\xF5\x80\x80\x80\""), TB_INVALID},
        {TB_STR("\"\xE2\x82\""), TB_INVALID}, /* cut */
        {TB_STR("\"\xE2\x82"), TB_INVALID},
        {TB_STR("\"\x80\""), TB_INVALID},
        {TB_STR("\"a\0b\""), TB_INVALID},
        {TB_STR("\"a\\u0000b\""), TB_INVALID},
        {TB_STR("1\0"), TB_INVALID},
        {TB_STR("\"\\ud834\""), TB_INVALID},
        {TB_STR("\"\\udd1e\""), TB_INVALID},
        {TB_STR("\"\\ud834\\ud834\""), TB_INVALID},
        {TB_STR("\"\\ud834x\""), TB_INVALID},
        {TB_STR("\"\\ud834\\u0041\""), TB_INVALID},
        {TB_STR("\"\\U0041\""), TB_INVALID},
        {TB_STR("\xEF\xBB\xBF{}"), TB_INVALID}, /* byte order mark */
        {TB_STR(""), TB_INVALID},
        {TB_STR("  "), TB_INVALID},
        {TB_STR(" 1 "), TB_OK},
        {TB_STR("1 1"), TB_INVALID},
        {TB_STR("1\v"), TB_INVALID},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(check_exact(cases[i].text.ptr, cases[i].text.len, 32) == cases[i].code,
                      "case %zu: %s", i, cases[i].text.ptr);
}
END_TEST

START_TEST(keys_are_compared_as_they_are_meant)
{
    static const struct {
        const char *text;
        enum tb_code code;
    } cases[] = {
        {"{\"a\":1,\"\\u0061\":2}", TB_INVALID},
        {"{\"\\u00e4\":1,\"\xC3\xA4\":2}", TB_INVALID},
        {"{\"\\ud834\\udd1e\":1,\"\xF0\x9D\x84\x9E\":2}", TB_INVALID},
        {"{\"\\n\\/\":1,\"\\u000a/\":2}", TB_INVALID},
        {"{\"\":1,\"\":2}", TB_INVALID},
        {"{\"a\":{\"a\":1},\"b\":{\"a\":1}}", TB_OK},
        {"{\"a\":{\"b\":1},\"b\":[{\"a\":1},{\"a\":1}]}", TB_OK},
        {"{\"x\":{\"b\":1,\"c\":2},\"b\":1,\"x\":1}", TB_INVALID},
        {"{\"a\":1,\"A\":2,\"aa\":3,\"\\\\u0061\":4}", TB_OK},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(check_exact(cases[i].text, strlen(cases[i].text), 32) == cases[i].code, "%s",
                      cases[i].text);
}
END_TEST

/* Writes an object with `count` keys; the last one may repeat an earlier one. */
static void add_wide_object(struct tb_buf *out, int count, int twin)
{
    tb_buf_addc(out, '{');
    for (int i = 0; i < count; i++)
        tb_buf_addf(out, "%s\"k%d\":0", i ? "," : "", i);
    if (twin >= 0)
        tb_buf_addf(out, ",\"\\u006b%d\":0", twin);
    tb_buf_addc(out, '}');
}

/* Small objects compare their keys one by one, larger ones sort them; the verdict must be the
 * same. */
START_TEST(duplicates_are_found_in_objects_of_any_size)
{
    static const int sizes[] = {1, 2, 14, 15, 16, 17, 18, 40, 100, 1000, 32000};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int twins[] = {-1, 0, sizes[i] / 2, sizes[i] - 1};

        for (size_t j = 0; j < sizeof twins / sizeof twins[0]; j++) {
            struct tb_buf text = {0};

            add_wide_object(&text, sizes[i], twins[j]);
            ck_assert_int_eq(check_text(tb_buf_str(&text), 32), twins[j] < 0 ? TB_OK : TB_INVALID);
            tb_buf_release(&text);
        }
    }
}
END_TEST

START_TEST(wide_objects_inside_wide_objects)
{
    struct tb_buf text = {0};
    struct tb_json *root = NULL;
    struct tb_error err = {0};

    tb_buf_addc(&text, '{');
    for (int i = 0; i < 60; i++) {
        tb_buf_addf(&text, "\"o%d\":", i);
        add_wide_object(&text, 60, -1);
        tb_buf_addc(&text, ',');
    }
    tb_buf_adds(&text, "\"o59x\":1}");
    ck_ok(tb_json_parse(tb_buf_str(&text), 2, &root, &err));
    ck_assert_uint_eq(tb_json_count(root), 61);
    ck_assert_uint_eq(tb_json_count(tb_json_get(root, "o59")), 60);
    tb_json_free(root);
    tb_buf_release(&text);
}
END_TEST

START_TEST(depth_is_limited)
{
    for (int limit = 0; limit <= TB_JSON_DEPTH_MAX; limit++) {
        for (int depth = 0; depth <= TB_JSON_DEPTH_MAX + 1; depth++) {
            struct tb_buf text = {0};

            for (int i = 0; i < depth; i++)
                tb_buf_adds(&text, i % 2 ? "{\"a\":" : "[");
            tb_buf_addc(&text, '1');
            for (int i = depth; i-- > 0;)
                tb_buf_adds(&text, i % 2 ? "}" : "]");
            ck_assert_int_eq(check_text(tb_buf_str(&text), limit),
                             depth <= limit ? TB_OK : TB_INVALID);
            tb_buf_release(&text);
        }
    }
}
END_TEST

START_TEST(tokens_are_limited)
{
    for (int more = 0; more <= 1; more++) {
        struct tb_buf text = {0};

        tb_buf_addc(&text, '['); /* this is a token, too */
        for (int i = 0; i < TB_JSON_TOKENS_MAX - 1 + more; i++)
            tb_buf_adds(&text, i ? ",1" : "1");
        tb_buf_addc(&text, ']');
        ck_assert_int_eq(check_text(tb_buf_str(&text), 32), more ? TB_INVALID : TB_OK);
        tb_buf_release(&text);
    }
}
END_TEST

START_TEST(a_number_is_an_integer_only_as_written)
{
    static const struct {
        const char *text;
        bool integer;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"7", true, 7},
        {"-12", true, -12},
        {"9007199254740991", true, TB_JSON_INT_MAX},
        {"-9007199254740991", true, -TB_JSON_INT_MAX},
        {"9007199254740992", false, 0},
        {"-9007199254740992", false, 0},
        {"9007199254740993", false, 0},
        {"9223372036854775807", false, 0},
        {"18446744073709551617", false, 0}, /* 2^64 + 1 */
        {"99999999999999999999999999", false, 0},
        {"1.0", false, 0},
        {"1e2", false, 0},
        {"1E+2", false, 0},
        {"100e-2", false, 0},
        {"-0.0", false, 0},
        {"1e400", false, 0},
        {"0.1", false, 0},
        {"0.00000000000000000000000000000000000000000000000000000000000000000000000001", false, 0},
        {"1000000000000000000000000000000000000000000000000000000000000000000000000000", false, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_error err = {0};
        struct tb_buf text = {0}, again = {0};
        struct tb_json *root = NULL;
        int64_t value = 4711;

        /* In an array with neighbours, to see that each has its own text. */
        tb_buf_addf(&text, "[5,%s,{\"a\":%s},6]", cases[i].text, cases[i].text);
        ck_ok(tb_json_parse(tb_buf_str(&text), 32, &root, &err));
        const struct tb_json *number = tb_json_next(tb_json_first(root));
        ck_assert_msg(tb_json_int(number, &value) == cases[i].integer, "%s", cases[i].text);
        ck_assert_int_eq(value, cases[i].integer ? cases[i].value : 4711);
        ck_assert(tb_str_eq(tb_json_number_text(number), tb_str_of(cases[i].text)));
        ck_assert_int_eq(tb_json_type(number), TB_JSON_NUMBER);
        tb_json_print(&again, root);
        ck_assert_str_eq(again.data, text.data);
        tb_json_free(root);
        tb_buf_release(&text);
        tb_buf_release(&again);
    }
}
END_TEST

static const char order[] =
    "{\"orderId\":\"\\u00e4-1\",\"lines\":[{\"sku\":\"TEA\\n\",\"quantity\":-2,\"price\":3.50},"
    "{}],\"ok\":true,\"no\":false,\"none\":null,\"e\":[ ],\"x\\\"y\":1e3}";

START_TEST(values_are_reached_by_exact_names)
{
    struct tb_error err = {0};
    struct tb_json *root = NULL;
    bool flag = false;
    int64_t number = 0;

    ck_ok(tb_json_parse(TB_STR(order), 32, &root, &err));
    ck_assert_uint_eq(tb_json_count(root), 7);
    ck_assert(tb_str_eq(tb_json_string(tb_json_get(root, "orderId")), TB_STR("\xC3\xA4-1")));
    ck_assert_ptr_null(tb_json_get(root, "ORDERID"));
    ck_assert_ptr_null(tb_json_get(tb_json_get(root, "lines"), "sku"));
    ck_assert_ptr_null(tb_json_get(tb_json_get(root, "ok"), "sku"));
    const struct tb_json *line = tb_json_first(tb_json_get(root, "lines"));
    ck_assert(tb_str_eq(tb_json_key(tb_json_first(line)), TB_STR("sku")));
    ck_assert(tb_str_eq(tb_json_string(tb_json_get(line, "sku")), TB_STR("TEA\n")));
    ck_assert(tb_json_int(tb_json_get(line, "quantity"), &number) && number == -2);
    ck_assert(!tb_json_int(tb_json_get(line, "sku"), &number));
    ck_assert_ptr_null(tb_json_string(tb_json_get(line, "quantity")).ptr);
    ck_assert_ptr_null(tb_json_number_text(tb_json_get(line, "sku")).ptr);
    ck_assert_ptr_null(tb_json_first(tb_json_next(line)));
    ck_assert_ptr_null(tb_json_next(tb_json_next(line)));
    ck_assert(tb_json_bool(tb_json_get(root, "ok"), &flag) && flag);
    ck_assert(tb_json_bool(tb_json_get(root, "no"), &flag) && !flag);
    ck_assert(!tb_json_bool(tb_json_get(root, "none"), &flag));
    ck_assert_int_eq(tb_json_type(tb_json_get(root, "none")), TB_JSON_NULL);
    ck_assert_int_eq(tb_json_type(tb_json_get(root, "e")), TB_JSON_ARRAY);
    ck_assert_ptr_nonnull(tb_json_get(root, "x\"y"));
    tb_json_freep(&root);
    ck_assert_ptr_null(root);
    tb_json_free(NULL);
}
END_TEST

START_TEST(a_text_cut_anywhere_is_refused)
{
    for (size_t len = 0; len < sizeof order - 1; len++)
        ck_assert_msg(check_exact(order, len, 32) == TB_INVALID, "%.*s", (int)len, order);
    ck_assert_int_eq(check_exact(order, sizeof order - 1, 32), TB_OK);
}
END_TEST

START_TEST(the_report_names_the_byte)
{
    static const struct {
        const char *text, *report;
    } cases[] = {
        {"[1,]", "JSON, byte 3: a value belongs here"},
        {"{\"a\":1", "JSON, byte 6: the text ends too early"},
        {"{\"a\":01}", "JSON, byte 6: a comma or } belongs here"},
        {"{} x", "JSON, byte 3: something behind the value"},
        {"{\"a\":1,\"a\":2}", "JSON, byte 7: the same key twice in one object"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_json *root = NULL;
        struct tb_error err = {0};

        ck_assert_int_eq(tb_json_parse(tb_str_of(cases[i].text), 32, &root, &err), TB_INVALID);
        ck_assert_str_eq(err.text, cases[i].report);
    }
}
END_TEST

/* A random text of characters of one to four bytes, control characters included. */
static void random_text(struct fake_random *random, struct tb_buf *out)
{
    static const char *const pieces[] = {"a",
                                         "Z",
                                         "\"",
                                         "\\",
                                         "/",
                                         "\b",
                                         "\f",
                                         "\n",
                                         "\r",
                                         "\t",
                                         "\x01",
                                         "\x1f",
                                         "\x7f",
                                         "\xC3\xA4",
                                         "\xE2\x82\xAC",
                                         "\xF0\x9D\x84\x9E",
                                         "\xEF\xBF\xBF",
                                         " "};
    uint64_t count = fake_random_below(random, 12);

    tb_buf_adds(out, "");
    while (count-- > 0)
        tb_buf_adds(out, pieces[fake_random_below(random, sizeof pieces / sizeof pieces[0])]);
}

static void add_random_string(struct fake_random *random, struct tb_buf *out)
{
    struct tb_buf text = {0};

    random_text(random, &text);
    tb_json_add_string(out, tb_buf_str(&text));
    tb_buf_release(&text);
}

static void add_random_value(struct fake_random *random, struct tb_buf *out, int depth)
{
    static const char *const plain[] = {"null", "true", "false", "-0", "1.50", "1E-7", "0"};
    uint64_t kind = fake_random_below(random, depth > 0 ? 5 : 3);
    uint64_t count = fake_random_below(random, 25);

    switch (kind) {
    case 0:
        tb_buf_adds(out, plain[fake_random_below(random, sizeof plain / sizeof plain[0])]);
        break;
    case 1:
        tb_buf_add_int(out, (int64_t)fake_random_u64(random) >> fake_random_below(random, 60));
        break;
    case 2:
        add_random_string(random, out);
        break;
    case 3:
        tb_buf_addc(out, '[');
        for (uint64_t i = 0; i < count; i++) {
            tb_buf_adds(out, i ? "," : "");
            add_random_value(random, out, depth - 1);
        }
        tb_buf_addc(out, ']');
        break;
    default:
        tb_buf_addc(out, '{');
        for (uint64_t i = 0; i < count; i++) {
            char key[32];

            snprintf(key, sizeof key, "k%" PRIu64 "\n%" PRIu64, i, fake_random_below(random, 9));
            tb_json_member_key(out, key);
            add_random_value(random, out, depth - 1);
        }
        tb_buf_addc(out, '}');
    }
}

/* A document that is written, read and written again has the same bytes. */
START_TEST(generated_documents_survive_a_round_trip)
{
    struct fake_random random;
    struct tb_error err = {0};

    fake_random_init(&random, test_seed(20261123));
    for (int i = 0; i < GENERATED_DOCUMENTS; i++) {
        struct tb_buf text = {0}, again = {0};
        struct tb_json *root = NULL;

        add_random_value(&random, &text, (int)fake_random_below(&random, 4));
        ck_ok(tb_json_parse(tb_buf_str(&text), 32, &root, &err));
        tb_json_print(&again, root);
        ck_assert_str_eq(again.data, text.data);
        tb_json_free(root);
        tb_buf_release(&text);
        tb_buf_release(&again);
    }
}
END_TEST

/* Changes random bytes: the document is refused or read, without a crash; if it is read, what is
 * written from it is read again. */
START_TEST(damaged_documents_do_no_harm)
{
    struct fake_random random;

    fake_random_init(&random, test_seed(8259));
    for (int i = 0; i < 20 * GENERATED_DOCUMENTS; i++) {
        char text[sizeof order - 1];

        memcpy(text, order, sizeof text);
        for (uint64_t n = fake_random_below(&random, 3) + 1; n > 0; n--)
            text[fake_random_below(&random, sizeof text)] = (char)fake_random_u64(&random);
        (void)check_exact(text, sizeof text, 32);
    }
}
END_TEST

START_TEST(members_are_written_with_commas_between)
{
    struct tb_buf out = {0};

    tb_buf_addc(&out, '{');
    tb_json_member_str(&out, "a", TB_STR("x\"\x1f\n"));
    tb_json_member_str(&out, "b", (struct tb_str){0});
    tb_json_member_int(&out, "c", INT64_MIN);
    tb_json_member_bool(&out, "d", true);
    tb_json_member_key(&out, "e");
    tb_buf_addc(&out, '[');
    tb_buf_adds(&out, "]");
    tb_json_member_time(&out, "f", 0);
    tb_json_member_str(&out, "g", TB_STR("{"));
    tb_json_member_bool(&out, "h", false);
    tb_buf_addc(&out, '}');
    ck_assert_str_eq(out.data, "{\"a\":\"x\\\"\\u001f\\n\",\"b\":null,\"c\":-9223372036854775808,"
                               "\"d\":true,\"e\":[],\"f\":\"1970-01-01T00:00:00.000Z\","
                               "\"g\":\"{\",\"h\":false}");
    tb_buf_release(&out);
}
END_TEST

/* Containers and values that other code appends get their commas too. */
START_TEST(written_containers)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf out = {0};

    tb_json_open(&out, NULL, '{');
    tb_json_open(&out, "list", '[');
    for (int i = 0; i < 2; i++) {
        tb_json_open(&out, NULL, '{');
        tb_json_member_int(&out, "i", i);
        tb_buf_addc(&out, '}');
    }
    tb_json_separate(&out);
    tb_buf_adds(&out, "null");
    tb_buf_addc(&out, ']');
    tb_json_open(&out, "empty", '{');
    tb_buf_adds(&out, "}}");
    ck_assert_str_eq(out.data, "{\"list\":[{\"i\":0},{\"i\":1},null],\"empty\":{}}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("json");

    tcase_add_test(tc, strings_are_utf8_without_nul);
    tcase_add_test(tc, keys_are_compared_as_they_are_meant);
    tcase_add_test(tc, duplicates_are_found_in_objects_of_any_size);
    tcase_add_test(tc, wide_objects_inside_wide_objects);
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, tokens_are_limited);
    tcase_add_test(tc, a_number_is_an_integer_only_as_written);
    tcase_add_test(tc, values_are_reached_by_exact_names);
    tcase_add_test(tc, a_text_cut_anywhere_is_refused);
    tcase_add_test(tc, the_report_names_the_byte);
    tcase_add_test(tc, generated_documents_survive_a_round_trip);
    tcase_add_test(tc, damaged_documents_do_no_harm);
    tcase_add_test(tc, members_are_written_with_commas_between);
    tcase_add_test(tc, written_containers);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
