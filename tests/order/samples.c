#include "order/samples.h"
#include <stdio.h>

const struct tb_command_context sample_context = {
    .currency = "EUR",
    .now_ms = SAMPLE_NOW_MS,
    .lines_max = TB_LINES_MAX,
    .depth_max = TB_JSON_DEPTH_MAX,
};

struct tb_json *sample_json(const char *text)
{
    struct tb_error err = {0};
    struct tb_json *root = NULL;

    ck_ok(tb_json_parse(tb_str_of(text), TB_JSON_DEPTH_MAX, &root, &err));
    return root;
}

void sample_pointers(const struct tb_field_errors *errors, struct tb_buf *out)
{
    tb_buf_clear(out);
    for (size_t i = 0; i < errors->count && i < TB_FIELD_ERRORS_MAX; i++) {
        if (i > 0)
            tb_buf_addc(out, ' ');
        if (errors->list[i].pointer.len == 0)
            tb_buf_addc(out, '.');
        tb_buf_add_str(out, errors->list[i].pointer);
    }
    tb_buf_reserve(out, 1);
}

struct tb_str sample_text(struct fake_random *random, struct tb_arena *arena, size_t min,
                          size_t max)
{
    static const char *const pieces[] = {"a",
                                         "Z",
                                         "7",
                                         " ",
                                         "-",
                                         "\"",
                                         "\\",
                                         "/",
                                         "~",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x8d\xb5"};
    size_t want =
        min + fake_random_below(random, fake_random_below(random, 8) ? 12 : max - min + 1);
    struct tb_buf text = {0};

    while (text.len < want) {
        const char *piece = pieces[fake_random_below(random, sizeof pieces / sizeof pieces[0])];

        if (text.len + strlen(piece) > max)
            piece = "x";
        tb_buf_adds(&text, piece);
    }
    struct tb_str copy = tb_arena_copy(arena, tb_buf_str(&text));
    tb_buf_release(&text);
    return copy;
}

void sample_uuid(struct fake_random *random, char ret_uuid[TB_UUID_SIZE])
{
    uint64_t a = fake_random_u64(random), b = fake_random_u64(random);

    snprintf(ret_uuid, TB_UUID_SIZE, "%08x-%04x-7%03x-8%03x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(b >> 52),
             (unsigned long long)(b & 0xffffffffffff));
}

struct tb_line *sample_lines(struct fake_random *random, struct tb_arena *arena,
                             enum tb_order_kind kind, size_t *ret_count)
{
    size_t count = 1 + fake_random_below(random, fake_random_below(random, 20) ? 5 : 60);
    struct tb_line *lines = tb_arena_array(arena, count, sizeof *lines);

    for (size_t i = 0; i < count; i++) {
        /* Extremes now and then, but sixty of them stay within the largest total. */
        int64_t big = fake_random_below(random, 10) == 0 ? 10000000 : 500;

        lines[i].sku = sample_text(random, arena, 1, TB_SKU_MAX);
        if (fake_random_below(random, 3))
            lines[i].name = sample_text(random, arena, 0, TB_NAME_MAX);
        lines[i].quantity = 1 + (int64_t)fake_random_below(random, (uint64_t)big);
        lines[i].unit_price_minor = (int64_t)fake_random_below(random, (uint64_t)big);
        if (kind == TB_RETURN)
            lines[i].quantity = -lines[i].quantity;
    }
    *ret_count = count;
    return lines;
}

void sample_address(struct fake_random *random, struct tb_arena *arena,
                    struct tb_address *ret_address)
{
    *ret_address = (struct tb_address){
        .line1 = sample_text(random, arena, 1, TB_TEXT_MAX),
        .city = sample_text(random, arena, 1, TB_TEXT_MAX),
        .country = fake_random_below(random, 2) ? TB_STR("DE") : TB_STR("GB"),
    };
    if (fake_random_below(random, 2))
        ret_address->line2 = sample_text(random, arena, 0, TB_TEXT_MAX);
    if (fake_random_below(random, 2))
        ret_address->postal_code = sample_text(random, arena, 0, TB_TEXT_MAX);
}

void sample_order(struct fake_random *random, struct tb_arena *arena, struct tb_order *ret_order)
{
    struct tb_order order = {
        .version = 1 + (int64_t)fake_random_below(random, 5),
        .status = (enum tb_order_status)fake_random_below(random, 3),
        .kind = (enum tb_order_kind)fake_random_below(random, 2),
        .source = TB_STR("POS"),
        .placed_at_ms = (int64_t)fake_random_below(random, SAMPLE_NOW_MS),
    };

    sample_uuid(random, order.order_id);
    if (fake_random_below(random, 4))
        snprintf(order.order_number, sizeof order.order_number, "till1-%06u",
                 (unsigned)fake_random_below(random, 2000000));
    memcpy(order.currency, fake_random_below(random, 2) ? "EUR" : "JPY", 4);
    tb_business_date(order.placed_at_ms, 0, order.business_date);
    order.updated_at_ms = order.placed_at_ms + (int64_t)fake_random_below(random, 1000000);
    if (fake_random_below(random, 4))
        order.node = TB_STR("till1");
    if (fake_random_below(random, 2))
        order.customer_id = sample_text(random, arena, 1, TB_TEXT_MAX);
    order.lines = sample_lines(random, arena, order.kind, &order.line_count);
    ck_assert(tb_lines_total(order.lines, order.line_count, &order.total_minor));
    order.has_address = fake_random_below(random, 2);
    if (order.has_address)
        sample_address(random, arena, &order.address);
    if (fake_random_below(random, 4))
        sample_uuid(random, order.last_event_id);
    *ret_order = order;
}
