#include "api/node.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 20000
#define RECEIVE_MAX (4 << 20)

void client_open(struct client *client, const struct node *node)
{
    client_connect(client, node->port);
}

void client_connect(struct client *client, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;

    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    client->data = malloc(RECEIVE_MAX + 1);
    ck_assert_ptr_nonnull(client->data);
    ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->data);
    *client = (struct client){.fd = -1};
}

void client_send(struct client *client, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* refused meanwhile: the answer tells */
        ck_assert_int_gt(sent, 0);
        at += sent;
        len -= (size_t)sent;
    }
}

void client_print(struct client *client, const char *format, ...)
{
    char text[16384];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ck_assert(len >= 0 && (size_t)len < sizeof(text));
    client_send(client, text, (size_t)len);
}

/* Reads more bytes; false: the connection has ended. */
static bool receive(struct client *client)
{
    struct pollfd fd = {.fd = client->fd, .events = POLLIN};

    ck_assert_uint_lt(client->len, RECEIVE_MAX);
    ck_assert_msg(poll(&fd, 1, WAIT_MS) == 1, "nothing came");
    ssize_t got = recv(client->fd, client->data + client->len, RECEIVE_MAX - client->len, 0);
    if (got <= 0)
        return false;
    client->len += (size_t)got;
    client->data[client->len] = '\0';
    return true;
}

void client_consume(struct client *client, size_t len)
{
    memmove(client->data, client->data + len, client->len - len);
    client->len -= len;
    client->data[client->len] = '\0';
}

bool client_await(struct client *client, size_t len)
{
    while (client->len < len) {
        if (!receive(client))
            return false;
    }
    return true;
}

void response_release(struct response *response)
{
    free(response->body);
    response->body = NULL;
}

static void read_once(struct client *client, struct response *response, bool head_only)
{
    char *end = NULL;

    response_release(response);
    *response = (struct response){0};
    client->data[client->len] = '\0';
    while ((end = strstr(client->data, "\r\n\r\n")) == NULL) {
        if (!receive(client))
            return;
    }
    size_t head_len = (size_t)(end - client->data) + 4;
    ck_assert_uint_lt(head_len, sizeof(response->head));
    memcpy(response->head, client->data, head_len);
    ck_assert_int_eq(sscanf(response->head, "HTTP/1.1 %d", &response->status), 1);
    client_consume(client, head_len);
    const char *length = response_header(response, "Content-Length");
    if (length != NULL && !head_only)
        response->body_len = (size_t)atol(length);
    while (client->len < response->body_len)
        ck_assert_msg(receive(client), "the body is cut short");
    response->body = calloc(1, response->body_len + 1);
    ck_assert_ptr_nonnull(response->body);
    memcpy(response->body, client->data, response->body_len);
    client_consume(client, response->body_len);
}

void client_read(struct client *client, struct response *response, bool head_only)
{
    do
        read_once(client, response, head_only);
    while (response->status == 100);
}

const char *response_header(const struct response *response, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);

    for (const char *at = strstr(response->head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
        at += 2;
        if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
            at += len + 1 + strspn(at + len + 1, " ");
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
            return value;
        }
    }
    return NULL;
}

bool client_ended(struct client *client)
{
    return client->len == 0 && !receive(client) && client->len == 0;
}

void client_drain(struct client *client)
{
    while (receive(client))
        continue;
}

bool client_quiet(struct client *client)
{
    struct pollfd fd = {.fd = client->fd, .events = POLLIN};

    return client->len == 0 && poll(&fd, 1, 50) == 0;
}

void ask(struct client *client, const char *method, const char *target, const char *extra,
         const char *body, struct response *response)
{
    client_print(client, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, target, extra);
    if (body != NULL)
        client_print(client, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     strlen(body));
    else
        client_print(client, "\r\n");
    if (body != NULL)
        client_send(client, body, strlen(body));
    client_read(client, response, strcmp(method, "HEAD") == 0);
}

void body_text(const struct response *response, const char *key, char *ret_text, size_t size)
{
    char wanted[80];

    snprintf(wanted, sizeof(wanted), "\"%s\":\"", key);
    const char *at = strstr(response->body, wanted);
    ck_assert_msg(at != NULL, "no %s in %s", key, response->body);
    at += strlen(wanted);
    snprintf(ret_text, size, "%.*s", (int)strcspn(at, "\""), at);
}
