/* Promise: whatever the strict reader of commands and events accepts, cJSON, which the command
 * line uses, accepts with the same values; whatever cJSON refuses, the strict reader refuses. The
 * texts are JSONTestSuite, where it is there, and random documents, whole and damaged. */
#include "base/json/json.h"
#include "cli/http/cjson.h"
#include "support/support.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DOCUMENTS 2000
#define SUITE_FILES_MIN 300
/* cJSON copies a number into 64 bytes and refuses a longer one. No limit of ours allows one. */
#define CJSON_NUMBER_MAX 63

/* Not JSON, but read by cJSON 1.7.15. */
static const char *const wrongly_read[] = {
    "n_multidigit_number_then_00.json",
    "n_number_-01.json",
    "n_number_-2..json",
    "n_number_0.e1.json",
    "n_number_2.e+3.json",
    "n_number_2.e-3.json",
    "n_number_2.e3.json",
    "n_number_neg_int_starting_with_zero.json",
    "n_number_neg_real_without_int_part.json",
    "n_number_real_without_fractional_part.json",
    "n_number_with_leading_zero.json",
    "n_string_invalid_unicode_escape.json",
    "n_string_unescaped_ctrl_char.json",
    "n_string_unescaped_newline.json",
    "n_string_unescaped_tab.json",
    "n_structure_null-byte-outside-string.json",
    "n_structure_whitespace_formfeed.json",
};
#define WRONGLY_READ_COUNT ((int)(sizeof wrongly_read / sizeof wrongly_read[0]))

static char suite_path[4096];

static bool is_wrongly_read(const char *name)
{
    for (int i = 0; i < WRONGLY_READ_COUNT; i++) {
        if (strcmp(name, wrongly_read[i]) == 0)
            return true;
    }
    return false;
}

static bool has_long_number(const struct tb_json *value)
{
    if (tb_json_number_text(value).len > CJSON_NUMBER_MAX)
        return true;
    for (const struct tb_json *child = tb_json_first(value); child; child = tb_json_next(child)) {
        if (has_long_number(child))
            return true;
    }
    return false;
}

static void ck_same_number(const char *name, const struct tb_json *value, const cJSON *other)
{
    struct tb_str text = tb_json_number_text(value);
    int64_t number = 0, same = 1;
    char copy[CJSON_NUMBER_MAX + 1];

    ck_assert_msg(cJSON_IsNumber(other), "%s: a number", name);
    snprintf(copy, sizeof copy, "%.*s", (int)text.len, text.ptr);
    ck_assert_msg(strtod(copy, NULL) == other->valuedouble, "%s: %s", name, copy);
    if (tb_json_int(value, &number))
        ck_assert_msg(tb_cjson_is_int(other, &same) && same == number, "%s: %s", name, copy);
}

static void ck_same(const char *name, const struct tb_json *value, const cJSON *other)
{
    struct tb_str text = tb_json_string(value);
    const cJSON *other_child = other->child;
    bool boolean = false;

    switch (tb_json_type(value)) {
    case TB_JSON_NULL:
        ck_assert_msg(cJSON_IsNull(other), "%s: null", name);
        break;
    case TB_JSON_BOOL:
        ck_assert_msg(tb_json_bool(value, &boolean) && cJSON_IsBool(other) &&
                          cJSON_IsTrue(other) == boolean,
                      "%s: a boolean", name);
        break;
    case TB_JSON_NUMBER:
        ck_same_number(name, value, other);
        break;
    case TB_JSON_STRING:
        ck_assert_msg(cJSON_IsString(other) && tb_str_eq(text, tb_str_of(other->valuestring)),
                      "%s: %.*s", name, (int)text.len, text.ptr);
        break;
    case TB_JSON_ARRAY:
        ck_assert_msg(cJSON_IsArray(other), "%s: an array", name);
        break;
    case TB_JSON_OBJECT:
        ck_assert_msg(cJSON_IsObject(other), "%s: an object", name);
        break;
    }
    for (const struct tb_json *child = tb_json_first(value); child;
         child = tb_json_next(child), other_child = other_child->next) {
        ck_assert_msg(other_child != NULL, "%s: values are missing", name);
        ck_assert_msg(tb_str_eq(tb_json_key(child), tb_str_of(other_child->string)), "%s: key %s",
                      name, other_child->string);
        ck_same(name, child, other_child);
    }
    ck_assert_msg(!other_child, "%s: more values than there are", name);
}

/* Returns whether cJSON read it; *ret_strict: whether the strict reader did. */
static bool compare(const char *name, const struct tb_buf *text, bool *ret_strict)
{
    struct tb_json *strict = NULL;
    struct tb_error err = {0};
    const char *bytes = tb_buf_str(text).ptr;
    cJSON *other = cJSON_ParseWithLengthOpts(bytes, text->len + 1, NULL, true);
    cJSON *guarded = tb_cjson_parse(text);
    bool read = other != NULL;

    *ret_strict = tb_json_parse(tb_buf_str(text), TB_JSON_DEPTH_MAX, &strict, &err) == TB_OK;
    if (*ret_strict && !has_long_number(strict)) {
        ck_assert_msg(other != NULL, "%s: cJSON refuses it", name);
        ck_assert_msg(guarded != NULL, "%s: tb_cjson_parse refuses it", name);
        ck_same(name, strict, other);
        ck_same(name, strict, guarded);
    }
    tb_json_free(strict);
    cJSON_Delete(other);
    cJSON_Delete(guarded);
    return read;
}

