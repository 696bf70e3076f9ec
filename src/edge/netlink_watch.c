#include "edge/netlink_watch.h"
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE)
/* No message is larger: see netlink(7). */
#define MESSAGE_SIZE 8192

struct tb_netlink_watch {
    int fd;
    uint64_t down; /* bit i: an interface with index i modulo 64 does not run */
};

struct tb_netlink_watch *tb_netlink_watch_open(void)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = GROUPS};
    struct tb_netlink_watch *net = calloc(1, sizeof *net);

    if (!net)
        return NULL;
    net->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (net->fd >= 0 &&
        bind(net->fd, (const struct sockaddr *)(const void *)&address, sizeof address) == 0)
        return net;
    tb_netlink_watch_free(net);
    return NULL;
}

void tb_netlink_watch_free(struct tb_netlink_watch *net)
{
    if (net && net->fd >= 0)
        close(net->fd);
    free(net);
}

/* The kernel sends messages about an interface often. Only the one that it runs again counts. */
static bool came_up(struct tb_netlink_watch *net, const struct ifinfomsg *link)
{
    uint64_t bit = UINT64_C(1) << ((unsigned)link->ifi_index % 64);
    bool was_down = net->down & bit;

    if (link->ifi_flags & IFF_LOOPBACK)
        return false;
    if (link->ifi_flags & IFF_RUNNING)
        net->down &= ~bit;
    else
        net->down |= bit;
    return was_down && (link->ifi_flags & IFF_RUNNING);
}

static bool is_change(struct tb_netlink_watch *net, const struct nlmsghdr *message)
{
    const void *data = (const char *)message + NLMSG_HDRLEN;

    if (message->nlmsg_type == RTM_NEWADDR)
        return true;
    if (message->nlmsg_type == RTM_NEWROUTE &&
        message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct rtmsg)))
        return ((const struct rtmsg *)data)->rtm_table == RT_TABLE_MAIN;
    return message->nlmsg_type == RTM_NEWLINK &&
           message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)) && came_up(net, data);
}

bool tb_netlink_watch_changed(struct tb_netlink_watch *net)
{
    _Alignas(struct nlmsghdr) char buffer[MESSAGE_SIZE];
    bool changed = false;
    ssize_t len;

    if (!net)
        return false;
    while ((len = recv(net->fd, buffer, sizeof buffer, 0)) > 0) {
        size_t left = (size_t)len, at = 0;

        while (at + sizeof(struct nlmsghdr) <= left) {
            const struct nlmsghdr *message = (const void *)(buffer + at);

            if (message->nlmsg_len < sizeof *message || message->nlmsg_len > left - at)
                break;
            changed |= is_change(net, message);
            at += NLMSG_ALIGN(message->nlmsg_len);
        }
    }
    return changed;
}
