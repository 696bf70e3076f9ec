/* Notices when this machine's network changes: an interface comes up, or there is a new address or
 * route. The link then tries to connect at once.
 *
 * Thread:  one owner. */
#pragma once
#include <stdbool.h>

struct tb_netlink_watch;
struct tb_netlink_watch *tb_netlink_watch_open(void);     /* NULL: the kernel refuses */
void tb_netlink_watch_free(struct tb_netlink_watch *net); /* NULL is fine */
/* True: there was a change since the last call. net NULL: false. */
bool tb_netlink_watch_changed(struct tb_netlink_watch *net);
