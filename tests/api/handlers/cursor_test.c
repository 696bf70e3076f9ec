/* Promise: parsing a page cursor gives the position that it was made from, and any other text is
 * refused. */
#include "api/handlers/cursor.h"
#include "base/time/timefmt.h"
#include "support/support.h"

#define ID "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"

START_TEST(order_cursor_round_trip)
{
    static const int64_t times[] = {0, 1, -1, 1795425003660, TB_TIME_MIN_MS, TB_TIME_MAX_MS};
    char text[TB_PAGE_CURSOR_SIZE], order_id[TB_UUID_SIZE];
    int64_t placed_at_ms = 0;

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        tb_order_cursor_format(times[i], ID, text);
        ck_assert(tb_order_cursor_parse(tb_str_of(text), &placed_at_ms, order_id));
        ck_assert_int_eq(placed_at_ms, times[i]);
        ck_assert_str_eq(order_id, ID);
    }
}
END_TEST

/* A cursor with one changed character is refused, or is the cursor of another position. */
START_TEST(no_two_texts_for_one_position)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ %\n";
    char text[TB_PAGE_CURSOR_SIZE], changed[TB_PAGE_CURSOR_SIZE], order_id[TB_UUID_SIZE];
    int64_t placed_at_ms = 0;

    tb_order_cursor_format(1795425003660, ID, text);
    for (size_t i = 0; text[i] != '\0'; i++) {
        for (const char *c = alphabet; *c != '\0'; c++) {
            memcpy(changed, text, sizeof(text));
            changed[i] = *c;
            if (*c != text[i] &&
                tb_order_cursor_parse(tb_str_of(changed), &placed_at_ms, order_id))
                ck_assert(placed_at_ms != 1795425003660 || strcmp(order_id, ID) != 0);
        }
    }
    for (size_t len = 0; len < strlen(text); len++)
        ck_assert(!tb_order_cursor_parse((struct tb_str){text, len}, &placed_at_ms, order_id));
}
END_TEST

START_TEST(noise_is_refused)
{
    struct fake_random random;
    char noise[128], order_id[TB_UUID_SIZE];
    int64_t placed_at_ms = 0;

    fake_random_init(&random, test_seed(7));
    for (int i = 0; i < 20000; i++) {
        size_t len = fake_random_below(&random, sizeof(noise));
        for (size_t b = 0; b < len; b++)
            noise[b] = (char)fake_random_below(&random, 256);
        ck_assert(!tb_order_cursor_parse((struct tb_str){noise, len}, &placed_at_ms, order_id));
    }
}
END_TEST

START_TEST(dead_letter_cursor_round_trip)
{
    static const struct {
        int64_t dead_at_ms;
        struct tb_dead_letter_position place;
    } positions[] = {{0, {0, 0}},
                     {-1, {5, 17}},
                     {1795425003660, {INT32_MAX, INT64_MAX}},
                     {TB_TIME_MIN_MS, {1, 2}}};
    char text[TB_PAGE_CURSOR_SIZE], order_id[TB_UUID_SIZE];
    struct tb_dead_letter_position place = {0};
    int64_t dead_at_ms = 0;

    for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
        tb_dead_letter_cursor_format(positions[i].dead_at_ms, positions[i].place, text);
        ck_assert(tb_dead_letter_cursor_parse(tb_str_of(text), &dead_at_ms, &place));
        ck_assert_int_eq(dead_at_ms, positions[i].dead_at_ms);
        ck_assert_int_eq(place.partition, positions[i].place.partition);
        ck_assert_int_eq(place.offset, positions[i].place.offset);
        ck_assert(
            !tb_order_cursor_parse(tb_str_of(text), &dead_at_ms, order_id)); /* not an order's */
    }
    tb_order_cursor_format(1795425003660, ID, text);
    ck_assert(!tb_dead_letter_cursor_parse(tb_str_of(text), &dead_at_ms, &place));
}
END_TEST

/* Texts that differ little from "1.2.3", in base64url. */
START_TEST(no_other_text_is_a_dead_letter_cursor)
{
    static const char *const wrong[] = {
        "",         "MS4yLjM=",   "MS4yLjM ",
        "MS4y",     "MS4yLg",     "MS4yLjMu", /* 1.2  1.2.  1.2.3. */
        "LjIuMw",   "MDEuMi4z",   "MS4tMi4z",
        "MS4yLi0z", "MS4yLjB4Mw", "KzEuMi4z", /* .2.3 01.2.3 1.-2.3 */
    };
    struct tb_dead_letter_position place;
    int64_t dead_at_ms;

    ck_assert(tb_dead_letter_cursor_parse(TB_STR("MS4yLjM"), &dead_at_ms, &place));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!tb_dead_letter_cursor_parse(tb_str_of(wrong[i]), &dead_at_ms, &place), "%s",
                      wrong[i]);
}
END_TEST

/* Whether this text, in base64url, is a node's cursor. */
static bool is_node_cursor(const char *plain)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char text[TB_PAGE_CURSOR_SIZE], node[TB_HEARTBEAT_NODE_SIZE];
    size_t count = 0;
    uint32_t bits = 0;
    unsigned held = 0;

    for (; *plain != '\0'; plain++) {
        bits = bits << 8 | (unsigned char)*plain;
        for (held += 8; held >= 6; held -= 6)
            text[count++] = digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        text[count++] = digits[bits << (6 - held) & 63];
    return tb_node_cursor_parse((struct tb_str){text, count}, node);
}

START_TEST(node_cursor_round_trip)
{
    static const char *const nodes[] = {"a", "till-1", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"};
    char text[TB_PAGE_CURSOR_SIZE], node[TB_HEARTBEAT_NODE_SIZE], order_id[TB_UUID_SIZE];
    int64_t time_ms;

    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        tb_node_cursor_format(nodes[i], text);
        ck_assert(tb_node_cursor_parse(tb_str_of(text), node));
        ck_assert_str_eq(node, nodes[i]);
        ck_assert(!tb_order_cursor_parse(tb_str_of(text), &time_ms, order_id));
    }
    tb_order_cursor_format(1795425003660, ID, text);
    ck_assert(!tb_node_cursor_parse(tb_str_of(text), node));
    ck_assert(is_node_cursor("node.till1"));
    ck_assert(!is_node_cursor("node."));
    ck_assert(!is_node_cursor("node.till 1"));
    ck_assert(!is_node_cursor("knot.till1"));
    ck_assert(!is_node_cursor("node.ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cursor");
    TCase *tc = tcase_create("cursor");

    tcase_add_test(tc, order_cursor_round_trip);
    tcase_add_test(tc, no_two_texts_for_one_position);
    tcase_add_test(tc, noise_is_refused);
    tcase_add_test(tc, dead_letter_cursor_round_trip);
    tcase_add_test(tc, no_other_text_is_a_dead_letter_cursor);
    tcase_add_test(tc, node_cursor_round_trip);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
