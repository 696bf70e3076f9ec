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

#define TB_LISTEN_HOST_SIZE 256
/* "host:port", "[v6]:port"; the host may be empty: every address. */
bool tb_listen_split(const char *listen, char ret_host[TB_LISTEN_HOST_SIZE], char ret_port[6]);
/* Bound, listening, not blocking. *ret_port is the real one. */
TB_CHECKED enum tb_code tb_listen_open(const char *listen, int *ret_fd, int *ret_port,
                                       struct tb_error *err);
/* 127.0.0.0/8 and ::1, also mapped. */
bool tb_address_is_loopback(const struct sockaddr *address);
bool tb_address_text_is_loopback(const char *address);

/* "127.0.0.1:40312", "[::1]:40312". */
#define TB_PEER_TEXT_SIZE 56
/* Who is at the other end of a socket; "?" if nobody knows. */
void tb_socket_peer_text(int fd, char ret_text[TB_PEER_TEXT_SIZE]);

#define TB_ADDRESS_LIMIT_BUCKETS 256
struct tb_address_count {
    struct tb_address_count *next;
    uint8_t address[16]; /* IPv4 is mapped */
    int64_t count;
};
struct tb_address_limit {
    struct tb_address_count *buckets[TB_ADDRESS_LIMIT_BUCKETS];
    int64_t max; /* per address; loopback is not counted */
};
/* False: the address has its share. *ret_peer NULL: not counted. */
bool tb_address_limit_add(struct tb_address_limit *peers, const struct sockaddr *address,
                          struct tb_address_count **ret_peer);
void tb_address_limit_remove(struct tb_address_limit *peers,
                             struct tb_address_count *peer); /* NULL is fine */
