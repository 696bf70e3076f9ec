#include "api/http/listen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A burst of tills after a power cut; the kernel cuts it to net.core.somaxconn. */
#define LISTEN_BACKLOG 4096

bool tb_listen_split(const char *listen, char ret_host[TB_LISTEN_HOST_SIZE], char ret_port[6])
{
    const char *colon = strrchr(listen, ':');
    const char *host = listen;
    size_t host_len = 0, port_len = 0;

    if (colon == NULL)
        return false;
    host_len = (size_t)(colon - listen);
    port_len = strlen(colon + 1);
    if (host_len > 0 && host[0] == '[') {
        if (host_len < 2 || host[host_len - 1] != ']')
            return false;
        host++;
        host_len -= 2;
    } else if (memchr(host, ':', host_len) != NULL) {
        return false;
    }
    if (host_len >= TB_LISTEN_HOST_SIZE || port_len < 1 || port_len > 5 ||
        strspn(colon + 1, "0123456789") != port_len || strtol(colon + 1, NULL, 10) > 65535)
        return false;
    memcpy(ret_host, host, host_len);
    ret_host[host_len] = '\0';
    memcpy(ret_port, colon + 1, port_len + 1);
    return true;
}

void tb_socket_peer_text(int fd, char ret_text[TB_PEER_TEXT_SIZE])
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    char host[INET6_ADDRSTRLEN], port[6];

    (void)snprintf(ret_text, TB_PEER_TEXT_SIZE, "?");
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((const struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    (void)snprintf(ret_text, TB_PEER_TEXT_SIZE,
                   address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_listener(const struct addrinfo *info)
{
    int on = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    /* A restart must not wait for the last connections' TIME_WAIT. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int why = errno;
    (void)close(fd);
    errno = why;
    return -1;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

enum tb_code tb_listen_open(const char *listen, int *ret_fd, int *ret_port, struct tb_error *err)
{
    char host[TB_LISTEN_HOST_SIZE], port[6];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int fd = -1;

    if (!tb_listen_split(listen, host, port))
        return tb_error_set(err, TB_INVALID, "http.listen %s: not host:port", listen);
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &list);
    if (rc != 0)
        return tb_error_set(err, TB_INVALID, "http.listen %s: %s", listen, gai_strerror(rc));
    for (const struct addrinfo *info = list; info != NULL && fd < 0; info = info->ai_next)
        fd = open_listener(info);
    int why = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return tb_error_errno(err, TB_INVALID, why, "http.listen %s", listen);
    *ret_fd = fd;
    *ret_port = bound_port(fd);
    return TB_OK;
}

/* false for families that are neither IPv4 nor IPv6. */
static bool address_bytes(const struct sockaddr *address, uint8_t ret_bytes[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        memcpy(ret_bytes, mapped, 12);
        memcpy(ret_bytes + 12, &v4.sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        memcpy(ret_bytes, &v6.sin6_addr, 16);
        return true;
    }
    return false;
}

static bool bytes_are_loopback(const uint8_t bytes[16])
{
    struct in6_addr v6;

    memcpy(&v6, bytes, 16);
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && bytes[12] == 127);
}

bool tb_address_is_loopback(const struct sockaddr *address)
{
    uint8_t bytes[16];

    return !address_bytes(address, bytes) || bytes_are_loopback(bytes);
}

bool tb_address_text_is_loopback(const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return tb_address_is_loopback((const struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
        return tb_address_is_loopback((const struct sockaddr *)&v6);
    return false;
}

static struct tb_address_count **bucket_of(struct tb_address_limit *peers, const uint8_t bytes[16])
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (int i = 0; i < 16; i++)
        hash = (hash ^ bytes[i]) * 16777619U;
    return &peers->buckets[hash % TB_ADDRESS_LIMIT_BUCKETS];
}

bool tb_address_limit_add(struct tb_address_limit *peers, const struct sockaddr *address,
                          struct tb_address_count **ret_peer)
{
    uint8_t bytes[16];

    *ret_peer = NULL;
    if (!address_bytes(address, bytes) || bytes_are_loopback(bytes))
        return true;
    struct tb_address_count **bucket = bucket_of(peers, bytes);
    struct tb_address_count *peer = *bucket;
    while (peer != NULL && memcmp(peer->address, bytes, 16) != 0)
        peer = peer->next;
    if (peer != NULL && peer->count >= peers->max)
        return false;
    if (peer == NULL) {
        peer = calloc(1, sizeof(*peer));
        if (peer == NULL)
            return false;
        memcpy(peer->address, bytes, 16);
        peer->next = *bucket;
        *bucket = peer;
    }
    peer->count++;
    *ret_peer = peer;
    return true;
}

void tb_address_limit_remove(struct tb_address_limit *peers, struct tb_address_count *peer)
{
    if (peer == NULL || --peer->count > 0)
        return;
    struct tb_address_count **at = bucket_of(peers, peer->address);
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    free(peer);
}
