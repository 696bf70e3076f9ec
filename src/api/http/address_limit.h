/* Address limit: counts the connections of each client address, and refuses more than `max`.
 *
 * Thread:  the api thread; tb_address_text_is_loopback any.
 * Memory:  an address has an entry as long as it has connections. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define TB_ADDRESS_LIMIT_BUCKETS 256
struct tb_address_count {
    struct tb_address_count *next;
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    int64_t connections;
};
struct tb_address_limit {
    struct tb_address_count *buckets[TB_ADDRESS_LIMIT_BUCKETS];
    int64_t max; /* connections of one address; loopback has no limit */
};
/* Counts a connection. False: refuse it, because the address has `max` already or there is no
 * memory. *ret_count NULL: the address is not counted. */
bool tb_address_limit_add(struct tb_address_limit *limit, const struct sockaddr *address,
                          struct tb_address_count **ret_count);
/* Call it when the connection has closed. count NULL: does nothing. */
void tb_address_limit_remove(struct tb_address_limit *limit, struct tb_address_count *count);

/* True for 127.0.0.0/8, also as IPv4-mapped IPv6, and for ::1. False for other addresses, and for
 * text that is no address. */
bool tb_address_text_is_loopback(const char *address);
