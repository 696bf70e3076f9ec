#include "cli/output/show.h"
#include "cli/http/field.h"
#include "cli/output/amount.h"
#include "cli/output/table.h"
#include "order/answer.h"
#include "order/order.h"

static const struct tb_column field_columns[] = {{"field", false}, {"value", false}};
static const struct tb_column line_columns[] = {
    {"line", false}, /* in a pipe only */
    {"sku", false},  {"name", false}, {"quantity", true}, {"unitPrice", true}, {"amount", true}};
#define LINE_COLUMN_COUNT (sizeof line_columns / sizeof line_columns[0])

void tb_show_amount(struct tb_buf *out, int64_t minor, struct tb_str currency)
{
    char text[TB_AMOUNT_SIZE];
    int digits = 0;

    if (!tb_currency_known(currency, &digits))
        digits = 0;
    tb_amount_format(minor, digits, text);
    tb_buf_adds(out, text);
}

void tb_show_scalar(struct tb_buf *out, const struct tb_json *value)
{
    if (tb_json_type(value) == TB_JSON_STRING)
        tb_buf_add_str(out, tb_json_string(value));
    else if (tb_json_type(value) != TB_JSON_NULL)
        tb_json_print(out, value);
}

/* One field as name and text; amounts lose their suffix and gain the currency's digits. */
static void add_field(struct tb_table *table, struct tb_str prefix, const struct tb_json *member,
                      size_t index, struct tb_str currency)
{
    static const size_t suffix_len = sizeof "Minor" - 1;
    TB_CLEANUP(tb_buf_release) struct tb_buf name = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    struct tb_str key = tb_json_key(member);
    int64_t minor = 0;

    tb_buf_add_str(&name, prefix);
    if (currency.ptr && key.len > suffix_len && tb_json_int(member, &minor) &&
        memcmp(key.ptr + key.len - suffix_len, "Minor", suffix_len) == 0) {
        key.len -= suffix_len;
        tb_show_amount(&text, minor, currency);
    } else {
        tb_show_scalar(&text, member);
    }
    if (key.ptr)
        tb_buf_add_str(&name, key);
    else
        tb_buf_addf(&name, "%zu", index);
    tb_table_cell(table, tb_buf_str(&name));
    tb_table_cell(table, tb_buf_str(&text));
}

static bool is_container(const struct tb_json *value)
{
    return tb_json_type(value) == TB_JSON_OBJECT || tb_json_type(value) == TB_JSON_ARRAY;
}

/* Nested values as dotted names; order lines are left to their own table. The depth is bounded
 * by the parser's. */
static void add_fields(struct tb_table *table, struct tb_str prefix, const struct tb_json *value)
{
    struct tb_str currency = tb_field_text(value, "currency");
    size_t index = 0;

    for (const struct tb_json *m = tb_json_first(value); m; m = tb_json_next(m), index++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf deeper = {0};

        if (!is_container(m)) {
            add_field(table, prefix, m, index, currency);
            continue;
        }
        if (prefix.len == 0 && tb_str_eq(tb_json_key(m), TB_STR("lines")))
            continue;
        tb_buf_add_str(&deeper, prefix);
        if (tb_json_key(m).ptr)
            tb_buf_add_str(&deeper, tb_json_key(m));
        else
            tb_buf_addf(&deeper, "%zu", index);
        tb_buf_addc(&deeper, '.');
        add_fields(table, tb_buf_str(&deeper), m);
    }
}

static void add_line(struct tb_table *table, const struct tb_json *line, struct tb_str currency)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};
    int64_t quantity = 0, price = 0;

    if (!table->terminal) /* a sku may be named like a field */
        tb_table_cell(table, TB_STR("line"));
    tb_table_cell(table, tb_field_text(line, "sku"));
    tb_table_cell(table, tb_field_text(line, "name"));
    (void)tb_field_int(line, "quantity", &quantity);
    (void)tb_field_int(line, "unitPriceMinor", &price);
    tb_buf_add_int(&cell, quantity);
    tb_table_cell(table, tb_buf_str(&cell));
    tb_buf_clear(&cell);
    tb_show_amount(&cell, price, currency);
    tb_table_cell(table, tb_buf_str(&cell));
    tb_buf_clear(&cell);
    if (__builtin_mul_overflow(quantity, price, &price)) /* not one of our limits' */
        tb_buf_addc(&cell, '?');
    else
        tb_show_amount(&cell, price, currency);
    tb_table_cell(table, tb_buf_str(&cell));
}

static void show_lines(const struct tb_cli *cli, const struct tb_json *order)
{
    const struct tb_json *lines = tb_field(order, "lines");
    struct tb_table table;

    if (!lines || tb_json_type(lines) != TB_JSON_ARRAY || tb_json_count(lines) == 0)
        return;
    if (cli->out_terminal)
        putchar('\n');
    tb_table_init(&table, line_columns + cli->out_terminal, LINE_COLUMN_COUNT - cli->out_terminal,
                  cli->out_terminal, cli->color);
    for (const struct tb_json *line = tb_json_first(lines); line; line = tb_json_next(line))
        add_line(&table, line, tb_field_text(order, "currency"));
    tb_table_flush(&table, stdout);
    tb_table_release(&table);
}

