/* Promise: a query string is decoded exactly, and what no path has is refused with its name. */
#include "api/http/query_string.h"
#include "support/support.h"

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
    struct tb_request *req = tb_request_new();

    ck_assert_ptr_nonnull(req);
    req->query_string = tb_str_of(queries[_i].query);
    bool good = tb_params_read(req, "a b");

    ck_assert(good == (queries[_i].fault == NULL));
    ck_assert(good != tb_reply_filled(&req->reply));
    if (!good) {
        ck_assert_int_eq(req->reply.answer.status, 400);
        ck_assert_ptr_nonnull(strstr(req->reply.answer.body.data, queries[_i].fault));
    } else {
        ck_assert(tb_str_eq(tb_param(req->params, "a"), tb_str_of(queries[_i].a)));
        ck_assert(tb_str_eq(tb_param(req->params, "b"), tb_str_of(queries[_i].b)));
    }
    tb_request_free(req);
}
END_TEST

START_TEST(absent_query_has_no_parameters)
{
    struct tb_request *req = tb_request_new();

    ck_assert_ptr_nonnull(req);
    ck_assert(tb_params_read(req, ""));
    ck_assert_uint_eq(req->params->count, 0);
    tb_request_free(req);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *suite = suite_create("query_string");
    TCase *tc = tcase_create("query_string");

    tcase_add_loop_test(tc, query, 0, COUNT(queries));
    tcase_add_test(tc, absent_query_has_no_parameters);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
