/* Lists that the server answers page by page.
 *
 * Thread:  main.
 * Memory:  one page at a time, valid until visit returns.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed. */
#pragma once
#include "cli/http/send.h"
#include "cli/output/table.h"

struct tb_page {
    const struct tb_http_response *response;
    const cJSON *first; /* element of the list; NULL: the page is empty */
    const char *next;   /* the cursor of the following page; NULL: this is the last */
};

/* Appends the options that are given and have a field as parameters of the query. */
void tb_url_add_options(struct tb_buf *path, const struct tb_args *args,
                        const struct tb_option *options);

/* A list, and how it is printed. */
struct tb_page_list {
    const char *path; /* "/orders" */
    const char *name; /* of the list in a page; NULL: a page may be any text */
    const struct tb_option *options;
    const char *status; /* the value without --status; NULL: --status has no default */
    const struct tb_column *columns;
    size_t column_count;
    bool large; /* GET large pages unless --limit is given */
};
/* GETs page after page, from --cursor on, and calls visit for each, until it returns false or the
 * list ends. */
int tb_pages_walk(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list,
                  bool (*visit)(void *ctx, const struct tb_page *page), void *ctx);
/* Prints one page, or with --all every page; with --json as they come. */
int tb_pages_show(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list);
