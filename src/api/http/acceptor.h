/* Acceptor: accepts connections within the limits and rejects the others at once.
 *
 * When the process has no descriptors left, the acceptor gives up a spare one to accept and reject
 * the waiting connection: otherwise it would stay in the queue and wake us for ever.
 *
 * Thread:  one owner.
 * Memory:  owns the listening socket and the spare descriptor.
 * Units:   connections. */
#pragma once
#include "api/http/address_limit.h"

struct tb_acceptor {
    int listen_fd, spare_fd;
    struct tb_address_limit address_limit;
    int64_t max;
};
struct tb_accepted {
    int fd;
    struct sockaddr_storage address;
    socklen_t address_len;
    struct tb_address_count *address_count; /* NULL: not counted */
};
void tb_acceptor_init(struct tb_acceptor *acceptor, int listen_fd, int64_t max,
                      int64_t max_per_address);
void tb_acceptor_close(struct tb_acceptor *acceptor);
void tb_acceptor_reject(int fd); /* answers 503 and closes */
/* Accepts the next connection; `present` are open. False: none waits. */
bool tb_acceptor_next(struct tb_acceptor *acceptor, int64_t present,
                      struct tb_accepted *ret_accepted);
