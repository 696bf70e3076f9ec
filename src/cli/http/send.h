/* Sends one request, waits for the response, and prints errors. Repeats a request if a repeat does
 * no harm.
 *
 * Memory:  the response belongs to the caller: tb_http_response_release.
 * Errors:  TB_EXIT_DONE with any HTTP status: the caller must look at it. */
#pragma once
#include "cli/cli.h"
#include "cli/http/client.h"

/* Opens a client for cli->url. */
int tb_http_open(const struct tb_cli *cli, size_t in_flight_max,
                 struct tb_http_client **ret_client);

/* Sends a GET once. wait_ms: the server may wait this long before it answers. */
int tb_http_get(const struct tb_cli *cli, const char *path, int64_t wait_ms,
                struct tb_http_response *ret_response);
/* Sends a command. If its outcome is unknown or the server is busy, sends it again, up to three
 * times. All have the same key, so that the command is carried out only once. key NULL: a new one
 * is made. */
int tb_http_send_command(const struct tb_cli *cli, const char *method, const char *path,
                         struct tb_str body, const char *key, const char *if_match,
                         struct tb_http_response *ret_response);
/* Sends a request that may be carried out twice without harm, and repeats it like a command.
 * client NULL: opens one for this request. */
int tb_http_send_idempotent(const struct tb_cli *cli, struct tb_http_client *client,
                            const char *method, const char *path, struct tb_str body,
                            struct tb_http_response *ret_response);

/* Prints that nobody answers at cli->url, and what to try; returns TB_EXIT_UNREACHABLE. */
int tb_http_unreachable(const struct tb_cli *cli, const char *why);
void tb_sleep_ms(int64_t ms);
