/* Address limit: how many connections each client address has, and may have.
 *
 * Thread:  one owner.
 * Memory:  an address has an entry as long as it has connections. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define TB_ADDRESS_LIMIT_BUCKETS 256
struct tb_address_count {
    struct tb_address_count *next;
    uint8_t address[16]; /* IPv4 is mapped */
    int64_t connections;
};
struct tb_address_limit {
    struct tb_address_count *buckets[TB_ADDRESS_LIMIT_BUCKETS];
    int64_t max; /* connections of an address; loopback is not counted */
};
/* Counts a connection. False: the address has as many as it may, or memory is out. *ret_count
 * NULL: the address is not counted. */
bool tb_address_limit_add(struct tb_address_limit *limit, const struct sockaddr *address,
                          struct tb_address_count **ret_count);
/* The connection is closed. NULL is fine. */
void tb_address_limit_remove(struct tb_address_limit *limit, struct tb_address_count *count);

/* 127.0.0.0/8 and ::1, also mapped; also a socket that is not of IP. */
bool tb_address_is_loopback(const struct sockaddr *address);
/* The same of an address as text; false for text that is no address. */
bool tb_address_text_is_loopback(const char *address);
