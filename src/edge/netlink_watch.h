/* Watches this machine's own network: an interface that comes up, a new address or route.
 *
 * Thread:  one owner. */
#pragma once
#include <stdbool.h>

struct tb_netlink_watch;
struct tb_netlink_watch *tb_netlink_watch_open(void);     /* NULL: the kernel refuses. */
void tb_netlink_watch_free(struct tb_netlink_watch *net); /* NULL is fine. */
/* True: something changed since the last call. NULL: false. */
bool tb_netlink_watch_changed(struct tb_netlink_watch *net);
