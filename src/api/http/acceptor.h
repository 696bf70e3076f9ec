/* Acceptor: opens the listening socket, accepts connections within the limits, and rejects the
 * others at once.
 *
 * When the process has no descriptors left, the acceptor gives up a spare one to accept and reject
 * the waiting connection: otherwise that connection would stay in the queue, and the listening
 * socket would wake us for ever.
 *
 * Thread:  the api thread; tb_socket_peer_text any.
 * Memory:  owns the listening socket and the spare descriptor.
 * Errors:  TB_INVALID: the address is malformed, taken, or not one of this machine. */
#pragma once
#include "api/http/address_limit.h"
#include "base/error.h"

struct tb_acceptor {
    int listen_fd, spare_fd;
    struct tb_address_limit address_limit;
    int64_t max; /* connections of all addresses */
};
struct tb_accepted {
    int fd;
    struct sockaddr_storage address;
    socklen_t address_len;
    struct tb_address_count *address_count; /* NULL: the address is not counted */
};
/* Opens a listening, non-blocking socket. *ret_port is the port that the kernel chose if `listen`
 * asks for port 0. */
TB_CHECKED enum tb_code tb_listen_open(const char *listen, int *ret_fd, int *ret_port,
                                       struct tb_error *err);
void tb_acceptor_init(struct tb_acceptor *acceptor, int listen_fd, int64_t max,
                      int64_t max_per_address);
void tb_acceptor_close(struct tb_acceptor *acceptor);
void tb_acceptor_reject(int fd); /* answers 503 and closes */
/* Accepts the next connection; `present` are open already. False: none is waiting. */
bool tb_acceptor_next(struct tb_acceptor *acceptor, int64_t present,
                      struct tb_accepted *ret_accepted);

/* "127.0.0.1:40312", "[::1]:40312". */
#define TB_PEER_TEXT_SIZE 56
/* The address at the other end of a socket; "?" if it cannot be read. */
void tb_socket_peer_text(int fd, char ret_text[TB_PEER_TEXT_SIZE]);
