"""Puts back the store of a till that sells to a central. What the store has wins at the centre: each
order has its version, and the sums are those of the orders. What the store has lost stays there.
"""
import contextlib
import shutil

from central_process import Central, everything_read
from kafka_service import Kafka, Mongo
from shop import all_delivered, till
from tillbox_e2e import check, eventually, order_body, read_db, run, scratch

FIRST, LOST, MORE = 60, 8, 20


def sell(edge, count):
    with edge.client() as client:
        replies = [client.ask("POST", "/orders", order_body(n)) for n in range(count)]
    for reply in replies:
        check(reply.status == 201, f"no order: {reply}")
    return [reply.json()["orderId"] for reply in replies]


def change(edge, orders, what):
    with edge.client() as client:
        for order in orders:
            path = f"/orders/{order}"
            if what == "lines":
                reply = client.ask("PUT", path + "/lines", {
                    "lines": [{"sku": "TEA", "quantity": 7, "unitPriceMinor": 111}]})
            else:
                reply = client.ask("POST", f"{path}/{what}", {})
            check(reply.status == 200, f"not changed ({what}): {reply}")


def stored(edge):
    with contextlib.closing(read_db(edge.data / "store.db")) as db:
        return {row["order_id"]: (row["version"], row["status"], row["total_minor"])
                for row in db.execute("SELECT * FROM orders")}


def arrived(edge, central):
    eventually(lambda: "snapshots" not in edge.ask("GET", "/status").json(),
               "all snapshots are sent")
    all_delivered(edge)
    everything_read(central)


def served(central, order):
    reply = central.ask("GET", f"/orders/{order}")
    check(reply.status == 200, f"{order}: {reply}")
    found = reply.json()
    return found["version"], found["status"], found["totalMinor"]


def check_central(central, mongo, orders):
    """`orders`: what the centre must have, and nothing else."""
    for order, state in orders.items():
        check(served(central, order) == state, f"{order} is {served(central, order)}, not {state}")
    total = sum(state[2] for state in orders.values() if state[1] != "CANCELLED")
    stats = central.ask("GET", "/orders/stats").json()["totals"]
    check([(row["orders"], row["totalMinor"]) for row in stats] == [(len(orders), total)], stats)
    days = mongo.command({"find": "sales_by_day", "filter": {}, "singleBatch": True,
                          "projection": {"parts": 0}})
    check(sum(day["orders"] for day in days) == len(orders), f"{days}")
    check(sum(day["totalMinor"] for day in days) == total, f"{days}")


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            Central(folder, "hq", kafka.address, mongo.uri, "--create-topics") as central, \
            till(folder, "till1", kafka.address) as edge:
        orders = sell(edge, FIRST)
        change(edge, orders[:20], "lines")
        arrived(edge, central)
        edge.stop()
        shutil.copy(edge.data / "store.db", folder / "store.db")

        edge.start()
        change(edge, orders[:10], "ship")
        change(edge, orders[20:30], "lines")
        change(edge, orders[20:25], "cancel")
        lost = sell(edge, LOST)
        arrived(edge, central)
        before = stored(edge)
        check_central(central, mongo, before)
        edge.stop()

        for suffix in ("-wal", "-shm"):
            (edge.data / f"store.db{suffix}").unlink(missing_ok=True)
        shutil.copy(folder / "store.db", edge.data / "store.db")
        edge.start()
        change(edge, orders[5:15], "cancel")
        change(edge, orders[25:35], "ship")
        sell(edge, MORE)
        arrived(edge, central)
        now = stored(edge)
        check(not set(lost) & set(now), "the copy is not from before")
        check_central(central, mongo, now | {order: before[order] for order in lost})
        check(central.status()["deadLetters"] == 0, f"{central.status()}")
        for process in (central, edge):
            process.stop()


run(test)
