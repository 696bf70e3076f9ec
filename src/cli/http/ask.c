#include "cli/http/ask.h"
#include "base/time/backoff.h"
#include "base/values/uuid.h"
#include <time.h>

/* Four tries with waits of about half a second bridge a restart; then a person decides. */
#define COMMAND_TRIES 4
#define COMMAND_WAIT_BASE_MS 250
#define COMMAND_WAIT_MAX_MS 5000

void tb_sleep_ms(int64_t ms)
{
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&rest, &rest) != 0)
        continue;
}

int tb_http_unreachable(const struct tb_cli *cli, const struct tb_error *err)
{
    tb_cli_error(cli,
                 "nobody answers at %s: %s\n"
                 "  Is it running? `tillbox edge` starts it here. For another machine or port "
                 "use --url or\n  set TILLBOX_URL.",
                 cli->url, err->text);
    return TB_EXIT_UNREACHABLE;
}

int tb_http_open(const struct tb_cli *cli, struct tb_http_client **ret_client)
{
    struct tb_error err = {0};

    if (tb_http_client_open(cli->url, 1, ret_client, &err) == TB_OK)
        return TB_EXIT_DONE;
    tb_cli_error(cli, "%s", err.text);
    return err.code == TB_INVALID ? TB_EXIT_USAGE : TB_EXIT_FAILED;
}

int tb_http_get(const struct tb_cli *cli, const char *path, int64_t timeout_ms,
                struct tb_http_response *ret_reply)
{
    struct tb_http_request request = {.method = "GET", .path = path, .timeout_ms = timeout_ms};
    struct tb_http_client *client = NULL;
    struct tb_error err = {0};
    int exit_status = tb_http_open(cli, &client);

    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    if (tb_http_client_perform(client, &request, ret_reply, &err) != TB_OK)
        exit_status = tb_http_unreachable(cli, &err);
    tb_http_client_free(client);
    return exit_status;
}

/* Sends it until there is an answer worth showing. *ret_sent: some try may have arrived. */
static enum tb_code send_with_retry(const struct tb_cli *cli, struct tb_http_client *client,
                                    const struct tb_http_request *request,
                                    struct tb_http_response *ret_reply, bool *ret_sent,
                                    struct tb_error *err)
{
    struct tb_backoff backoff = {.base_ms = COMMAND_WAIT_BASE_MS, .cap_ms = COMMAND_WAIT_MAX_MS};

    for (int tries = 1;; tries++) {
        struct tb_http_response reply = {0};
        enum tb_code code = tb_http_client_perform(client, request, &reply, err);
        int64_t wait_ms = tb_backoff_next_ms(&backoff, cli->random);
        bool last = tries == COMMAND_TRIES;

        *ret_sent |= code == TB_UNKNOWN || (code == TB_OK && reply.status == 503);
        if (code == TB_OK && (reply.status != 503 || last)) {
            *ret_reply = reply;
            return TB_OK;
        }
        if (code != TB_OK && (last || !*ret_sent))
            return code;
        if (reply.retry_after_ms > wait_ms)
            wait_ms = reply.retry_after_ms < COMMAND_WAIT_MAX_MS ? reply.retry_after_ms
                                                                 : COMMAND_WAIT_MAX_MS;
        tb_http_response_release(&reply);
        tb_sleep_ms(wait_ms);
    }
}

int tb_http_send_command(const struct tb_cli *cli, const char *method, const char *path,
                         struct tb_str body, const char *key, const char *if_match,
                         struct tb_http_response *ret_reply)
{
    struct tb_uuid_gen gen = {.clock = cli->clock, .random = cli->random};
    struct tb_http_request request = {.method = method,
                                      .path = path,
                                      .body = body,
                                      .key = key,
                                      .if_match = if_match,
                                      .timeout_ms = TB_HTTP_TIMEOUT_MS};
    char made_key[TB_UUID_SIZE];
    struct tb_http_client *client = NULL;
    struct tb_error err = {0};
    bool sent = false;
    int exit_status = tb_http_open(cli, &client);

    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    if (!key) {
        tb_uuid_new(&gen, made_key);
        request.key = made_key;
    }
    if (send_with_retry(cli, client, &request, ret_reply, &sent, &err) != TB_OK)
        exit_status = tb_http_unreachable(cli, &err);
    tb_http_client_free(client);
    if (sent && (exit_status != TB_EXIT_DONE || ret_reply->status == 503))
        tb_cli_error(cli,
                     "whether it was carried out is not known. To ask again without doing it "
                     "twice, repeat the\n  same command with --idempotency-key %s",
                     request.key);
    return exit_status;
}

int tb_http_send_idempotent(const struct tb_cli *cli, struct tb_http_client *client,
                            const char *method, const char *path, struct tb_str body,
                            struct tb_http_response *ret_reply)
{
    struct tb_http_request request = {
        .method = method, .path = path, .body = body, .timeout_ms = TB_HTTP_TIMEOUT_MS};
    struct tb_error err = {0};
    bool sent = false;

    if (send_with_retry(cli, client, &request, ret_reply, &sent, &err) == TB_OK)
        return TB_EXIT_DONE;
    return tb_http_unreachable(cli, &err);
}

int tb_http_send_idempotent_once(const struct tb_cli *cli, const char *method, const char *path,
                                 struct tb_str body, struct tb_http_response *ret_reply)
{
    struct tb_http_client *client = NULL;
    int exit_status = tb_http_open(cli, &client);

    if (exit_status == TB_EXIT_DONE)
        exit_status = tb_http_send_idempotent(cli, client, method, path, body, ret_reply);
    tb_http_client_free(client);
    return exit_status;
}