static void show_object(const struct tb_cli *cli, const struct tb_json *object)
{
    struct tb_table table;

    tb_table_init(&table, field_columns, 2, cli->out_terminal, cli->color);
    table.header_done = true; /* names explain themselves */
    add_fields(&table, TB_STR(""), object);
    tb_table_flush(&table, stdout);
    tb_table_release(&table);
    show_lines(cli, object);
}

void tb_show_raw(const struct tb_http_response *reply)
{
    if (reply->body.len == 0)
        return;
    fwrite(reply->body.data, 1, reply->body.len, stdout);
    if (reply->body.data[reply->body.len - 1] != '\n')
        putchar('\n');
}

int tb_show_response(const struct tb_cli *cli, const struct tb_http_response *reply)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    int exit_status;

    if (reply->status < 200 || reply->status > 299)
        return tb_show_problem(cli, reply);
    if (cli->json) {
        tb_show_raw(reply);
        return TB_EXIT_DONE;
    }
    exit_status = tb_show_parse(cli, reply, &root);
    if (exit_status == TB_EXIT_DONE)
        show_object(cli, root);
    return exit_status;
}

static struct tb_json *parse_problem(const struct tb_http_response *reply)
{
    struct tb_json *root = NULL;
    struct tb_error err = {0};

    if (tb_json_parse(tb_buf_str(&reply->body), TB_JSON_DEPTH_MAX, &root, &err) != TB_OK)
        return NULL; /* a proxy's page, say: the status has to do */
    return root;
}

/* "422 Unprocessable Content: the order is refused" */
static void add_headline(struct tb_buf *out, const struct tb_http_response *reply,
                         const struct tb_json *problem)
{
    struct tb_str title = tb_field_text(problem, "title");
    struct tb_str detail = tb_field_text(problem, "detail");

    tb_buf_add_int(out, reply->status);
    if (!title.ptr)
        title = tb_str_of(tb_http_reason(reply->status));
    if (title.len > 0)
        tb_buf_addc(out, ' ');
    tb_text_sanitize(out, title);
    if (detail.len > 0)
        tb_buf_adds(out, ": ");
    tb_text_sanitize(out, detail);
}

/* "/lines/0/quantity: must be above 0" */
static void add_fault(struct tb_buf *out, const struct tb_json *fault)
{
    struct tb_str pointer = tb_field_text(fault, "pointer");

    tb_text_sanitize(out, pointer.len > 0 ? pointer : TB_STR("the body"));
    tb_buf_adds(out, ": ");
    tb_text_sanitize(out, tb_field_text(fault, "detail"));
}

void tb_problem_text(struct tb_buf *out, const struct tb_http_response *reply)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *problem = parse_problem(reply);
    const struct tb_json *fault = tb_field_first(problem, "errors");

    add_headline(out, reply, problem);
    for (; fault; fault = tb_json_next(fault)) {
        tb_buf_adds(out, "; ");
        add_fault(out, fault);
    }
}

void tb_problem_json(struct tb_buf *out, const struct tb_http_response *reply)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *problem = parse_problem(reply);

    if (problem) {
        tb_json_print(out, problem);
        return;
    }
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "detail", tb_str_of(tb_http_reason(reply->status)));
    tb_buf_addc(out, '}');
}

int tb_show_problem(const struct tb_cli *cli, const struct tb_http_response *reply)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *problem = parse_problem(reply);
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    const struct tb_json *fault = tb_field_first(problem, "errors");

    if (cli->json)
        tb_show_raw(reply);
    add_headline(&text, reply, problem);
    for (; fault; fault = tb_json_next(fault)) {
        tb_buf_adds(&text, "\n  ");
        add_fault(&text, fault);
    }
    tb_cli_error(cli, "%s", tb_buf_ok(&text) ? text.data : "out of memory");
    return TB_EXIT_FAILED;
}

void tb_show_cell(struct tb_table *table, const struct tb_json *object, const char *name)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};
    const struct tb_json *member = tb_field(object, name);

    if (member)
        tb_show_scalar(&cell, member);
    tb_table_cell(table, tb_buf_str(&cell));
}

int tb_show_parse(const struct tb_cli *cli, const struct tb_http_response *reply,
                  struct tb_json **ret_json)
{
    struct tb_error err = {0};

    if (tb_json_parse(tb_buf_str(&reply->body), TB_JSON_DEPTH_MAX, ret_json, &err) != TB_OK)
        return tb_cli_bad_response(cli, err.text);
    return TB_EXIT_DONE;
}
