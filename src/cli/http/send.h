/* Sends one request and waits for the response; prints errors; repeats a request where that does
 * no harm.
 *
 * Thread:  main.
 * Memory:  the response belongs to the caller: tb_http_response_release.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed. Any HTTP status is
 *          TB_EXIT_DONE.
 * Units:   milliseconds. */
#pragma once
#include "cli/cli.h"
#include "cli/http/client.h"

/* A client for cli->url. */
int tb_http_open(const struct tb_cli *cli, size_t in_flight_max,
                 struct tb_http_client **ret_client);

/* GET, sent once. wait_ms: the server may wait so long before it answers. */
int tb_http_get(const struct tb_cli *cli, const char *path, int64_t wait_ms,
                struct tb_http_response *ret_response);
/* A command. It is repeated with the same key while its outcome is unknown or the server is busy,
 * a few times, so that it happens once. key NULL: one is made. */
int tb_http_send_command(const struct tb_cli *cli, const char *method, const char *path,
                         struct tb_str body, const char *key, const char *if_match,
                         struct tb_http_response *ret_response);
/* A request that may be carried out twice without harm; repeated likewise. client NULL: over a
 * connection of its own. */
int tb_http_send_idempotent(const struct tb_cli *cli, struct tb_http_client *client,
                            const char *method, const char *path, struct tb_str body,
                            struct tb_http_response *ret_response);

/* Prints "nobody answers at ..." and what to try; returns TB_EXIT_UNREACHABLE. */
int tb_http_unreachable(const struct tb_cli *cli, const char *why);
void tb_sleep_ms(int64_t ms);
