/* Showing: what the server answered, for a person on a terminal or a program in a pipe.
 *
 * One object is a line per field (name, tab, value in a pipe), its order lines a table below it
 * (in a pipe: `line`, sku, name, quantity, unitPrice, amount).
 * `...Minor` fields of an object with a currency are shown with the currency's digits, and
 * without the suffix.
 *
 * Thread:  one.
 * Memory:  borrows from the reply.
 * Errors:  an exit status; the complaint is printed.
 * Units:   money in minor units (_minor). */
#pragma once
#include "base/json/json.h"
#include "cli/cli.h"
#include "cli/http/client.h"
#include "cli/output/table.h"

/* The reply of a question about one object: shown, or the problem told. */
int tb_show_response(const struct tb_cli *cli, const struct tb_http_response *reply);
/* The body as it came, ended by a newline. */
void tb_show_raw(const struct tb_http_response *reply);
/* A refusal: detail and each fault on standard error (with --json the body on standard output);
 * returns TB_EXIT_FAILED. */
int tb_show_problem(const struct tb_cli *cli, const struct tb_http_response *reply);
/* The same in one line: "422 Unprocessable Content: detail; /lines/0/quantity: detail". */
void tb_problem_text(struct tb_buf *out, const struct tb_http_response *reply);

/* The problem as JSON: the body if it is that, else an object with its text as detail. */
void tb_problem_json(struct tb_buf *out, const struct tb_http_response *reply);

/* An amount with the currency's digits; the bare number when the currency is not known. */
void tb_show_amount(struct tb_buf *out, int64_t minor, struct tb_str currency);
/* A scalar as text: strings bare, null empty. */
void tb_show_scalar(struct tb_buf *out, const struct tb_json *value);
/* The object's member as the table's next cell; empty where it has none. */
void tb_show_cell(struct tb_table *table, const struct tb_json *object, const char *name);
/* What a reply with a body of ours holds, or that it is none is told. */
int tb_show_parse(const struct tb_cli *cli, const struct tb_http_response *reply,
                  struct tb_json **ret_json);
