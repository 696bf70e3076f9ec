/* Pages: the answer to a question for a list, which comes a page at a time.
 *
 * Thread:  one.
 * Memory:  the reply and the cursor are the caller's; an element is borrowed for the call.
 * Errors:  an exit status; anything but TB_EXIT_DONE has been explained on standard error.
 * Units:   none. */
#pragma once
#include "base/json/json.h"
#include "cli/args.h"
#include "cli/http/ask.h"
#include "cli/output/table.h"

#define TB_PAGE_LIMIT_MAX "500" /* the largest page there is */

/* A page, or the problem told. */
int tb_page_get(const struct tb_cli *cli, const char *path, struct tb_http_response *ret_page);
/* False: out of memory. */
typedef bool tb_page_element(void *ctx, const struct tb_json *element);
/* Every element of the member that is the page's list. */
int tb_page_each(const struct tb_cli *cli, const struct tb_http_response *page, const char *list,
                 tb_page_element *take, void *ctx);
/* The cursor of the page behind it; empty: there is none. */
int tb_page_next_cursor(const struct tb_cli *cli, const struct tb_http_response *page,
                        struct tb_buf *ret_next);

/* A command that shows a list: --cursor says where, --all that it goes on to the end. */
struct tb_page_list {
    const char *member; /* of the page: the list */
    /* cursor: NULL: as the options say from the start. */
    void (*path)(const struct tb_args *args, const char *cursor, struct tb_buf *ret_path);
    tb_page_element *row; /* a row of the table, which is its ctx */
};
int tb_pages_show(const struct tb_cli *cli, const struct tb_args *args,
                  const struct tb_page_list *list, struct tb_table *table);
