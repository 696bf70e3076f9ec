#include "cli/engine/dlq_filter.h"
#include "cli/http/client.h"
#include "cli/http/field.h"
#include "cli/output/show.h"

static const struct tb_column columns[] = {
    {"id", false},     {"status", false},  {"reason", false}, {"type", false},   {"order", false},
    {"version", true}, {"attempts", true}, {"died", false},   {"message", false}};
/* The members behind the columns. */
static const char *const members[] = {"id",      "status",   "reason", "type",   "orderId",
                                      "version", "attempts", "deadAt", "message"};
#define COLUMN_COUNT (sizeof columns / sizeof columns[0])

void tb_dead_letter_list_path(const struct tb_args *args, const char *status, const char *limit,
                              const char *cursor, struct tb_buf *ret_path)
{
    static const char *const names[][2] = {
        {"--order", "orderId"}, {"--type", "type"}, {"--reason", "reason"}, {"--since", "since"}};

    tb_buf_clear(ret_path);
    tb_buf_adds(ret_path, "/dead-letters");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        tb_url_add_query(ret_path, names[i][1], tb_args_get(args, names[i][0]));
    tb_url_add_query(ret_path, "status", status);
    tb_url_add_query(ret_path, "limit", limit);
    tb_url_add_query(ret_path, "cursor", cursor);
}

void tb_dead_letter_path(const char *id, const char *more, struct tb_buf *ret_path)
{
    tb_buf_clear(ret_path);
    tb_buf_adds(ret_path, "/dead-letters/");
    tb_url_add_segment(ret_path, id);
    tb_buf_adds(ret_path, more);
}

void tb_dead_letter_table_init(const struct tb_cli *cli, struct tb_table *ret_table)
{
    tb_table_init(ret_table, columns, COLUMN_COUNT, cli->out_terminal, cli->color);
}

bool tb_dead_letter_table_add(void *table, const struct tb_json *letter)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        tb_show_cell(table, letter, members[i]);
    return true; /* a table that is out of memory says so */
}
