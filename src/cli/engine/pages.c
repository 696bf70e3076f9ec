#include "cli/engine/pages.h"
#include "cli/output/show.h"

#define LIMIT_MAX "500" /* the largest page that a server sends */

/* Without a name and without more pages the response is only printed, so it is not parsed. */
static int get_page(const struct tb_cli *cli, const char *path, const struct tb_page_list *list,
                    struct tb_http_response *ret_response, struct tb_page *ret_page)
{
    const cJSON *root, *array;

    TB_CLI_TRY(tb_http_get(cli, path, 0, ret_response));
    if (ret_response->status != 200)
        return tb_show_problem(cli, ret_response);
    root = list->name || list->large ? tb_http_response_json(ret_response) : NULL;
    array = list->name ? tb_cjson_get(root, list->name) : NULL;
    if (list->name && !cJSON_IsArray(array))
        return tb_cli_bad_response(cli, "it has no list");
    *ret_page = (struct tb_page){ret_response, array ? array->child : NULL,
                                 tb_cjson_text(root, "next").ptr};
    return TB_EXIT_DONE;
}

void tb_url_add_options(struct tb_buf *path, const struct tb_args *args,
                        const struct tb_option *options)
{
    for (; options->name; options++) {
        if (options->field)
            tb_url_add_query(path, options->field, tb_args_get(args, options->name));
    }
}

/* Appends the path of the page at the cursor; NULL: of the first page. */
static void add_path(struct tb_buf *path, const struct tb_args *args,
                     const struct tb_page_list *list, const char *cursor)
{
    const char *status = tb_args_get(args, "--status"), *limit = tb_args_get(args, "--limit");

    tb_buf_adds(path, list->path);
    tb_url_add_options(path, args, list->options);
    if (list->status && (!status || strcmp(status, "any") != 0))
        tb_url_add_query(path, "status", status ? status : list->status);
    tb_url_add_query(path, "limit", list->large && !limit ? LIMIT_MAX : limit);
    tb_url_add_query(path, "cursor", cursor);
}

int tb_pages_walk(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list,
                  bool (*visit)(void *ctx, const struct tb_page *page), void *ctx)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf next = {0};
    const char *cursor = tb_args_get(args, "--cursor");

    for (;;) {
        TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
        TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
        struct tb_page page;

        add_path(&path, args, list, cursor);
        TB_CLI_TRY(get_page(cli, tb_cli_text(&path), list, &response, &page));
        if (!visit(ctx, &page) || !page.next || !*page.next)
            return TB_EXIT_DONE;
        tb_buf_clear(&next);
        tb_buf_adds(&next, page.next);
        cursor = tb_cli_text(&next);
    }
}

struct printer {
    const struct tb_cli *cli;
    bool all;
    struct tb_table table;
};

static bool print_page(void *ctx, const struct tb_page *page)
{
    struct printer *printer = ctx;
    const struct tb_cli *cli = printer->cli;

    if (cli->json)
        tb_show_raw(page->response);
    for (const cJSON *element = page->first; element; element = element->next)
        tb_show_cells(&printer->table, element);
    if (!cli->json)
        tb_table_flush(&printer->table, stdout);
    if (!printer->all && page->next && *page->next && cli->out_terminal && !cli->json)
        printf("\nMore: --cursor %s, or --all\n", page->next);
    return printer->all;
}

int tb_pages_show(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list)
{
    struct printer printer = {.cli = cli, .all = tb_args_has(args, "--all")};
    struct tb_page_list shown = *list;
    int exit_status;

    shown.large = printer.all;
    if (cli->json)
        shown.name = NULL;
    tb_table_init(&printer.table, cli, list->columns, list->column_count);
    exit_status = tb_pages_walk(cli, args, &shown, print_page, &printer);
    tb_table_release(&printer.table);
    return exit_status;
}
