/* Prints the answers of a server: for a person on a terminal, or for a program in a pipe.
 *
 * An object is printed as one line for each field (in a pipe: name, tab, value), then its order
 * lines as a table (in a pipe: `line`, sku, name, quantity, unitPrice, amount). A `...Minor` field
 * of an object with a currency is printed with the currency's digits and without the suffix.
 *
 * Memory:  borrows from the response.
 * Units:   money in minor units (_minor). */
#pragma once
#include "cli/http/send.h"
#include "cli/output/table.h"

/* Prints the object in the body of a 2xx response; prints any other response as a refusal. */
int tb_show_response(const struct tb_cli *cli, struct tb_http_response *response);
/* GETs the object at path and prints it. */
int tb_show_get(const struct tb_cli *cli, const char *path);
/* GETs the object at path into ret_response->json. */
int tb_show_fetch(const struct tb_cli *cli, const char *path,
                  struct tb_http_response *ret_response);
/* Clears the progress line and prints the body as it came, with a newline at its end. */
void tb_show_raw(const struct tb_http_response *response);
/* Prints a refusal on standard error: the status, the detail and each error. With --json it also
 * prints the body on standard output. Returns TB_EXIT_FAILED. */
int tb_show_problem(const struct tb_cli *cli, struct tb_http_response *response);

/* Appends a refusal: "422 Unprocessable Content: detail". The separator and its text, such as
 * "/currency: detail", follow for each error. */
void tb_problem_text(struct tb_buf *out, struct tb_http_response *response, const char *separator);
/* Prints one of the refusals that a long command lists: head and the line of tb_problem_text; with
 * --json an element {head, "status":..., "problem":...} of a list. first: no other came before. */
void tb_show_refusal(const struct tb_cli *cli, bool first, const char *head,
                     struct tb_http_response *response);

/* One of the counts at the end of the output of a long command. */
struct tb_count {
    const char *name, *json_name;
    int64_t value;
};
/* Prints the counts: one line each; with --json it closes a list that is still open and adds the
 * counts and "complete" to the object around the list. */
void tb_show_counts(const struct tb_cli *cli, const struct tb_count *counts, size_t count,
                    bool complete);

/* A sum with a point, and a 0 before it and behind. */
#define TB_AMOUNT_SIZE (TB_SUM_SIZE + 12)
/* Formats an amount without floating point. digits: 0 to 9. 700 with 2 is "7.00", with 0 "700". */
void tb_amount_format(tb_sum minor, int digits, char ret_text[TB_AMOUNT_SIZE]);
/* Appends an amount with the digits of its currency; without digits if the currency is unknown. */
void tb_show_amount(struct tb_buf *out, tb_sum minor, struct tb_str currency);
/* Goes on with the row: fills cells from the object up to the end of the row or a column without a
 * member. */
void tb_show_cells(struct tb_table *table, const cJSON *object);
