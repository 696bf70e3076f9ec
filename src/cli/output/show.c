#include "cli/output/show.h"
#include "base/json/json.h"
#include "order/answer.h"
#include "order/order.h"
#include <inttypes.h>

static const struct tb_column field_columns[] = {{"field", false, NULL}, {"value", false, NULL}};
static const struct tb_column line_columns[] = {
    {"line", false, NULL}, /* in a pipe only */
    {"sku", false, "sku"},     {"name", false, "name"}, {"quantity", true, "quantity"},
    {"unitPrice", true, NULL}, {"amount", true, NULL}};
#define LINE_COLUMN_COUNT (sizeof line_columns / sizeof line_columns[0])

void tb_amount_format(tb_sum minor, int digits, char ret_text[TB_AMOUNT_SIZE])
{
    char text[TB_SUM_SIZE];
    const char *whole = text + (minor < 0);
    const char *sign = minor < 0 ? "-" : "";
    int len;

    TB_ASSERT(digits >= 0 && digits <= 9);
    tb_sum_format(minor, text);
    len = (int)strlen(whole) - digits;
    if (digits == 0)
        snprintf(ret_text, TB_AMOUNT_SIZE, "%s", text);
    else if (len <= 0)
        snprintf(ret_text, TB_AMOUNT_SIZE, "%s0.%.*s%s", sign, -len, "000000000", whole);
    else
        snprintf(ret_text, TB_AMOUNT_SIZE, "%s%.*s.%s", sign, len, whole, whole + len);
}

void tb_show_amount(struct tb_buf *out, tb_sum minor, struct tb_str currency)
{
    char text[TB_AMOUNT_SIZE];
    int digits = 0;

    if (!tb_currency_known(currency, &digits))
        digits = 0;
    tb_amount_format(minor, digits, text);
    tb_buf_adds(out, text);
}

static bool is_minor(const char *name)
{
    static const size_t suffix_len = sizeof "Minor" - 1;
    size_t len = strlen(name);

    return len > suffix_len && strcmp(name + len - suffix_len, "Minor") == 0;
}

/* Appends the value of the member `name`. True: the value is an amount in minor units and was
 * formatted with the digits of its currency. */
static bool add_value(struct tb_buf *out, const char *name, const cJSON *value,
                      struct tb_str currency)
{
    int64_t number = 0;
    tb_sum sum = 0;

    if (currency.ptr && is_minor(name) && tb_cjson_is_sum(value, &sum)) {
        tb_show_amount(out, sum, currency);
        return true;
    }
    if (tb_cjson_is_int(value, &number))
        tb_buf_add_int(out, number);
    else if (cJSON_IsNumber(value))
        tb_buf_addf(out, "%.15g", value->valuedouble);
    else if (cJSON_IsBool(value))
        tb_buf_adds(out, cJSON_IsTrue(value) ? "true" : "false");
    else if (cJSON_IsString(value))
        tb_buf_adds(out, value->valuestring);
    return false;
}

void tb_show_cells(struct tb_table *table, const cJSON *object)
{
    struct tb_str currency = tb_cjson_text(object, "currency");
    size_t column = table->cell_count % table->column_count;

    for (; column < table->column_count && table->columns[column].member; column++) {
        TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};
        const char *name = table->columns[column].member;

        (void)add_value(&cell, name, tb_cjson_get(object, name), currency);
        tb_table_cell(table, tb_buf_str(&cell));
    }
}

/* Adds a row for each value in the container. Nested values get dotted names. show_lines prints
 * the order lines. The parser limits the depth. */
static void add_fields(struct tb_table *table, const char *prefix, const cJSON *container)
{
    struct tb_str currency = tb_cjson_text(container, "currency");
    const cJSON *member;
    size_t index = 0;

    cJSON_ArrayForEach(member, container)
    {
        TB_CLEANUP(tb_buf_release) struct tb_buf name = {0};
        TB_CLEANUP(tb_buf_release) struct tb_buf value = {0};
        const char *key = member->string ? member->string : "";

        tb_buf_adds(&name, prefix);
        if (member->string)
            tb_buf_adds(&name, key);
        else
            tb_buf_addf(&name, "%zu", index);
        index++;
        if (cJSON_IsObject(member) || cJSON_IsArray(member)) {
            if (prefix[0] == '\0' && strcmp(key, "lines") == 0)
                continue;
            tb_buf_addc(&name, '.');
            add_fields(table, tb_cli_text(&name), member);
            continue;
        }
        if (add_value(&value, key, member, currency))
            name.len -= sizeof "Minor" - 1;
        tb_table_cell(table, tb_buf_str(&name));
        tb_table_cell(table, tb_buf_str(&value));
    }
}

static void add_line(struct tb_table *table, const cJSON *line, struct tb_str currency)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};
    int64_t quantity = 0, price = 0;

    if (!table->terminal) /* a program tells lines from fields by this word */
        tb_table_cell(table, TB_STR("line"));
    tb_show_cells(table, line);
    (void)tb_cjson_int(line, "quantity", &quantity);
    (void)tb_cjson_int(line, "unitPriceMinor", &price);
    tb_show_amount(&cell, price, currency);
    tb_table_cell(table, tb_buf_str(&cell));
    tb_buf_clear(&cell);
    if (__builtin_mul_overflow(quantity, price, &price)) /* no order within our limits does */
        tb_buf_addc(&cell, '?');
    else
        tb_show_amount(&cell, price, currency);
    tb_table_cell(table, tb_buf_str(&cell));
}

