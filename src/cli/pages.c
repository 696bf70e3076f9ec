#include "cli/pages.h"
#include "cli/show.h"
#include "cli/slice.h"

static int not_ours(const struct tb_cli *cli, const char *why)
{
    tb_cli_complain(cli, "the answer of %s is not ours: %s", cli->url, why);
    return TB_EXIT_FAILED;
}

int tb_page_ask(const struct tb_cli *cli, const char *path, struct tb_reply *ret_page)
{
    int exit_status = tb_ask(cli, path, TB_ASK_MAX_MS, ret_page);

    if (exit_status == TB_EXIT_DONE && ret_page->status != 200)
        return tb_show_problem(cli, ret_page);
    return exit_status;
}

int tb_page_each(const struct tb_cli *cli, const struct tb_reply *page, const char *list,
                 tb_page_element *take, void *ctx)
{
    struct tb_str array, text;
    size_t cursor = 0;

    if (!tb_slice_member(tb_buf_str(&page->body), list, &array))
        return not_ours(cli, "it has no list");
    while (tb_slice_element(array, &cursor, &text)) {
        TB_CLEANUP(tb_json_freep) struct tb_json *element = NULL;
        struct tb_error err = {0};

        if (tb_json_parse(text, TB_JSON_DEPTH_MAX, &element, &err) != TB_OK)
            return not_ours(cli, err.text);
        if (!take(ctx, element)) {
            tb_cli_complain(cli, "out of memory");
            return TB_EXIT_FAILED;
        }
    }
    return TB_EXIT_DONE;
}

int tb_page_next(const struct tb_cli *cli, const struct tb_reply *page, struct tb_buf *ret_next)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *next = NULL;
    struct tb_error err = {0};
    struct tb_str text;

    tb_buf_clear(ret_next);
    if (!tb_slice_member(tb_buf_str(&page->body), "next", &text))
        return TB_EXIT_DONE;
    if (tb_json_parse(text, 1, &next, &err) != TB_OK)
        return not_ours(cli, err.text);
    tb_buf_add_str(ret_next, tb_json_string(next));
    if (tb_buf_ok(ret_next))
        return TB_EXIT_DONE;
    tb_cli_complain(cli, "out of memory");
    return TB_EXIT_FAILED;
}
