"""Shared by the tests that lose a till's files: what must hold afterwards."""
import contextlib

from tillbox_e2e import check, eventually, order_body, read_db

FIRST, MORE = 300, 200


def sell(edge, count):
    """Places orders and returns the numbers on their receipts."""
    numbers = []
    with edge.client() as client:
        for number in range(count):
            reply = client.ask("POST", "/orders", order_body(number))
            check(reply.status == 201, reply)
            numbers.append(reply.json()["orderNumber"])
    return numbers


def is_whole(edge):
    status = edge.ask("GET", "/status").json()
    return "snapshots" not in status and status["pending"] == 0 and \
        edge.ask("GET", "/healthz").status == 200


def check_view(edge):
    """The view has the orders of the store, and no others."""
    eventually(lambda: is_whole(edge), "the view is whole")
    edge.catch_up()
    with contextlib.closing(read_db(edge.data / "store.db")) as db:
        rows = {row["order_id"]: row for row in db.execute("SELECT * FROM orders")}
    seen = edge.orders()
    check(seen.keys() == rows.keys(), f"the view has {len(seen)} orders, the store {len(rows)}")
    for order_id, row in rows.items():
        got = seen[order_id]
        check((got["version"], got["status"], got["totalMinor"]) ==
              (row["version"], row["status"], row["total_minor"]), f"{got} is not {dict(row)}")
    totals = edge.ask("GET", "/orders/stats").json()["totals"]
    check(sum(total["orders"] for total in totals) == len(rows), totals)
    check(sum(total["totalMinor"] for total in totals) ==
          sum(row["total_minor"] for row in rows.values() if row["status"] != "CANCELLED"), totals)
    check(edge.ask("GET", "/status").json()["deadLetters"] == 0, "there are dead letters")
    return rows


def recoveries(edge):
    return edge.ask("GET", "/status").json().get("recoveries", [])


def find_recovery(edge, file, words):
    found = [each for each in recoveries(edge) if each["file"] == file and words in each["reason"]]
    check(found, f"no recovery of {file} with {words!r}: {recoveries(edge)}")
    check("edge.recovery" in edge.diagnostics(), "the diagnostics do not tell it")
    return found[0]


def go_on(edge):
    """Sells on, restarts, and finds nothing new to recover."""
    sell(edge, MORE)
    check_view(edge)
    known = recoveries(edge)
    edge.stop()
    edge.start()
    check(recoveries(edge) == known, f"another recovery: {recoveries(edge)}")
    check_view(edge)
