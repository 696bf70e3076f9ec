/* Changes of this machine's own network: an interface that comes up, an address, a route.
 *
 * Thread:  one owner.
 * Memory:  opaque.
 * Errors:  none: where the system does not tell, nothing ever changes.
 * Units:   none. */
#pragma once
#include <stdbool.h>

struct tb_netlink_watch;
struct tb_netlink_watch *tb_netlink_watch_open(void);     /* NULL: the system does not tell */
void tb_netlink_watch_free(struct tb_netlink_watch *net); /* NULL is fine */
/* Since the last call; NULL: false. */
bool tb_netlink_watch_changed(struct tb_netlink_watch *net);
