/* Lists that the server answers page by page.
 *
 * Thread:  main.
 * Memory:  one page at a time, valid until visit returns.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed. */
#pragma once
#include "cli/http/send.h"
#include "cli/output/table.h"

#define TB_PAGE_LIMIT_MAX "500" /* the largest page that a server gives */

struct tb_page {
    struct tb_http_response response;
    const cJSON *first; /* element of the list; NULL: the page is empty */
    const char *next;   /* the cursor of the following page; NULL: this is the last */
};

/* An option that becomes a parameter of the query. */
struct tb_page_filter {
    const char *option, *parameter;
};
/* Appends the parameters of the options that are given. filters ends with a NULL option. */
void tb_page_add_filters(struct tb_buf *path, const struct tb_args *args,
                         const struct tb_page_filter *filters);

struct tb_page_list {
    const char *name; /* of the list in a page; NULL: a page may be any text */
    /* Appends the path of the page at the cursor; NULL: the first page. */
    void (*path)(const struct tb_args *args, const char *cursor, struct tb_buf *path);
};
/* GETs page after page, from --cursor on, and calls visit for each, until it returns false or the
 * list ends. */
int tb_pages_walk(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list,
                  bool (*visit)(void *ctx, const struct tb_page *page), void *ctx);
/* Prints one page, or with --all every page. With --json as they come. */
int tb_pages_show(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list, struct tb_table *table);
