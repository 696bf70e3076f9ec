"""Rebuilds the view while orders are placed and changed. No read fails, none goes
back, a read that waits for a version gets it, and lag is the lag of the served view. Then the view
is rolled back, killed in the middle of another rebuild, and found sound.
"""
import contextlib
import random
import threading
import time
import uuid

from tillbox_e2e import (ADDRESS, Edge, check, eventually, lag, order_body, read_db, rebuild_ended,
                         run, scratch)

# Orders a second before the rebuilds and during them. A rebuild has what orders and reads leave of
# the processors, and does not end if they leave nothing.
RATE_BEFORE, RATE, BEFORE, KILLS = 200, 40, 1500, 6
READ_PAUSE_SECONDS = 0.05


class Shop(threading.Thread):
    """Places orders and changes every fourth; `versions` has the acknowledged
    versions."""

    def __init__(self, edge):
        super().__init__()
        self.edge, self.ending, self.failed, self.versions = edge, threading.Event(), None, {}
        self.rate = RATE_BEFORE

    def run(self):
        try:
            with self.edge.client() as client:
                number = 0
                while not self.ending.is_set():
                    number += 1
                    started = time.monotonic()
                    self.trade(client, number)
                    self.ending.wait(max(0, started + 1 / self.rate - time.monotonic()))
        except Exception as error:
            self.failed = error

    def trade(self, client, number):
        order_id = str(uuid.uuid4())
        reply = client.ask("POST", "/orders", order_body(number, orderId=order_id))
        check(reply.status == 201, reply)
        self.versions[order_id] = 1
        if number % 4 == 0:
            reply = client.ask("PUT", f"/orders/{order_id}/address", ADDRESS)
            check(reply.status == 200, reply)
            self.versions[order_id] = 2

    def stop(self):
        self.ending.set()
        self.join()
        if self.failed:
            raise self.failed


class Reader(threading.Thread):
    """Reads orders, lists and sums again and again: nothing fails, nothing goes back."""

    def __init__(self, edge, shop, seed):
        super().__init__()
        self.edge, self.shop, self.random = edge, shop, random.Random(seed)
        self.ending, self.failed, self.reads, self.seen = threading.Event(), None, 0, {}

    def run(self):
        try:
            with self.edge.client() as client:
                newest = orders = 0
                while not self.ending.is_set():
                    self.read_one(client)
                    newest = self.read_newest(client, newest)
                    orders = self.read_sums(client, orders)
                    self.reads += 3
                    self.ending.wait(READ_PAUSE_SECONDS)
        except Exception as error:
            self.failed = error

    def read_one(self, client):
        known = list(self.shop.versions.items())
        if not known:
            return
        order_id, version = self.random.choice(known[-400:])
        reply = client.ask("GET", f"/orders/{order_id}?minVersion={version}&wait=20s")
        check(reply.status == 200, f"waited for {order_id} {version}: {reply}")
        got = reply.json()["version"]
        check(got >= max(version, self.seen.get(order_id, 0)), f"{order_id} went back to {got}")
        self.seen[order_id] = got

    def read_newest(self, client, newest):
        reply = client.ask("GET", "/orders?limit=1")
        check(reply.status == 200, reply)
        number = max((int(order["orderNumber"].rsplit("-")[-1])
                      for order in reply.json()["orders"]), default=0)
        check(number >= newest, f"the newest order was {newest}, and is {number}")
        return number

    def read_sums(self, client, orders):
        reply = client.ask("GET", "/orders/stats")
        check(reply.status == 200, reply)
        count = sum(total["orders"] for total in reply.json()["totals"])
        check(count >= orders, f"there were {orders} orders, and are {count}")
        return count

    def stop(self):
        self.ending.set()
        self.join()
        if self.failed:
            raise self.failed


def start(edge, body=None):
    reply = edge.ask("POST", "/rebuild", body)
    check(reply.status == 202, reply)


def check_lag(edge):
    """The records that a rebuild has to read are not lag of the served view."""
    with edge.client() as client:
        behind = lag(client)
    check(behind is not None and behind < BEFORE, f"the lag is {behind}")


def rebuild_while_selling(edge, shop):
    readers = [Reader(edge, shop, seed) for seed in (1, 2)]
    for reader in readers:
        reader.start()
    for body, wanted in ((None, "done"), (None, "done"), ({"rollback": True}, "rolled-back")):
        start(edge, body)
        check_lag(edge)
        got = rebuild_ended(edge)
        check(got["state"] == wanted and not got["differences"], got)
        print(f"{got['state']}: {got['events']} events, generation {got['generation']}")
    for reader in readers:
        reader.stop()
    print(f"{sum(reader.reads for reader in readers)} reads")
    check(all(reader.reads > 30 for reader in readers), "the readers hardly read")


def check_all_there(edge, shop):
    edge.catch_up()
    found = edge.orders()
    check(found.keys() == shop.versions.keys(), f"{len(found)} of {len(shop.versions)} orders")
    for order_id, version in shop.versions.items():
        check(found[order_id]["version"] == version, f"{order_id} is not at {version}")


def kill_in_the_middle(edge, shop):
    """The next process serves everything and continues the rebuild: it says so in its first answer,
    even if the kill came as soon as the request was answered."""
    for kill in range(KILLS):
        before = edge.ask("GET", "/rebuild").json()["generation"]
        start(edge)
        time.sleep(kill and random.Random(kill).uniform(0, 0.4))  # at whatever moment this is
        edge.kill()
        edge.start()
        state = edge.ask("GET", "/rebuild").json()["state"]
        check(state in ("building", "catching-up", "comparing", "swapping", "done"), state)
        check_all_there(edge, shop)
        got = rebuild_ended(edge)
        print(f"killed; the next process says {state}, then {got['state']}")
        check(got["state"] == "done" and got["generation"] > before, got)


def check_folder(data):
    """At most two views remain, both sound; an abandoned one is removed."""
    with contextlib.closing(read_db(data / "views.db")) as db:
        row = dict(db.execute("SELECT * FROM views").fetchone())
    names = {f"view.{n}.db" if n > 1 else "view.db"
             for n in (row["served"], row["previous"]) if n > 0}
    check({path.name for path in data.glob("view*.db")} == names | {"views.db"},
          f"{row}: {sorted(path.name for path in data.iterdir())}")
    check(row["building"] == 0, row)
    for name in names:
        with contextlib.closing(read_db(data / name)) as db:
            check(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", name)


def test():
    with scratch() as folder, Edge(folder / "data") as edge:
        shop = Shop(edge)
        shop.start()
        eventually(lambda: len(shop.versions) >= BEFORE or shop.failed, "there are orders")
        shop.rate = RATE
        rebuild_while_selling(edge, shop)
        shop.stop()
        check_all_there(edge, shop)
        kill_in_the_middle(edge, shop)
        edge.stop()
        check_folder(folder / "data")


run(test)