START_TEST(the_suite_is_judged_alike)
{
    DIR *dir = opendir(suite_path);
    int files = 0, wrong = 0;

    if (!dir) {
        printf("skipped: there is no %s (TB_SHARED names its folder)\n", suite_path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;
        struct tb_buf path = {0}, text = {0};
        bool strict = false, read;

        if (strncmp(name, "y_", 2) != 0 && strncmp(name, "n_", 2) != 0 &&
            strncmp(name, "i_", 2) != 0)
            continue;
        tb_buf_addf(&path, "%s/%s", suite_path, name);
        read_whole_file(path.data, &text);
        read = compare(name, &text, &strict);
        if (name[0] == 'n') {
            ck_assert_msg(!strict, "%s", name);
            ck_assert_msg(read == is_wrongly_read(name), "%s: cJSON %s it", name,
                          read ? "reads" : "refuses");
            wrong += read;
        }
        if (name[0] == 'y')
            ck_assert_msg(read, "%s: cJSON refuses it", name);
        files++;
        tb_buf_release(&path);
        tb_buf_release(&text);
    }
    closedir(dir);
    ck_assert_int_ge(files, SUITE_FILES_MIN);
    ck_assert_int_eq(wrong, WRONGLY_READ_COUNT);
}
END_TEST

static void add_random_string(struct fake_random *random, struct tb_buf *out)
{
    static const char *const pieces[] = {
        "a",
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\n",
        "\\u0001",
        "\\t",
        "\x7f",
        "\xC3\xA4",
        "\\u00e4",
        "\xE2\x82\xAC",
        "\\ud834\\udd1e",
        "u0000",
        "\\\\u0000",
        "\xF0\x9D\x84\x9E",
        "\\uFFFF",
        " ",
        "]",
        "}",
        ",",
    };

    tb_buf_addc(out, '"');
    for (uint64_t n = fake_random_below(random, 12); n > 0; n--)
        tb_buf_adds(out, pieces[fake_random_below(random, sizeof pieces / sizeof pieces[0])]);
    tb_buf_addc(out, '"');
}

static void add_random_value(struct fake_random *random, struct tb_buf *out, int depth)
{
    static const char *const plain[] = {"null",
                                        "true",
                                        "false",
                                        "-0",
                                        "1.50",
                                        "1E-7",
                                        "9007199254740991",
                                        "-9007199254740991",
                                        "0",
                                        "1e400",
                                        "9007199254740992",
                                        "0.1"};
    static const char *const blanks[] = {"", "", "", " ", "\n", "\t\r"};
    uint64_t kind = fake_random_below(random, depth > 0 ? 5 : 3);
    uint64_t count = fake_random_below(random, 12);

    tb_buf_adds(out, blanks[fake_random_below(random, sizeof blanks / sizeof blanks[0])]);
    switch (kind) {
    case 0:
        tb_buf_adds(out, plain[fake_random_below(random, sizeof plain / sizeof plain[0])]);
        break;
    case 1:
        tb_buf_add_int(out, (int64_t)fake_random_u64(random) >> fake_random_below(random, 63));
        break;
    case 2:
        add_random_string(random, out);
        break;
    default:
        tb_buf_addc(out, kind == 3 ? '[' : '{');
        for (uint64_t i = 0; i < count; i++) {
            tb_buf_adds(out, i ? "," : "");
            if (kind == 4)
                tb_buf_addf(out, "\"Key%" PRIu64 "\" :", i % 10);
            add_random_value(random, out, depth - 1);
        }
        tb_buf_addc(out, kind == 3 ? ']' : '}');
    }
    tb_buf_adds(out, blanks[fake_random_below(random, sizeof blanks / sizeof blanks[0])]);
}

START_TEST(random_documents_are_judged_alike)
{
    struct fake_random random;
    int read = 0;

    fake_random_init(&random, test_seed(20261130));
    for (int i = 0; i < DOCUMENTS; i++) {
        struct tb_buf text = {0};
        bool strict = false;

        add_random_value(&random, &text, (int)fake_random_below(&random, 4));
        (void)compare(text.data, &text, &strict);
        read += strict;
        tb_buf_release(&text);
    }
    ck_assert_int_ge(read, DOCUMENTS / 2); /* the others have a key twice */
}
END_TEST

/* A changed byte makes most documents wrong. What is still right, or right again, must be read. */
START_TEST(damaged_documents_are_judged_alike)
{
    static const char alphabet[] = "{}[]\",:\\0123456789.-+eEutn \x01\x7f\xC3\xA4";
    struct fake_random random;
    int read = 0, refused = 0;

    fake_random_init(&random, test_seed(17));
    for (int i = 0; i < 10 * DOCUMENTS; i++) {
        struct tb_buf text = {0};
        bool strict = false;

        add_random_value(&random, &text, (int)fake_random_below(&random, 3));
        for (uint64_t n = fake_random_below(&random, 3) + 1; n > 0 && text.len > 0; n--)
            text.data[fake_random_below(&random, text.len)] =
                alphabet[fake_random_below(&random, sizeof alphabet)];
        (void)compare("damaged", &text, &strict);
        read += strict;
        refused += !strict;
        tb_buf_release(&text);
    }
    ck_assert_int_ge(read, 100);
    ck_assert_int_ge(refused, 100);
}
END_TEST

int main(void)
{
    const char *shared = getenv("TB_SHARED");
    Suite *suite = suite_create("cjson");
    TCase *tc = tcase_create("both readers");

    snprintf(suite_path, sizeof suite_path, "%s/data/jsontestsuite",
             shared && *shared ? shared : TB_SHARED_DEFAULT);
    tcase_add_test(tc, the_suite_is_judged_alike);
    tcase_add_test(tc, random_documents_are_judged_alike);
    tcase_add_test(tc, damaged_documents_are_judged_alike);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
