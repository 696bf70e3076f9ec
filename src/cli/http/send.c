#include "cli/http/send.h"
#include "base/time/backoff.h"
#include "base/values/uuid.h"
#include <time.h>

/* Four tries with three short waits are enough for a restart of the server. After that the user
 * decides whether to try again. */
#define TRIES_MAX 4
#define RETRY_WAIT_BASE_MS 250
#define RETRY_WAIT_MAX_MS 5000

void tb_sleep_ms(int64_t ms)
{
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&rest, &rest) != 0)
        continue;
}

int tb_http_unreachable(const struct tb_cli *cli, const char *why)
{
    tb_cli_error(cli,
                 "nobody answers at %s: %s\n"
                 "  Is it running? `tillbox edge` starts it here. For another machine or port "
                 "use --url or\n  set TILLBOX_URL.",
                 cli->url, why);
    return TB_EXIT_UNREACHABLE;
}

static void client_freep(struct tb_http_client **client)
{
    tb_http_client_free(*client);
}

int tb_http_open(const struct tb_cli *cli, size_t in_flight_max,
                 struct tb_http_client **ret_client)
{
    struct tb_error err = {0};

    if (tb_http_client_open(cli->url, in_flight_max, ret_client, &err) == TB_OK)
        return TB_EXIT_DONE;
    tb_cli_error(cli, "%s", err.text);
    return err.code == TB_INVALID ? TB_EXIT_USAGE : TB_EXIT_FAILED;
}

int tb_http_get(const struct tb_cli *cli, const char *path, int64_t wait_ms,
                struct tb_http_response *ret_response)
{
    TB_CLEANUP(client_freep) struct tb_http_client *client = NULL;
    const struct tb_http_request request = {.method = "GET", .path = path, .wait_ms = wait_ms};
    struct tb_error err = {0};

    TB_CLI_TRY(tb_http_open(cli, 1, &client));
    if (tb_http_client_perform(client, &request, ret_response, &err) != TB_OK)
        return tb_http_unreachable(cli, err.text);
    return TB_EXIT_DONE;
}

/* *ret_sent: the server may have carried out the request although no response says so. */
static int send_with_retry(const struct tb_cli *cli, struct tb_http_client *client,
                           const struct tb_http_request *request,
                           struct tb_http_response *ret_response, bool *ret_sent)
{
    struct tb_backoff backoff = {.base_ms = RETRY_WAIT_BASE_MS, .cap_ms = RETRY_WAIT_MAX_MS};

    for (int tries = 1;; tries++) {
        struct tb_http_response response = {0};
        struct tb_error err = {0};
        enum tb_code code = tb_http_client_perform(client, request, &response, &err);
        int64_t wait_ms = tb_backoff_next_ms(&backoff, &tb_random_system);
        bool last = tries == TRIES_MAX;

        *ret_sent |= code == TB_UNKNOWN || (code == TB_OK && response.status == 503);
        if (code == TB_OK && (response.status != 503 || last)) {
            *ret_response = response;
            return TB_EXIT_DONE;
        }
        if (code != TB_OK && (last || !*ret_sent))
            return tb_http_unreachable(cli, err.text);
        if (response.retry_after_ms > wait_ms)
            wait_ms = response.retry_after_ms < RETRY_WAIT_MAX_MS ? response.retry_after_ms
                                                                  : RETRY_WAIT_MAX_MS;
        tb_http_response_release(&response);
        tb_sleep_ms(wait_ms);
    }
}

int tb_http_send_command(const struct tb_cli *cli, const char *method, const char *path,
                         struct tb_str body, const char *key, const char *if_match,
                         struct tb_http_response *ret_response)
{
    struct tb_uuid_gen gen = {.clock = &tb_clock_system, .random = &tb_random_system};
    struct tb_http_request request = {
        .method = method, .path = path, .body = body, .key = key, .if_match = if_match};
    TB_CLEANUP(client_freep) struct tb_http_client *client = NULL;
    char new_key[TB_UUID_SIZE];
    bool sent = false;
    int exit_status;

    TB_CLI_TRY(tb_http_open(cli, 1, &client));
    if (!key) {
        tb_uuid_new(&gen, new_key);
        request.key = new_key;
    }
    exit_status = send_with_retry(cli, client, &request, ret_response, &sent);
    if (sent && (exit_status != TB_EXIT_DONE || ret_response->status == 503))
        tb_cli_error(cli,
                     "whether it was carried out is not known. To ask again without doing it "
                     "twice, repeat the\n  same command with --idempotency-key %s",
                     request.key);
    return exit_status;
}

int tb_http_send_idempotent(const struct tb_cli *cli, struct tb_http_client *client,
                            const char *method, const char *path, struct tb_str body,
                            struct tb_http_response *ret_response)
{
    const struct tb_http_request request = {.method = method, .path = path, .body = body};
    TB_CLEANUP(client_freep) struct tb_http_client *opened = NULL;
    bool sent = false;

    if (!client)
        TB_CLI_TRY(tb_http_open(cli, 1, &opened));
    return send_with_retry(cli, client ? client : opened, &request, ret_response, &sent);
}
