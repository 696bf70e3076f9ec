#include "cli/http/pages.h"
#include "cli/http/slice.h"
#include "cli/output/show.h"

int tb_page_get(const struct tb_cli *cli, const char *path, struct tb_http_response *ret_page)
{
    int exit_status = tb_http_get(cli, path, TB_HTTP_TIMEOUT_MS, ret_page);

    if (exit_status == TB_EXIT_DONE && ret_page->status != 200)
        return tb_show_problem(cli, ret_page);
    return exit_status;
}

int tb_page_each(const struct tb_cli *cli, const struct tb_http_response *page, const char *list,
                 tb_page_element *take, void *ctx)
{
    struct tb_str array, text;
    size_t cursor = 0;

    if (!tb_slice_member(tb_buf_str(&page->body), list, &array))
        return tb_cli_bad_response(cli, "it has no list");
    while (tb_slice_element(array, &cursor, &text)) {
        TB_CLEANUP(tb_json_freep) struct tb_json *element = NULL;
        struct tb_error err = {0};

        if (tb_json_parse(text, TB_JSON_DEPTH_MAX, &element, &err) != TB_OK)
            return tb_cli_bad_response(cli, err.text);
        if (!take(ctx, element))
            return tb_cli_no_memory(cli);
    }
    return TB_EXIT_DONE;
}

int tb_page_next_cursor(const struct tb_cli *cli, const struct tb_http_response *page,
                        struct tb_buf *ret_next)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *next = NULL;
    struct tb_error err = {0};
    struct tb_str text;

    tb_buf_clear(ret_next);
    if (!tb_slice_member(tb_buf_str(&page->body), "next", &text))
        return TB_EXIT_DONE;
    if (tb_json_parse(text, 1, &next, &err) != TB_OK)
        return tb_cli_bad_response(cli, err.text);
    tb_buf_add_str(ret_next, tb_json_string(next));
    if (tb_buf_ok(ret_next))
        return TB_EXIT_DONE;
    return tb_cli_no_memory(cli);
}

static int show_page(const struct tb_cli *cli, const struct tb_page_list *list,
                     struct tb_table *table, const struct tb_http_response *page)
{
    int exit_status;

    if (cli->json) {
        tb_show_raw(page);
        return TB_EXIT_DONE;
    }
    exit_status = tb_page_each(cli, page, list->member, list->row, table);
    if (exit_status == TB_EXIT_DONE)
        tb_table_flush(table, stdout);
    return exit_status;
}

int tb_pages_show(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list, struct tb_table *table)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf next = {0};
    const char *cursor = tb_args_get(args, "--cursor");

    for (;;) {
        TB_CLEANUP(tb_http_response_release) struct tb_http_response page = {0};
        int exit_status;

        list->path(args, cursor, &path);
        if (!tb_buf_ok(&path))
            return tb_cli_no_memory(cli);
        exit_status = tb_page_get(cli, path.data, &page);
        if (exit_status == TB_EXIT_DONE)
            exit_status = tb_page_next_cursor(cli, &page, &next);
        if (exit_status == TB_EXIT_DONE)
            exit_status = show_page(cli, list, table, &page);
        if (exit_status != TB_EXIT_DONE || next.len == 0)
            return exit_status;
        cursor = next.data;
        if (!tb_args_has(args, "--all")) {
            if (cli->out_terminal && !cli->json)
                printf("\nMore: --cursor %s, or --all\n", cursor);
            return TB_EXIT_DONE;
        }
    }
}
