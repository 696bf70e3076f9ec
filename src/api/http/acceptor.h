/* Door: accepts connections within the limits and turns the others away at once.
 *
 * Thread:  one owner.
 * Memory:  owns the listening socket and a spare descriptor, with which a connection can still be
 *          refused when the process has no other left: else it would wait and wake us for ever.
 * Errors:  none: who cannot come in is told so, if that is possible, and closed.
 * Units:   connections. */
#pragma once
#include "api/http/listen.h"
#include <stddef.h>

struct tb_acceptor {
    int listen_fd, spare_fd;
    struct tb_address_limit peers;
    int64_t max;
};
struct tb_accepted {
    int fd;
    struct sockaddr_storage address;
    socklen_t address_len;
    struct tb_address_count *peer;
};
void tb_acceptor_init(struct tb_acceptor *acceptor, int listen_fd, int64_t max,
                      int64_t max_per_address);
void tb_acceptor_close(struct tb_acceptor *acceptor);
void tb_acceptor_reject(int fd); /* 503, and closed */
/* The next one who may come in; present is how many are. False: nobody waits. */
bool tb_acceptor_next(struct tb_acceptor *acceptor, int64_t present,
                      struct tb_accepted *ret_guest);
