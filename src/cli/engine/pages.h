/* Lists that a server sends page by page.
 *
 * Memory:  one page at a time, valid until visit returns. */
#pragma once
#include "cli/http/send.h"
#include "cli/output/table.h"

struct tb_page {
    const struct tb_http_response *response;
    const cJSON *first; /* the first element of the list; NULL: the page is empty */
    const char *next;   /* the cursor of the next page; NULL or "": this page is the last */
};

/* Appends a parameter field=value to the query for each option that is given and has a field. */
void tb_url_add_options(struct tb_buf *path, const struct tb_args *args,
                        const struct tb_option *options);

/* A list, and how it is printed. */
struct tb_page_list {
    const char *path; /* "/orders" */
    const char *name; /* of the array in a page; NULL: the page is not checked */
    const struct tb_option *options;
    const char *status; /* the default of --status; NULL: `options` handles --status itself */
    const struct tb_column *columns;
    size_t column_count;
    bool large; /* without --limit, ask for the largest pages; tb_pages_show does so with --all */
};
/* GETs page after page, from --cursor on, and calls visit for each of them, until visit returns
 * false or the list ends. */
int tb_pages_walk(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list,
                  bool (*visit)(void *ctx, const struct tb_page *page), void *ctx);
/* Prints one page, or with --all every page; with --json as the server sent them. */
int tb_pages_show(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list);
