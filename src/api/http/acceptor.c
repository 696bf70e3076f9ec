#include "api/http/acceptor.h"
#include "api/http/conn.h"
#include "base/host_port.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

/* After a power cut all tills connect at once. The kernel lowers this to net.core.somaxconn. */
#define LISTEN_BACKLOG 4096

void tb_socket_peer_text(int fd, char ret_text[TB_PEER_TEXT_SIZE])
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char host[INET6_ADDRSTRLEN], port[6];

    snprintf(ret_text, TB_PEER_TEXT_SIZE, "?");
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((const struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(ret_text, TB_PEER_TEXT_SIZE, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
             host, port);
}

static int open_listener(const struct addrinfo *info)
{
    int on = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    /* Otherwise a restarted process would have to wait for old connections in TIME_WAIT. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

enum tb_code tb_listen_open(const char *listen, int *ret_fd, int *ret_port, struct tb_error *err)
{
    char host[TB_HOST_SIZE], port[TB_PORT_SIZE];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int fd = -1;

    if (!tb_host_port_split(listen, host, port))
        return tb_error_set(err, TB_INVALID, "http.listen %s: not host:port", listen);
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &list);
    if (rc != 0)
        return tb_error_set(err, TB_INVALID, "http.listen %s: %s", listen, gai_strerror(rc));
    for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        fd = open_listener(info);
    int failed = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return tb_error_errno(err, TB_INVALID, failed, "http.listen %s", listen);
    *ret_fd = fd;
    *ret_port = bound_port(fd);
    return TB_OK;
}

void tb_acceptor_init(struct tb_acceptor *acceptor, int listen_fd, int64_t max,
                      int64_t max_per_address)
{
    *acceptor = (struct tb_acceptor){.listen_fd = listen_fd, .max = max};
    acceptor->address_limit.max = max_per_address;
    acceptor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void tb_acceptor_close(struct tb_acceptor *acceptor)
{
    if (acceptor->listen_fd >= 0)
        close(acceptor->listen_fd);
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    acceptor->listen_fd = acceptor->spare_fd = -1;
}

void tb_acceptor_reject(int fd)
{
    tb_conn_send_refusal(fd, 503, "Too many connections.");
    close(fd);
}

/* Closes the spare descriptor, so that the next connection can be accepted, and rejects that
 * connection. False: none could be accepted. */
static bool reject_with_spare(struct tb_acceptor *acceptor)
{
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    int fd = accept4(acceptor->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        tb_acceptor_reject(fd);
    acceptor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

bool tb_acceptor_next(struct tb_acceptor *acceptor, int64_t present,
                      struct tb_accepted *ret_accepted)
{
    for (;;) {
        struct tb_accepted accepted = {.address_len = sizeof accepted.address};
        accepted.fd = accept4(acceptor->listen_fd, (struct sockaddr *)&accepted.address,
                              &accepted.address_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted.fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if ((errno == EMFILE || errno == ENFILE) && reject_with_spare(acceptor))
                continue;
            return false;
        }
        if (present >= acceptor->max ||
            !tb_address_limit_add(&acceptor->address_limit,
                                  (const struct sockaddr *)&accepted.address,
                                  &accepted.address_count)) {
            tb_acceptor_reject(accepted.fd);
            continue;
        }
        *ret_accepted = accepted;
        return true;
    }
}
