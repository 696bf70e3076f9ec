"""Promise: events of a type that this build does not know block nothing and are not lost. They are
counted, logged once a minute, and raise their order's version; a later build that knows the type
applies the same log completely.
Method: changes of an address leave the outbox with another type. The later build is this one,
reading a log in which they have their own type.
"""
import contextlib

from tillbox_e2e import (ADDRESS, Edge, change_db, check, check_unknown_told, read_db,
                         rebuild_ended, run, scratch, sell_shipped)

KNOWN, UNKNOWN = "OrderAddressChanged.v1", "OrderAddressWrapped.v1"  # of the same length
ORDERS = 30
MOVED = dict(ADDRESS, line1="Am Kai 9")


def unknown_events_pass(edge):
    check(edge.ask("PUT", "/link", {"state": "offline"}).status == 200, "the link is not held")
    orders = sell_shipped(edge, ORDERS, lambda number: MOVED)
    change_db(edge.data / "store.db", "UPDATE outbox SET type = ? WHERE type = ?", UNKNOWN, KNOWN)
    check(edge.ask("PUT", "/link", {"state": "auto"}).status == 200, "the link is still held")
    edge.catch_up()
    return orders


def check_seen(edge, orders, line1):
    found = edge.orders()
    check(sorted(found) == sorted(orders), f"{len(found)} of {len(orders)} orders")
    for order in found.values():
        check((order["version"], order["status"]) == (3, "SHIPPED"), f"it stands still: {order}")
        check(order["shippingAddress"]["line1"] == line1, f"the address is another: {order}")


def the_log_bears_their_own_type(edge):
    """As another build sees the log."""
    with contextlib.closing(read_db(edge.data / "log.db")) as db:
        rows = [(row["offset"], row["headers"])
                for row in db.execute("SELECT offset, headers FROM records")]
    changed = [(offset, headers.replace(UNKNOWN.encode(), KNOWN.encode()))
               for offset, headers in rows if UNKNOWN.encode() in headers]
    check(len(changed) == ORDERS, f"the log has kept {len(changed)} of them")
    for offset, headers in changed:
        change_db(edge.data / "log.db", "UPDATE records SET headers = ? WHERE offset = ?",
                  headers, offset)


def rebuild(edge, **body):
    check(edge.ask("POST", "/rebuild", body).status == 202, "no rebuild")
    return rebuild_ended(edge)


def test():
    with scratch() as folder, Edge(folder / "data") as edge:
        orders = unknown_events_pass(edge)
        check_seen(edge, orders, ADDRESS["line1"])
        check_unknown_told(edge, UNKNOWN, ORDERS)
        check("tillbox_dead_letters 0\n" in edge.ask("GET", "/metrics").body.decode(),
              "they are dead letters")
        check(rebuild(edge)["state"] == "done", "the same build makes something else of it")
        edge.stop()
        the_log_bears_their_own_type(edge)
        edge.start()
        check_seen(edge, orders, ADDRESS["line1"])
        got = rebuild(edge)
        check(got["state"] == "failed" and len(got["differences"]) > 0, f"nothing differs: {got}")
        check_seen(edge, orders, ADDRESS["line1"])
        check(rebuild(edge, accept=True)["state"] == "done", "the new view is not served")
        check_seen(edge, orders, MOVED["line1"])
        edge.stop()


run(test)
