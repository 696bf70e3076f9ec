#include "api/http/address_limit.h"
#include "base/hash.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* The first bytes of an IPv4 address that is written as IPv6. */
static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Writes the address as 16 bytes, IPv4 as ::ffff:a.b.c.d. False: it is neither IPv4 nor IPv6. */
static bool address_bytes(const struct sockaddr *address, uint8_t ret_bytes[16])
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(ret_bytes, mapped, 12);
        memcpy(ret_bytes + 12, &v4.sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(ret_bytes, &v6.sin6_addr, 16);
        return true;
    }
    return false;
}

static bool is_loopback(const uint8_t bytes[16])
{
    struct in6_addr v6;

    memcpy(&v6, bytes, 16);
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && bytes[12] == 127);
}

bool tb_address_text_is_loopback(const char *address)
{
    uint8_t bytes[16];

    memcpy(bytes, mapped, 12);
    return (inet_pton(AF_INET, address, bytes + 12) == 1 ||
            inet_pton(AF_INET6, address, bytes) == 1) &&
           is_loopback(bytes);
}

static struct tb_address_count **bucket_of(struct tb_address_limit *limit, const uint8_t bytes[16])
{
    return &limit->buckets[tb_fnv1a(TB_FNV1A_START, bytes, 16) % TB_ADDRESS_LIMIT_BUCKETS];
}

bool tb_address_limit_add(struct tb_address_limit *limit, const struct sockaddr *address,
                          struct tb_address_count **ret_count)
{
    uint8_t bytes[16];

    *ret_count = NULL;
    /* A socket that is not IP (AF_UNIX) is on this machine, so it counts as loopback. */
    if (!address_bytes(address, bytes) || is_loopback(bytes))
        return true;
    struct tb_address_count **bucket = bucket_of(limit, bytes);
    struct tb_address_count *count = *bucket;
    while (count && memcmp(count->address, bytes, 16) != 0)
        count = count->next;
    if (count && count->connections >= limit->max)
        return false;
    if (!count) {
        count = calloc(1, sizeof *count);
        if (!count)
            return false;
        memcpy(count->address, bytes, 16);
        count->next = *bucket;
        *bucket = count;
    }
    count->connections++;
    *ret_count = count;
    return true;
}

void tb_address_limit_remove(struct tb_address_limit *limit, struct tb_address_count *count)
{
    if (!count || --count->connections > 0)
        return;
    struct tb_address_count **at = bucket_of(limit, count->address);
    while (*at != count)
        at = &(*at)->next;
    *at = count->next;
    free(count);
}
