#include "bridge/log/kafka/kafka_priv.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned state_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_state : TCP_CLOSE;
}

static int open_socket(int domain, int type, int protocol, void *opaque)
{
    struct kafka_sockets *sockets = &((struct kafka_handle *)opaque)->sockets;
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);

    if (fd < 0)
        return fd;
    pthread_mutex_lock(&sockets->lock);
    if (sockets->count < KAFKA_SOCKETS_MAX)
        sockets->fds[sockets->count++] = fd;
    pthread_mutex_unlock(&sockets->lock);
    return fd;
}

static int close_socket(int fd, void *opaque)
{
    struct kafka_sockets *sockets = &((struct kafka_handle *)opaque)->sockets;

    pthread_mutex_lock(&sockets->lock);
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->fds[i] != fd)
            continue;
        /* Any other state means: refused, or it was established. */
        sockets->answered = sockets->answered || state_of(fd) != TCP_SYN_SENT;
        sockets->fds[i] = sockets->fds[--sockets->count];
        break;
    }
    pthread_mutex_unlock(&sockets->lock);
    return close(fd);
}

void tb_kafka_sockets_init(struct kafka_sockets *sockets, rd_kafka_conf_t *conf)
{
    TB_ASSERT(pthread_mutex_init(&sockets->lock, NULL) == 0);
    rd_kafka_conf_set_socket_cb(conf, open_socket);
    rd_kafka_conf_set_closesocket_cb(conf, close_socket);
}

void tb_kafka_sockets_release(struct kafka_sockets *sockets)
{
    pthread_mutex_destroy(&sockets->lock);
}

bool tb_kafka_sockets_answered(struct kafka_sockets *sockets)
{
    bool answered;

    pthread_mutex_lock(&sockets->lock);
    for (size_t i = 0; i < sockets->count && !sockets->answered; i++) {
        unsigned state = state_of(sockets->fds[i]);

        /* TCP_CLOSE: not connected yet, or refused. close_socket recognizes a refusal. */
        sockets->answered = state != TCP_SYN_SENT && state != TCP_CLOSE;
    }
    answered = sockets->answered;
    pthread_mutex_unlock(&sockets->lock);
    return answered;
}
