/* Promise: a terminal gets aligned columns, a pipe gets tabs, and control characters in the cells
 * do not get through. */
#include "cli/output/table.h"
#include "support/support.h"
#include <stdlib.h>

static const struct tb_column columns[] = {{"name", false, NULL}, {"total", true, NULL}};

static char *render(bool terminal, const char *const *cells, size_t count)
{
    struct tb_table table;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    tb_table_init(&table, &(struct tb_cli){.out_terminal = terminal}, columns, 2);
    for (size_t i = 0; i < count; i++)
        tb_table_cell(&table, tb_str_of(cells[i]));
    tb_table_flush(&table, out);
    tb_table_release(&table);
    fclose(out);
    return text;
}

static void ck_rendered(bool terminal, const char *const *cells, size_t count,
                        const char *expected)
{
    char *text = render(terminal, cells, count);

    ck_assert_str_eq(text, expected);
    free(text);
}

START_TEST(columns_line_up)
{
    static const char *const cells[] = {"Grüner Tee", "7.00", "茶", "1200"};

    ck_rendered(true, cells, 4,
                "name        total\n"
                "Grüner Tee   7.00\n"
                "茶           1200\n" /* two columns wide */);
    ck_rendered(false, cells, 4, "Grüner Tee\t7.00\n茶\t1200\n");
}
END_TEST

START_TEST(absent_texts_keep_their_place)
{
    static const char *const cells[] = {NULL, "1", "", NULL};

    ck_rendered(false, cells, 4, "\t1\n\t\n");
}
END_TEST

START_TEST(control_characters_become_blanks)
{
    static const char *const cells[] = {"a\x1b[2Jb\tc\nd\x7f", "\xc2\x9b"
                                                               "31m\xc2\xa0"};

    ck_rendered(false, cells, 2, "a [2Jb c d \t 31m\xc2\xa0\n");
}
END_TEST

/* The second page of a list lines up with the first and has no header of its own. */
START_TEST(pages_line_up)
{
    struct tb_table table;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    tb_table_init(&table, &(struct tb_cli){.out_terminal = true}, columns, 2);
    tb_table_cell(&table, TB_STR("a long name"));
    tb_table_cell(&table, TB_STR("1"));
    tb_table_flush(&table, out);
    tb_table_cell(&table, TB_STR("b"));
    tb_table_cell(&table, TB_STR("2"));
    tb_table_flush(&table, out);
    tb_table_release(&table);
    fclose(out);
    ck_assert_str_eq(text, "name         total\n"
                           "a long name      1\n"
                           "b                2\n");
    free(text);
}
END_TEST

static const struct {
    const char *text;
    size_t columns, bytes;
} fits[] = {
    {"", 5, 0},           {"orders", 6, 6},     {"orders", 5, 5},
    {"orders", 0, 0},     {"Grüner Tee", 3, 4}, /* the third character has two bytes */
    {"茶茶", 3, 3},                             /* the second one needs two columns more */
    {"e\xcc\x81x", 1, 3},                       /* the accent takes no column */
    {"e\xcc\x81x", 2, 4}, {"\xe8\x8c", 9, 2},   /* a character that was cut */
};

START_TEST(a_text_is_cut_between_characters)
{
    ck_assert_uint_eq(tb_text_fit(fits[_i].text, fits[_i].columns), fits[_i].bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *tc = tcase_create("print");

    tcase_add_test(tc, columns_line_up);
    tcase_add_test(tc, absent_texts_keep_their_place);
    tcase_add_test(tc, control_characters_become_blanks);
    tcase_add_test(tc, pages_line_up);
    tcase_add_loop_test(tc, a_text_is_cut_between_characters, 0, sizeof fits / sizeof fits[0]);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
