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
