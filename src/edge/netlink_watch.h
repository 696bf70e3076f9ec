/* Changes of this machine's own network: an interface that comes up, an address, a route.
 *
 * Thread:  one owner.
 * Memory:  opaque.
 * Errors:  none: where the system does not tell, nothing ever changes.
 * Units:   none. */
#pragma once
#include <stdbool.h>

struct tb_edge_net;
struct tb_edge_net *tb_edge_net_open(void);     /* NULL: the system does not tell */
void tb_edge_net_free(struct tb_edge_net *net); /* NULL is fine */
/* Since the last call; NULL: false. */
bool tb_edge_net_changed(struct tb_edge_net *net);