static void show_lines(const struct tb_cli *cli, const cJSON *order)
{
    const cJSON *lines = tb_cjson_get(order, "lines"), *line;
    TB_CLEANUP(tb_table_release) struct tb_table table = {0};

    if (!cJSON_IsArray(lines) || !lines->child)
        return;
    if (cli->out_terminal)
        putchar('\n');
    tb_table_init(&table, cli, line_columns + cli->out_terminal,
                  LINE_COLUMN_COUNT - cli->out_terminal);
    cJSON_ArrayForEach(line, lines) add_line(&table, line, tb_cjson_text(order, "currency"));
    tb_table_flush(&table, stdout);
}

static void show_object(const struct tb_cli *cli, const cJSON *object)
{
    TB_CLEANUP(tb_table_release) struct tb_table table = {0};

    tb_table_init(&table, cli, field_columns, 2);
    table.header_done = true; /* the names explain themselves */
    add_fields(&table, "", object);
    tb_table_flush(&table, stdout);
    show_lines(cli, object);
}

void tb_show_raw(const struct tb_http_response *response)
{
    if (response->body.len == 0)
        return;
    tb_cli_clear_line();
    fwrite(response->body.data, 1, response->body.len, stdout);
    if (response->body.data[response->body.len - 1] != '\n')
        putchar('\n');
}

int tb_show_response(const struct tb_cli *cli, struct tb_http_response *response)
{
    if (response->status < 200 || response->status > 299)
        return tb_show_problem(cli, response);
    if (cli->json) {
        tb_show_raw(response);
        return TB_EXIT_DONE;
    }
    if (!tb_http_response_json(response))
        return tb_cli_bad_response(cli, "it is not JSON");
    show_object(cli, response->json);
    return TB_EXIT_DONE;
}

int tb_show_get(const struct tb_cli *cli, const char *path)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};

    TB_CLI_TRY(tb_http_get(cli, path, 0, &response));
    return tb_show_response(cli, &response);
}

int tb_show_fetch(const struct tb_cli *cli, const char *path,
                  struct tb_http_response *ret_response)
{
    TB_CLI_TRY(tb_http_get(cli, path, 0, ret_response));
    if (ret_response->status != 200)
        return tb_show_problem(cli, ret_response);
    if (!tb_http_response_json(ret_response))
        return tb_cli_bad_response(cli, "it is not JSON");
    return TB_EXIT_DONE;
}

void tb_show_counts(const struct tb_cli *cli, const struct tb_count *counts, size_t count,
                    bool complete)
{
    if (cli->json)
        putchar(']');
    for (size_t i = 0; i < count; i++) {
        if (cli->json)
            printf(",\"%s\":%" PRId64, counts[i].json_name, counts[i].value);
        else
            printf("%s\t%" PRId64 "\n", counts[i].name, counts[i].value);
    }
    if (cli->json)
        printf(",\"complete\":%s}\n", complete ? "true" : "false");
}

void tb_problem_text(struct tb_buf *out, struct tb_http_response *response, const char *separator)
{
    /* NULL if the body is not JSON, for example a page from a proxy: then only the status is
     * printed. */
    const cJSON *problem = tb_http_response_json(response);
    struct tb_str title = tb_cjson_text(problem, "title");
    struct tb_str detail = tb_cjson_text(problem, "detail");
    const cJSON *error = tb_cjson_first(problem, "errors");

    tb_buf_add_int(out, response->status);
    if (!title.ptr)
        title = tb_str_of(tb_http_reason(response->status));
    tb_buf_adds(out, title.len > 0 ? " " : "");
    tb_text_sanitize(out, title);
    tb_buf_adds(out, detail.len > 0 ? ": " : "");
    tb_text_sanitize(out, detail);
    for (; error; error = error->next) {
        struct tb_str pointer = tb_cjson_text(error, "pointer");

        tb_buf_adds(out, separator);
        tb_text_sanitize(out, pointer.len > 0 ? pointer : TB_STR("the body"));
        tb_buf_adds(out, ": ");
        tb_text_sanitize(out, tb_cjson_text(error, "detail"));
    }
}

/* Appends the body if it is JSON, else {"detail": the name of the status}. */
static void add_problem_json(struct tb_buf *out, const struct tb_http_response *response)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *problem = NULL;
    struct tb_error err = {0};

    /* The strict reader, because cJSON accepts some texts that are not JSON. */
    if (tb_json_parse(tb_buf_str(&response->body), TB_JSON_DEPTH_MAX, &problem, &err) == TB_OK) {
        tb_json_print(out, problem);
        return;
    }
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "detail", tb_str_of(tb_http_reason(response->status)));
    tb_buf_addc(out, '}');
}

void tb_show_refusal(const struct tb_cli *cli, bool first, const char *head,
                     struct tb_http_response *response)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    if (cli->json) {
        tb_buf_addf(&text, "%s{%s", first ? "" : ",", head);
        tb_json_member_int(&text, "status", response->status);
        tb_json_member_key(&text, "problem");
        add_problem_json(&text, response);
        tb_buf_addc(&text, '}');
    } else {
        tb_buf_adds(&text, head);
        tb_problem_text(&text, response, "; ");
        tb_buf_addc(&text, '\n');
    }
    tb_cli_clear_line();
    fputs(tb_cli_text(&text), stdout);
}

int tb_show_problem(const struct tb_cli *cli, struct tb_http_response *response)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    if (cli->json)
        tb_show_raw(response);
    tb_problem_text(&text, response, "\n  ");
    tb_cli_error(cli, "%s", tb_cli_text(&text));
    return TB_EXIT_FAILED;
}
