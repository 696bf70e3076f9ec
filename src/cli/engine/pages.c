#include "cli/engine/pages.h"
#include "cli/output/show.h"

int tb_page_get(const struct tb_cli *cli, const char *path, const char *list,
                struct tb_page *ret_page)
{
    const cJSON *root, *array;

    TB_CLI_TRY(tb_http_get(cli, path, 0, &ret_page->response));
    if (ret_page->response.status != 200)
        return tb_show_problem(cli, &ret_page->response);
    root = tb_http_response_json(&ret_page->response);
    array = list ? tb_cjson_get(root, list) : NULL;
    if (list && !cJSON_IsArray(array))
        return tb_cli_bad_response(cli, "it has no list");
    ret_page->first = array ? array->child : NULL;
    ret_page->next = cJSON_GetStringValue(tb_cjson_get(root, "next"));
    return TB_EXIT_DONE;
}

void tb_page_release(struct tb_page *page)
{
    tb_http_response_release(&page->response);
    *page = (struct tb_page){0};
}

void tb_page_add_filters(struct tb_buf *path, const struct tb_args *args,
                         const struct tb_page_filter *filters)
{
    for (; filters->option; filters++)
        tb_url_add_query(path, filters->parameter, tb_args_get(args, filters->option));
}

static void show_page(const struct tb_cli *cli, const struct tb_page *page, struct tb_table *table)
{
    if (cli->json) {
        tb_show_raw(&page->response);
        return;
    }
    for (const cJSON *element = page->first; element; element = element->next)
        tb_show_cells(table, element);
    tb_table_flush(table, stdout);
}

int tb_pages_show(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list, struct tb_table *table)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cursor = {0};
    const char *from = tb_args_get(args, "--cursor");

    for (;;) {
        TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
        TB_CLEANUP(tb_page_release) struct tb_page page = {0};

        list->path(args, from, &path);
        /* --json passes on whatever comes. */
        TB_CLI_TRY(tb_page_get(cli, tb_cli_text(&path), cli->json ? NULL : list->name, &page));
        show_page(cli, &page, table);
        if (!page.next || !*page.next)
            return TB_EXIT_DONE;
        if (!tb_args_has(args, "--all")) {
            if (cli->out_terminal && !cli->json)
                printf("\nMore: --cursor %s, or --all\n", page.next);
            return TB_EXIT_DONE;
        }
        tb_buf_clear(&cursor);
        tb_buf_adds(&cursor, page.next);
        from = tb_cli_text(&cursor);
    }
}
