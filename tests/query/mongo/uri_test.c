/* What a URI may ask for: an option that weakens a promise is refused by its name, and what is
 * taken changes nothing of our own concerns. */
#include "query/mongo/driver/uri.h"
#include "support/support.h"
#include <stdio.h>

/* refused NULL: the URI is taken. */
static const struct {
    const char *options, *refused;
} cases[] = {
    {"w=0", "w=0"},
    {"w=1", "w=1"},
    {"w=2", "w=2"},
    {"w=-1", "w=-1"},
    {"w=backup", "w=backup"},
    {"W=1", "w=1"},
    {"safe=false", "safe=false"},
    {"safe=true", "safe=true"},
    {"journal=false", "journal=false"},
    {"w=majority&journal=false", "journal=false"},
    {"w=1&journal=true", "w=1"},
    {"readConcernLevel=local", "readConcernLevel=local"},
    {"readConcernLevel=available", "readConcernLevel=available"},
    {"readConcernLevel=linearizable", "readConcernLevel=linearizable"},
    {"readConcernLevel=snapshot", "readConcernLevel=snapshot"},
    {"readConcernLevel=majority&w=1", "w=1"},
    {"", NULL},
    {"w=majority&journal=true&readConcernLevel=majority", NULL},
    {"wTimeoutMS=7", NULL},
    {"wTimeoutMS=0", NULL},
    {"retryWrites=false&retryReads=false", NULL},
    {"socketTimeoutMS=77", NULL},
    {"readPreference=secondaryPreferred", NULL},
    {"readPreference=nearest&readPreferenceTags=dc:north&maxStalenessSeconds=120", NULL},
};

static void check_refused(const char *text, const char *refused)
{
    mongoc_uri_t *uri = NULL;
    mongoc_read_prefs_t *preferred = NULL;
    struct tb_error err = {0};
    char wanted[80];

    ck_assert_int_eq(tb_mongo_parse_uri(text, &uri, &preferred, &err), TB_INVALID);
    ck_assert(!uri && !preferred);
    snprintf(wanted, sizeof wanted, "has %s,", refused);
    ck_assert_msg(strstr(err.text, wanted), "%s: %s", text, err.text);
    err = (struct tb_error){0};
    ck_assert_int_eq(tb_mongo_check_uri(text, &err), TB_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, wanted));
}

static void check_taken(const char *text)
{
    mongoc_uri_t *uri = NULL;
    mongoc_read_prefs_t *preferred = NULL;
    struct tb_error err = {0};
    const mongoc_write_concern_t *writes;
    const mongoc_read_prefs_t *reads;

    ck_ok(tb_mongo_check_uri(text, &err));
    ck_ok(tb_mongo_parse_uri(text, &uri, &preferred, &err));
    writes = mongoc_uri_get_write_concern(uri);
    ck_assert(mongoc_write_concern_get_wmajority(writes));
    ck_assert(mongoc_write_concern_get_journal(writes));
    ck_assert_int_eq(mongoc_write_concern_get_wtimeout_int64(writes),
                     strstr(text, "wTimeoutMS=7") ? 7 : 5000);
    ck_assert_str_eq(mongoc_read_concern_get_level(mongoc_uri_get_read_concern(uri)), "majority");
    reads = mongoc_uri_get_read_prefs_t(uri);
    ck_assert_int_eq(mongoc_read_prefs_get_mode(reads), MONGOC_READ_PRIMARY);
    ck_assert(bson_empty(mongoc_read_prefs_get_tags(reads)));
    ck_assert_int_eq(mongoc_read_prefs_get_max_staleness_seconds(reads), MONGOC_NO_MAX_STALENESS);
    ck_assert_int_eq(mongoc_read_prefs_get_mode(preferred),
                     strstr(text, "secondary") ? MONGOC_READ_SECONDARY_PREFERRED
                     : strstr(text, "nearest") ? MONGOC_READ_NEAREST
                                               : MONGOC_READ_PRIMARY);
    ck_assert_int_eq(!bson_empty(mongoc_read_prefs_get_tags(preferred)),
                     strstr(text, "Tags") != NULL);
    mongoc_uri_destroy(uri);
    mongoc_read_prefs_destroy(preferred);
}

START_TEST(what_weakens_a_promise_is_refused_by_name)
{
    char text[200];

    snprintf(text, sizeof text, "mongodb://127.0.0.1:1/?%s", cases[_i].options);
    if (cases[_i].refused)
        check_refused(text, cases[_i].refused);
    else
        check_taken(text);
}
END_TEST

/* The text of a refusal goes into logs. */
START_TEST(a_refusal_tells_no_password)
{
    struct tb_error err = {0};

    ck_assert_int_eq(tb_mongo_check_uri("mongodb://till:secret@127.0.0.1:1/?w=1", &err),
                     TB_INVALID);
    ck_assert_ptr_null(strstr(err.text, "secret"));
    err = (struct tb_error){0};
    ck_assert_int_eq(tb_mongo_check_uri("http://127.0.0.1/", &err), TB_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mongo_uri");
    TCase *tc = tcase_create("options");

    tcase_add_loop_test(tc, what_weakens_a_promise_is_refused_by_name, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(tc, a_refusal_tells_no_password);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
