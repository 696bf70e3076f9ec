/* Prints a server's answers: for a person on a terminal, or for a program in a pipe.
 *
 * An object is printed as one line for each field (in a pipe: name, tab, value), then its order
 * lines as a table (in a pipe: `line`, sku, name, quantity, unitPrice, amount). A `...Minor` field
 * of an object with a currency is printed with the currency's digits and without the suffix.
 *
 * Thread:  main.
 * Memory:  borrows from the response.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed.
 * Units:   money in minor units (_minor). */
#pragma once
#include "cli/http/send.h"
#include "cli/output/table.h"

/* Prints the response to a request about one object, or the problem that it holds. */
int tb_show_response(const struct tb_cli *cli, struct tb_http_response *response);
/* GETs the object at path and prints it. */
int tb_show_get(const struct tb_cli *cli, const char *path);
/* GETs the object at path, which then is in ret_response->json. */
int tb_show_fetch(const struct tb_cli *cli, const char *path,
                  struct tb_http_response *ret_response);
/* Prints the body as it came; adds a newline if there is none at its end. */
void tb_show_raw(const struct tb_http_response *response);
/* Prints a refusal on standard error: the detail and each error (with --json the body on standard
 * output, too). Returns TB_EXIT_FAILED. */
int tb_show_problem(const struct tb_cli *cli, struct tb_http_response *response);

/* Appends a refusal as one line: "422 Unprocessable Content: detail; /currency: detail". */
void tb_problem_text(struct tb_buf *out, struct tb_http_response *response);
/* Appends a refusal as JSON: the body if it is JSON, else {"detail": the status's name}. */
void tb_problem_json(struct tb_buf *out, const struct tb_http_response *response);

/* One of the counts that end the output of a long command. */
struct tb_count {
    const char *name, *json_name;
    int64_t value;
};
/* Prints the counts: in a pipe one line each; with --json as members that end an object whose list
 * is still open, and "complete". */
void tb_show_counts(const struct tb_cli *cli, const struct tb_count *counts, size_t count,
                    bool complete);

/* A sign, 20 digits, a point, 9 more digits and a NUL. */
#define TB_AMOUNT_SIZE 40
/* Computed without floating point. digits: 0 to 9. 700 with 2 is "7.00", with 0 "700". */
void tb_amount_format(int64_t minor, int digits, char ret_text[TB_AMOUNT_SIZE]);
/* Appends an amount with the currency's digits; with none if the currency is not known. */
void tb_show_amount(struct tb_buf *out, int64_t minor, struct tb_str currency);
/* Fills the table's row from the object's members, up to its end or a column without a member. */
void tb_show_cells(struct tb_table *table, const cJSON *object);
