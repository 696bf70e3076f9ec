/* Promise: slices are the elements that a parser would find, whatever their strings hold. */
#include "base/json/json.h"
#include "cli/http/slice.h"
#include "support/support.h"
#include <stdlib.h>

START_TEST(members_are_found_whatever_stands_before)
{
    static const char text[] =
        " { \"trap\" : \"\\\"next\\\":\\\\\" , \"deep\":[{\"next\":\"no\"},\"]}\"],\n"
        "\"orders\" : [ {\"a\":[1,2]} , \"x,]\" ,3 ] , \"next\":\"c1\" } ";
    struct tb_str value;

    ck_assert(tb_slice_member(TB_STR(text), "next", &value));
    ck_assert(tb_str_eq(value, TB_STR("\"c1\"")));
    ck_assert(tb_slice_member(TB_STR(text), "orders", &value));
    ck_assert(tb_str_eq(value, TB_STR("[ {\"a\":[1,2]} , \"x,]\" ,3 ]")));
    ck_assert(!tb_slice_member(TB_STR(text), "absent", &value));
}
END_TEST

START_TEST(elements_come_in_order)
{
    struct tb_str array = TB_STR("[ {\"a\":[1,2]} , \"x,]\\\"\" ,3 ]");
    struct tb_str element;
    size_t cursor = 0;

    ck_assert(tb_slice_element(array, &cursor, &element));
    ck_assert(tb_str_eq(element, TB_STR("{\"a\":[1,2]}")));
    ck_assert(tb_slice_element(array, &cursor, &element));
    ck_assert(tb_str_eq(element, TB_STR("\"x,]\\\"\"")));
    ck_assert(tb_slice_element(array, &cursor, &element));
    ck_assert(tb_str_eq(element, TB_STR("3")));
    ck_assert(!tb_slice_element(array, &cursor, &element));
    cursor = 0;
    ck_assert(!tb_slice_element(TB_STR("[]"), &cursor, &element));
    cursor = 0;
    ck_assert(!tb_slice_element(TB_STR(" [ ] "), &cursor, &element));
}
END_TEST

/* A text cut anywhere is refused or sliced within its bounds (ASan watches), never looped over. */
START_TEST(cut_texts_end)
{
    static const char text[] = "{\"orders\":[{\"a\":\"\\\"\"},[1,{\"b\":null}]],\"next\":\"c\"}";

    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = malloc(len + 1); /* exactly as long, so that ASan sees a step beyond */
        struct tb_str cut = {copy, len};
        struct tb_str value, element;
        size_t cursor = 0;
        int elements = 0;

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text, len);
        if (tb_slice_member(cut, "orders", &value))
            while (tb_slice_element(value, &cursor, &element))
                ck_assert_int_lt(elements++, 10);
        (void)tb_slice_member(cut, "next", &value);
        free(copy);
    }
}
END_TEST

/* More values than one document may hold: the reason that slices exist. */
START_TEST(a_page_may_be_larger_than_a_document)
{
    struct tb_buf text = {0};
    struct tb_error err = {0};
    struct tb_json *root = NULL;
    struct tb_str orders, element;
    size_t cursor = 0, count = 0;

    tb_buf_adds(&text, "{\"orders\":[[1]");
    for (size_t i = 1; i < TB_JSON_TOKENS_MAX; i++)
        tb_buf_adds(&text, ",[1]");
    tb_buf_adds(&text, "]}");
    ck_assert_int_ne(tb_json_parse(tb_buf_str(&text), 8, &root, &err), TB_OK);
    ck_assert(tb_slice_member(tb_buf_str(&text), "orders", &orders));
    while (tb_slice_element(orders, &cursor, &element))
        count++;
    ck_assert_uint_eq(count, TB_JSON_TOKENS_MAX);
    tb_buf_release(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slice");
    TCase *tc = tcase_create("slice");

    tcase_add_test(tc, members_are_found_whatever_stands_before);
    tcase_add_test(tc, elements_come_in_order);
    tcase_add_test(tc, cut_texts_end);
    tcase_add_test(tc, a_page_may_be_larger_than_a_document);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
