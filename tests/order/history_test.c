/* Promise: till, event and reader agree on every order. Method: random histories of commands
 * against a model that shares no code with them.
 *
 * A till gets command bodies as text, most of them right, some wrong. Each accepted command
 * becomes an event, which is encoded, decoded and applied to a copy, as the centre does. The model
 * computes the order on its own. After every command all three must be equal. */
#include "order/decide.h"
#include "order/samples.h"
#include <stdio.h>

#define HISTORIES 300
#define COMMANDS_MAX 25

struct model {
    bool exists, cancelled, shipped, returns;
    int64_t version;
    __int128 total;
    size_t line_count;
    char city[16]; /* "": no address */
};

struct world {
    struct fake_random random;
    struct tb_buf till, reader; /* each one's document; empty: no order yet */
    struct model model;
    /* Of the command at hand */
    struct tb_buf body;
    struct model after; /* the model, were it accepted */
    bool valid;         /* the body is within the rules */
    enum tb_command_type type;
};

static void add_lines(struct world *w, bool returns)
{
    size_t count = 1 + fake_random_below(&w->random, 4);

    w->after.total = 0;
    w->after.line_count = count;
    tb_buf_adds(&w->body, "\"lines\":[");
    for (size_t i = 0; i < count; i++) {
        int64_t quantity = 1 + (int64_t)fake_random_below(&w->random, 1000);
        int64_t price = (int64_t)fake_random_below(&w->random, 1000000000);

        if (returns)
            quantity = -quantity;
        if (fake_random_below(&w->random, 40) == 0) {
            quantity = fake_random_below(&w->random, 2) ? 0 : -quantity;
            w->valid = false;
        }
        w->after.total += (__int128)quantity * price;
        tb_buf_addf(&w->body, "%s{\"sku\":\"S%zu\",\"quantity\":%lld,\"unitPriceMinor\":%lld}",
                    i > 0 ? "," : "", i, (long long)quantity, (long long)price);
    }
    tb_buf_addc(&w->body, ']');
}

static void add_address(struct world *w)
{
    snprintf(w->after.city, sizeof w->after.city, "City %u",
             (unsigned)fake_random_below(&w->random, 1000));
    tb_buf_addf(&w->body, "\"line1\":\"1\",\"city\":\"%s\",\"country\":\"DE\"", w->after.city);
}

static void make_command(struct world *w)
{
    w->type = (enum tb_command_type)fake_random_below(&w->random, TB_CMD_COUNT);
    /* Ends come late in a history, or there is little to see. */
    if (w->type >= TB_CMD_SHIP && fake_random_below(&w->random, 4))
        w->type = w->model.exists ? TB_CMD_LINES : TB_CMD_PLACE;
    w->after = w->model;
    w->after.version++;
    w->valid = true;
    tb_buf_clear(&w->body);
    tb_buf_addc(&w->body, '{');
    if (w->type == TB_CMD_PLACE) {
        w->after.returns = fake_random_below(&w->random, 2);
        w->after.exists = true;
        w->after.city[0] = '\0';
        tb_buf_addf(&w->body, "\"orderId\":\"" SAMPLE_ORDER_ID "\",\"kind\":\"%s\",",
                    w->after.returns ? "RETURN" : "SALE");
        add_lines(w, w->after.returns);
        if (fake_random_below(&w->random, 2)) {
            tb_buf_adds(&w->body, ",\"shippingAddress\":{");
            add_address(w);
            tb_buf_addc(&w->body, '}');
        }
    } else if (w->type == TB_CMD_LINES) {
        add_lines(w, w->model.returns);
    } else if (w->type == TB_CMD_ADDRESS) {
        add_address(w);
    } else if (w->type == TB_CMD_SHIP) {
        w->after.shipped = true;
    } else {
        w->after.cancelled = true;
        tb_buf_adds(&w->body, "\"reason\":\"late\"");
    }
    tb_buf_addc(&w->body, '}');
}

/* The order a document tells; version 0 for none. */
static struct tb_json *load(const struct tb_buf *doc, struct tb_arena *arena,
                            struct tb_order *ret_order)
{
    struct tb_error err = {0};
    struct tb_json *json = NULL;

    *ret_order = (struct tb_order){0};
    if (doc->len > 0) {
        json = sample_json(doc->data);
        ck_ok(tb_order_decode(json, arena, ret_order, &err));
    }
    return json;
}

static void store(struct tb_buf *doc, const struct tb_order *order)
{
    tb_buf_clear(doc);
    tb_order_encode(doc, order);
}

