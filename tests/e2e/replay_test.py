"""Promise: a node can apply its events again at any time. Its log is read three times more, and
parts of it, with a kill in the middle; its outbox is sent again. The view stays as it was, byte
for byte, and a rebuild from the log, which now has everything twice, finds no difference.
Method: on a stopped node the view's offsets, or the relay's cursor, are set back.
"""
import contextlib
import re

from tillbox_e2e import (ADDRESS, Edge, change_db, check, check_files, eventually, order_body,
                         read_db, rebuild_ended, run, scratch)

ORDERS = 300


def sell(edge, first, count):
    """Orders of one to three versions."""
    orders = []
    with edge.client() as client:
        for number in range(first, first + count):
            reply = client.ask("POST", "/orders", order_body(number))
            check(reply.status == 201, f"no order: {reply}")
            path = f"/orders/{reply.json()['orderId']}"
            for step in range(number % 3):
                reply = (client.ask("PUT", path + "/address", ADDRESS) if step == 0 else
                         client.ask("POST", path + "/ship", {}))
                check(reply.status == 200, f"not changed: {reply}")
            orders.append(path.rsplit("/")[-1])
    return orders


def contents(edge):
    """Every row of the view, without its position in the log and the marks of its WAL."""
    with contextlib.closing(read_db(edge.data / "view.db")) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: [tuple(row) for row in db.execute(f"SELECT * FROM {name} ORDER BY 1")]
                for name in names if name not in ("offsets", "wal_mark")}


def check_same(before, after, when):
    check(before.keys() == after.keys(), f"{when}: tables {sorted(after)}")
    for name, rows in before.items():
        check(len(rows) == len(after[name]),
              f"{when}: {name} had {len(rows)} rows, and has {len(after[name])}")
        for old, new in zip(rows, after[name]):
            check(old == new, f"{when}: in {name}\n{old}\nis now\n{new}")


def again(edge):
    """The number of events that the view already had."""
    text = edge.ask("GET", "/metrics").body.decode()
    return int(re.search(r'events_total\{result="duplicate"\} (\d+)', text)[1])


def run_through(edge):
    """Starts the node, kills it as soon as it meets events that it already had, starts it again,
    waits until it has caught up."""
    edge.start()
    eventually(lambda: again(edge) > 0, "something comes again")
    edge.kill()
    edge.start()
    edge.catch_up()
    edge.stop()


def letters_come(edge):
    """An event that cannot be read, and one behind the gap that it leaves."""
    check(edge.ask("PUT", "/link", {"state": "offline"}).status == 200, "the link is not held")
    orders = sell(edge, ORDERS, 9)
    edge.stop()
    change_db(edge.data / "store.db", "UPDATE outbox SET payload = substr(payload, 2) "
              "WHERE order_id = ? AND version = 1", orders[2])
    edge.start()
    check(edge.ask("PUT", "/link", {"state": "auto"}).status == 200, "the link is still held")
    edge.catch_up()
    check(edge.ask("GET", "/status").json()["deadLetters"] == 3, "letters are missing")


def rebuilt(edge):
    check(edge.ask("POST", "/rebuild").status == 202, "no rebuild")
    got = rebuild_ended(edge)
    check(got["state"] == "done" and not got["differences"], f"it ends with {got}")


def test():
    with scratch() as folder, Edge(folder / "data") as edge:
        sell(edge, 0, ORDERS)
        edge.catch_up()
        edge.stop()
        before = contents(edge)
        check(len(before["orders"]) == ORDERS, "orders are missing")

        change_db(edge.data / "store.db", "UPDATE cursors SET row = 0")
        run_through(edge)
        check_same(before, contents(edge), "sent again")
        check_files(edge.data)
        edge.start()
        letters_come(edge)
        edge.stop()
        before = contents(edge)
        for back in ("0", "next / 2", "0", "0"):
            change_db(edge.data / "view.db", f"UPDATE offsets SET next = {back}")
            run_through(edge)
            check_same(before, contents(edge), f"read again from {back}")
        edge.start()
        rebuilt(edge)
        edge.stop()


run(test)
