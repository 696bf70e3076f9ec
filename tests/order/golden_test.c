/* Promise: every event that was ever written can be read for ever. Each file in golden/ has an
 * event as some release wrote it (for OrderPlaced.v1: another program) and the order that it must
 * become. Add files, never change one: if this test fails, the reader has lost something. */
#include "order/samples.h"
#include <dirent.h>
#include <stdio.h>

static void read_file(const char *name, struct tb_buf *out)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", TB_GOLDEN_DIR, name);
    read_whole_file(path, out);
}

static struct tb_str text_of(const struct tb_json *object, const char *key)
{
    const struct tb_json *value = tb_json_get(object, key);

    return value ? tb_json_string(value) : (struct tb_str){NULL, 0};
}

/* {"headers":{...},"before":{an order, missing for a placed one},"value":{...},"after":{...}} */
static void check(const char *name)
{
    struct tb_error err = {0};
    struct tb_arena arena = {0};
    struct tb_buf text = {0}, out = {0}, expected = {0};
    struct tb_order order = {0};
    struct tb_event event;

    read_file(name, &text);
    struct tb_json *golden = sample_json(text.data);
    const struct tb_json *headers = tb_json_get(golden, "headers");
    const struct tb_json *before = tb_json_get(golden, "before");
    const struct tb_json *value = tb_json_get(golden, "value");
    struct tb_event_context context = {.type = text_of(headers, "ce_type"),
                                       .event_id = text_of(headers, "ce_id"),
                                       .currency = "EUR",
                                       .node = TB_STR("shop7"),
                                       .day_start_minutes = 4 * 60};

    if (before)
        ck_ok(tb_order_decode(before, &arena, &order, &err));
    ck_ok(tb_event_decode(value, &context, &arena, &event, &err));
    if (event.type != TB_EVENT_SNAPSHOT)
        ck_assert_int_eq(event.version, order.version + 1);
    tb_event_apply(&event, &order);
    tb_order_encode(&out, &order);
    tb_json_print(&expected, tb_json_get(golden, "after"));
    ck_assert_msg(strcmp(out.data, expected.data) == 0, "%s:\n%s\n%s", name, out.data,
                  expected.data);

    /* What is still written is written to the byte as it was. */
    if (tb_str_eq(context.type, tb_str_of(tb_event_type_name(event.type)))) {
        tb_buf_clear(&out);
        tb_buf_clear(&expected);
        tb_event_encode(&out, &event);
        tb_json_print(&expected, value);
        ck_assert_str_eq(out.data, expected.data);
    }
    tb_json_free(golden);
    tb_buf_release(&text);
    tb_buf_release(&out);
    tb_buf_release(&expected);
    tb_arena_release(&arena);
}

START_TEST(events_stay_readable)
{
    struct tb_error err = {0};
    DIR *dir = opendir(TB_GOLDEN_DIR);
    struct dirent *entry;
    int count = 0;

    ck_ok(tb_zone_set("UTC", &err));
    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".json")) {
            check(entry->d_name);
            count++;
        }
    }
    ck_assert_int_eq(closedir(dir), 0);
    ck_assert_int_ge(count, TB_EVENT_TYPE_COUNT + 1); /* OrderPlaced in two versions */
}
END_TEST

START_TEST(every_type_has_its_file)
{
    char name[80];

    for (int type = 0; type < TB_EVENT_TYPE_COUNT; type++) {
        snprintf(name, sizeof name, "%s.json", tb_event_type_name((enum tb_event_type)type));
        check(name);
    }
    check("OrderPlaced.v1.json");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *tc = tcase_create("golden");

    tcase_add_test(tc, events_stay_readable);
    tcase_add_test(tc, every_type_has_its_file);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