/* What a reader far away does with an event that it gets as text. */
static void read_far_away(struct world *w, const struct tb_event *event)
{
    struct tb_error err = {0};
    struct tb_arena arena = {0};
    struct tb_buf text = {0}, again = {0};
    struct tb_event back;
    struct tb_order order;
    struct tb_json *doc = load(&w->reader, &arena, &order), *json;
    struct tb_event_context context = {.type = tb_str_of(tb_event_type_name(event->type)),
                                       .event_id = tb_str_of(event->event_id)};

    tb_event_encode(&text, event);
    json = sample_json(text.data);
    ck_ok(tb_event_decode(json, &context, &arena, &back, &err));
    tb_event_encode(&again, &back);
    ck_assert_str_eq(text.data, again.data);
    ck_assert_str_eq(back.order_id, event->order_id);
    ck_assert_str_eq(back.event_id, event->event_id);
    ck_assert_int_eq(back.version, order.version + 1);
    ck_assert_int_eq(back.occurred_at_ms, event->occurred_at_ms);
    tb_event_apply(&back, &order);
    store(&w->reader, &order);
    tb_json_free(json);
    tb_json_free(doc);
    tb_buf_release(&text);
    tb_buf_release(&again);
    tb_arena_release(&arena);
}

static void assert_as_the_model(const struct world *w, const struct tb_buf *doc)
{
    const struct model *m = &w->model;
    struct tb_arena arena = {0};
    struct tb_order order;
    struct tb_json *json = load(doc, &arena, &order);

    ck_assert_int_eq(order.version, m->version);
    ck_assert(m->total == order.total_minor);
    ck_assert_uint_eq(order.line_count, m->line_count);
    ck_assert_int_eq(order.kind, m->returns ? TB_RETURN : TB_SALE);
    ck_assert_int_eq(order.status, m->cancelled ? TB_CANCELLED
                                   : m->shipped ? TB_SHIPPED
                                                : TB_PLACED);
    ck_assert_int_eq(order.has_address, m->city[0] != '\0');
    if (order.has_address)
        ck_assert(tb_str_eq(order.address.city, tb_str_of(m->city)));
    tb_json_free(json);
    tb_arena_release(&arena);
}

/* The till's part: parse, decide, write down. True: accepted. */
static bool run_command(struct world *w, int64_t now_ms, struct tb_arena *arena)
{
    static struct tb_field_errors errors;
    struct tb_command_context rules = sample_context;
    struct tb_error err = {0};
    struct tb_command command;
    struct tb_event event;
    struct tb_order order;
    char event_id[TB_UUID_SIZE];
    struct tb_json *json = load(&w->till, arena, &order);
    struct tb_decide_context context = {.now_ms = now_ms,
                                        .event_id = event_id,
                                        .new_order_id = SAMPLE_ORDER_ID,
                                        .order_number = "till1-000001",
                                        .node = TB_STR("till1")};
    bool accepted;

    sample_uuid(&w->random, event_id);
    accepted = tb_command_parse(w->type, tb_buf_str(&w->body), &rules, arena, &command, &errors,
                                &err) == TB_OK;
    if (accepted) {
        snprintf(command.order_id, sizeof command.order_id, "%s", SAMPLE_ORDER_ID);
        command.has_expected_version = fake_random_below(&w->random, 4) == 0;
        command.expected_version = w->model.version + (int64_t)fake_random_below(&w->random, 2);
        if (command.has_expected_version && command.expected_version != w->model.version &&
            command.type != TB_CMD_PLACE)
            w->valid = false;
        accepted = tb_decide(&command, w->till.len > 0 ? &order : NULL, &context, arena, &event,
                             &errors, &err) == TB_OK;
    }
    if (accepted) {
        tb_event_apply(&event, &order);
        store(&w->till, &order);
        read_far_away(w, &event);
    }
    tb_json_free(json);
    return accepted;
}

static void run_history(struct world *w, int *accepted, int *refused)
{
    size_t commands = 1 + fake_random_below(&w->random, COMMANDS_MAX);

    w->model = (struct model){0};
    tb_buf_clear(&w->till);
    tb_buf_clear(&w->reader);
    for (size_t i = 0; i < commands; i++) {
        struct tb_arena arena = {0};
        bool open = w->model.exists && !w->model.shipped && !w->model.cancelled;

        make_command(w);
        bool expected = run_command(w, SAMPLE_NOW_MS + (int64_t)i * 1000, &arena);
        ck_assert_int_eq(expected,
                         w->valid && (w->type == TB_CMD_PLACE ? !w->model.exists : open));
        if (expected)
            w->model = w->after;
        *(expected ? accepted : refused) += 1;
        assert_as_the_model(w, &w->till);
        assert_as_the_model(w, &w->reader);
        if (w->till.len > 0)
            ck_assert_str_eq(w->till.data, w->reader.data);
        tb_arena_release(&arena);
    }
}

START_TEST(till_reader_and_model_agree)
{
    struct tb_error err = {0};
    struct world w = {0};
    int accepted = 0, refused = 0;

    ck_ok(tb_zone_set("UTC", &err));
    fake_random_init(&w.random, test_seed(5));
    for (int i = 0; i < HISTORIES; i++)
        run_history(&w, &accepted, &refused);
    ck_assert_int_gt(accepted, HISTORIES);
    ck_assert_int_gt(refused, HISTORIES);
    tb_buf_release(&w.till);
    tb_buf_release(&w.reader);
    tb_buf_release(&w.body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tc = tcase_create("history");

    tcase_add_test(tc, till_reader_and_model_agree);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
