/* Lists that the server answers page by page.
 *
 * Thread:  main.
 * Memory:  one page at a time; tb_page_release frees it.
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
/* GETs a page; list: the name of its list; NULL: the page may be any text. */
int tb_page_get(const struct tb_cli *cli, const char *path, const char *list,
                struct tb_page *ret_page);
void tb_page_release(struct tb_page *page);

/* An option that becomes a parameter of the query. */
struct tb_page_filter {
    const char *option, *parameter;
};
/* Appends the parameters of the options that are given. filters ends with a NULL option. */
void tb_page_add_filters(struct tb_buf *path, const struct tb_args *args,
                         const struct tb_page_filter *filters);

/* A command that prints a list: from --cursor on, one page, or with --all every page. */
struct tb_page_list {
    const char *name; /* of the list in a page */
    /* Appends the path of the page at the cursor; NULL: the first page. */
    void (*path)(const struct tb_args *args, const char *cursor, struct tb_buf *path);
};
int tb_pages_show(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list, struct tb_table *table);
