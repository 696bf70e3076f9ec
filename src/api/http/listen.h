/* Net: the listening socket, addresses as text, and how many connections each address has.
 *
 * Thread:  one owner.
 * Memory:  a peer lives as long as it has connections.
 * Errors:  TB_INVALID: the address is malformed, taken, or not this machine's.
 * Units:   connections. */
#pragma once
#include "base/error.h"
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#define TB_NET_HOST_SIZE 256
/* "host:port", "[v6]:port"; the host may be empty: every address. */
bool tb_net_split(const char *listen, char ret_host[TB_NET_HOST_SIZE], char ret_port[6]);
/* Bound, listening, not blocking. *ret_port is the real one. */
TB_CHECKED enum tb_code tb_net_listen(const char *listen, int *ret_fd, int *ret_port,
                                      struct tb_error *err);
/* 127.0.0.0/8 and ::1, also mapped. */
bool tb_net_is_loopback(const struct sockaddr *address);
bool tb_net_text_is_loopback(const char *address);

/* "127.0.0.1:40312", "[::1]:40312". */
#define TB_NET_ADDRESS_SIZE 56
/* Who is at the other end of a socket; "?" if nobody knows. */
void tb_net_peer_text(int fd, char ret_text[TB_NET_ADDRESS_SIZE]);

#define TB_PEER_BUCKETS 256
struct tb_peer {
    struct tb_peer *next;
    uint8_t address[16]; /* IPv4 is mapped */
    int64_t count;
};
struct tb_peers {
    struct tb_peer *buckets[TB_PEER_BUCKETS];
    int64_t max; /* per address; loopback is not counted */
};
/* False: the address has its share. *ret_peer NULL: not counted. */
bool tb_peers_enter(struct tb_peers *peers, const struct sockaddr *address,
                    struct tb_peer **ret_peer);
void tb_peers_leave(struct tb_peers *peers, struct tb_peer *peer); /* NULL is fine */
