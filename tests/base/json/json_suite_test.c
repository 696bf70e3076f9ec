/* Promise: the reader accepts what JSONTestSuite says must be accepted, and refuses the rest. */
#include "base/json/json.h"
#include "support/support.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* What ctest counts as skipped. */
#define EXIT_SKIPPED 77
#define MUST_READ 95
#define MUST_REFUSE 188

/* Duplicate keys and NUL are allowed by JSON, but not by json.h. */
static const char *const stricter[] = {
    "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json",
    "y_object_escaped_null_in_key.json",
    "y_string_null_escape.json",
};
#define STRICTER_COUNT ((int)(sizeof stricter / sizeof stricter[0]))

static char suite_path[4096];

static bool is_stricter(const char *name)
{
    for (int i = 0; i < STRICTER_COUNT; i++) {
        if (strcmp(name, stricter[i]) == 0)
            return true;
    }
    return false;
}

static struct tb_buf read_file(const char *name)
{
    struct tb_buf path = {0}, text = {0};

    tb_buf_addf(&path, "%s/%s", suite_path, name);
    read_whole_file(path.data, &text);
    tb_buf_release(&path);
    return text;
}

static enum tb_code parse(struct tb_str text)
{
    struct tb_json *root = NULL;
    struct tb_error err = {0};
    enum tb_code code = tb_json_parse(text, TB_JSON_DEPTH_MAX, &root, &err);

    tb_json_free(root);
    return code;
}

START_TEST(every_case_is_answered_as_it_must_be)
{
    DIR *dir = opendir(suite_path);
    int read = 0, refused = 0;

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;

        if (strncmp(name, "y_", 2) != 0 && strncmp(name, "n_", 2) != 0)
            continue;
        struct tb_buf text = read_file(name);
        bool good = name[0] == 'y' && !is_stricter(name);
        enum tb_code code = parse(tb_buf_str(&text));

        ck_assert_msg(code == (good ? TB_OK : TB_INVALID), "%s: %s", name, tb_code_name(code));
        read += good;
        refused += !good;
        tb_buf_release(&text);
    }
    closedir(dir);
    ck_assert_int_eq(read, MUST_READ - STRICTER_COUNT);
    ck_assert_int_eq(refused, MUST_REFUSE + STRICTER_COUNT);
}
END_TEST

int main(void)
{
    const char *shared = getenv("TB_SHARED");
    Suite *suite;
    TCase *tc;
    DIR *dir;

    snprintf(suite_path, sizeof suite_path, "%s/data/jsontestsuite",
             shared && *shared ? shared : TB_SHARED_DEFAULT);
    dir = opendir(suite_path);
    if (!dir) {
        printf("skipped: there is no %s (TB_SHARED names its folder)\n", suite_path);
        return EXIT_SKIPPED;
    }
    closedir(dir);
    suite = suite_create("json_suite");
    tc = tcase_create("json_suite");
    tcase_add_test(tc, every_case_is_answered_as_it_must_be);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
