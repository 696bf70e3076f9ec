/* Asking: one request and its answer, with the complaints and the patience that all share.
 *
 * Thread:  one.
 * Memory:  the reply is the caller's: tb_http_response_release.
 * Errors:  an exit status; anything but TB_EXIT_DONE has been explained on standard error.
 *          Any HTTP status is TB_EXIT_DONE.
 * Units:   milliseconds. */
#pragma once
#include "cli/cli.h"
#include "cli/http/client.h"

/* Answers come within milliseconds; a till that thinks for longer is stuck. */
#define TB_HTTP_TIMEOUT_MS 30000

/* A question: asked once. */
int tb_http_get(const struct tb_cli *cli, const char *path, int64_t timeout_ms,
                struct tb_http_response *ret_reply);
/* A command: while its outcome is unknown or the server is busy it is sent again, a few times and
 * with the same key, so that it happens once. key NULL: one is made. */
int tb_http_send_command(const struct tb_cli *cli, const char *method, const char *path,
                         struct tb_str body, const char *key, const char *if_match,
                         struct tb_http_response *ret_reply);

/* What may be carried out twice without harm, over a connection that stays for the next one: the
 * client is the caller's, tb_http_client_free. */
int tb_http_open(const struct tb_cli *cli, struct tb_http_client **ret_client);
int tb_http_send_idempotent(const struct tb_cli *cli, struct tb_http_client *client,
                            const char *method, const char *path, struct tb_str body,
                            struct tb_http_response *ret_reply);
/* The same over a connection of its own. */
int tb_http_send_idempotent_once(const struct tb_cli *cli, const char *method, const char *path,
                                 struct tb_str body, struct tb_http_response *ret_reply);

/* "Nobody answers at ...", and what to try; returns TB_EXIT_UNREACHABLE. */
int tb_http_unreachable(const struct tb_cli *cli, const struct tb_error *err);
void tb_sleep_ms(int64_t ms);
