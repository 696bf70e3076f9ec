#include "cli/engine/dead_letter_filter.h"

static const struct tb_column columns[] = {{"id", false, "id"},
                                           {"status", false, "status"},
                                           {"reason", false, "reason"},
                                           {"type", false, "type"},
                                           {"order", false, "orderId"},
                                           {"version", true, "version"},
                                           {"attempts", true, "attempts"},
                                           {"died", false, "deadAt"},
                                           {"message", false, "message"}};

void tb_dead_letter_list_path(const struct tb_args *args, const char *status, const char *limit,
                              const char *cursor, struct tb_buf *path)
{
    static const struct tb_page_filter filters[] = {{"--order", "orderId"},
                                                    {"--type", "type"},
                                                    {"--reason", "reason"},
                                                    {"--since", "since"},
                                                    {NULL, NULL}};

    tb_buf_adds(path, "/dead-letters");
    tb_page_add_filters(path, args, filters);
    tb_url_add_query(path, "status", status);
    tb_url_add_query(path, "limit", limit);
    tb_url_add_query(path, "cursor", cursor);
}

void tb_dead_letter_path(const char *id, const char *suffix, struct tb_buf *path)
{
    tb_buf_adds(path, "/dead-letters/");
    tb_url_add_segment(path, id);
    tb_buf_adds(path, suffix);
}

void tb_dead_letter_table_init(const struct tb_cli *cli, struct tb_table *ret_table)
{
    tb_table_init(ret_table, cli, columns, sizeof columns / sizeof columns[0]);
}
