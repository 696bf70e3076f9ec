"""Promise: the version of an order only rises. At each of three edges 8 clients change the 1,000
orders of that edge, several clients the same order, while the load moves from partition to
partition, centrals start, stop and are killed, and an edge is killed. No reader at a central or an
edge sees an order go back, and in the end the centre's orders equal those of their edges. The
third edge uses the customer as key: all events of a customer arrive in the order in which they
happened.

TB_LIVE=full runs several times as long.
"""
import contextlib
import os
import random
import threading
import time

from central_process import (BROKER_OF_SHORT_SESSIONS, SHORT_SESSION, Central, everything_read,
                             verify)
from kafka_service import TOPIC, Kafka, Mongo
from shop import Worker, all_delivered, till
from tillbox_e2e import Lost, check, eventually, order_body, read_db, run, scratch

FULL = os.environ.get("TB_LIVE") == "full"
CLIENTS = 8
ORDERS = 1000  # orders at each edge
CHANGES = 6000 if FULL else 450  # changes between two disturbances, at all edges
PAUSE_SECONDS = 0.03  # a client's pause between two changes
PARTITIONS = 6


class Orders:
    """The orders of an edge, and the partition of each."""

    def __init__(self, edge):
        self.edge, self.lock, self.ids, self.changes = edge, threading.Lock(), [], 0
        self.parts, self.hot = [[] for _ in range(PARTITIONS)], 0

    def take(self):
        """Places all orders, with as many clients as will change them."""
        def place(first):
            with self.edge.client() as client:
                for number in range(first, ORDERS, CLIENTS):
                    reply = client.ask("POST", "/orders", order_body(number))
                    check(reply.status == 201, f"no order: {reply}")
                    with self.lock:
                        self.ids.append(reply.json()["orderId"])
        threads = [threading.Thread(target=place, args=(first,)) for first in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(len(self.ids) == ORDERS, f"only {len(self.ids)} orders were taken")

    def find_partitions(self, records):
        order_of = {event: order for order, _, event in outbox(self.edge)}
        for partition, _, _, event, _ in records:
            if event in order_of:
                self.parts[partition].append(order_of[event])

    def pick(self, rng):
        """Three orders of four are from the partition that has the load."""
        hot = self.parts[self.hot % PARTITIONS]
        return rng.choice(hot if hot and rng.random() < 0.75 else self.ids)


class Client(Worker):
    """Changes orders, one after the other. A change whose answer was lost may have happened or
    not."""

    def __init__(self, orders, seed):
        super().__init__()
        self.orders, self.rng, self.wrong = orders, random.Random(seed), []

    def change(self, client):
        path = f"/orders/{self.orders.pick(self.rng)}"
        number = self.rng.randrange(10000)
        if number % 3:
            reply = client.ask("PUT", path + "/address",
                               {"line1": f"Lindenweg {number}", "city": "Kiel", "country": "DE"})
        else:
            reply = client.ask("PUT", path + "/lines", {"lines": [
                {"sku": "TEA", "quantity": 1 + number % 9, "unitPriceMinor": number}]})
        if reply.status == 200:
            with self.orders.lock:
                self.orders.changes += 1
        else:
            self.wrong.append(repr(reply))

    def run(self):
        while not self.stopping.is_set():
            try:
                with self.orders.edge.client() as client:
                    while not self.stopping.is_set():
                        self.change(client)
                        self.stopping.wait(PAUSE_SECONDS)
            except (Lost, OSError):
                self.stopping.wait(0.05)  # the edge is being restarted


class Watcher(Worker):
    """Lists all orders of a view again and again. All watchers share what they have seen: once a
    central has shown a version, none shows an earlier one."""

    def __init__(self, process, seen):
        super().__init__()
        self.process, self.seen, self.looks, self.back = process, seen, 0, []

    def page(self, client, query):
        before = dict(self.seen)  # other watchers may see later versions meanwhile
        reply = client.ask("GET", f"/orders?limit=500{query}")
        if reply.status != 200:
            return ""
        for order in reply.json()["orders"]:
            key, version = order["orderId"], order["version"]
            if version < before.get(key, 0):
                self.back.append(f"{key} at {self.process.url}: {before[key]}, then {version}")
            self.seen[key] = max(version, self.seen.get(key, 0))
        self.looks += 1
        return f"&cursor={reply.json()['next']}" if "next" in reply.json() else ""

    def run(self):
        query = ""
        while not self.stopping.is_set():
            try:
                with self.process.client() as client:
                    while not self.stopping.is_set():
                        query = self.page(client, query)
                        self.stopping.wait(0.05)
            except (Lost, OSError):
                self.stopping.wait(0.05)  # it is being restarted


def outbox(edge):
    """(order, version, event) in the order of the log."""
    with contextlib.closing(read_db(edge.data / "store.db")) as db:
        return [tuple(row) for row in
                db.execute("SELECT order_id, version, event_id FROM outbox ORDER BY row")]


def load_moves(shops):
    """Makes this many more changes at each edge, most of them in another partition than before."""
    for shop in shops:
        shop.hot += 1
    before = [shop.changes for shop in shops]
    eventually(lambda: all(shop.changes >= count + CHANGES / len(shops)
                           for shop, count in zip(shops, before)), "orders are changed", pause=0.05)


def disturb(one, two, three, shops):
    load_moves(shops)
    three.start()  # a rebalance
    load_moves(shops)
    one.kill()
    load_moves(shops)
    everything_is_held(two, three)
    one.start(ready=False)
    load_moves(shops)
    shops[0].edge.kill()
    shops[0].edge.start()
    load_moves(shops)
    three.stop()
    load_moves(shops)
    two.kill()
    two.start(ready=False)
    load_moves(shops)


def everything_is_held(*centrals):
    eventually(lambda: sum(len(one.status()["partitions"]) for one in centrals) == PARTITIONS,
               "the others take over", pause=0.2)


def check_log(kafka, *edges):
    """All events of an order are in one partition, in the order of their versions. All events of a
    key are in the order in which their edge wrote them. Duplicates aside."""
    place = {event: (order, version, edge.data.name, row) for edge in edges
             for row, (order, version, event) in enumerate(outbox(edge))}
    part_of, last, rows, seen = {}, {}, {}, set()
    for partition, _, key, event, _ in kafka.records(TOPIC):
        order, version, node, row = place[event]
        check(part_of.setdefault(key, partition) == partition, f"{key} is in two partitions")
        check(part_of.setdefault(order, partition) == partition, f"{order} is in two partitions")
        if event in seen:
            continue
        seen.add(event)
        check(version == last.get(order, 0) + 1, f"{order}: {version} follows {last.get(order)}")
        check(row > rows.get((node, key), -1), f"of {key} an event overtook another")
        last[order], rows[node, key] = version, row
    check(seen == place.keys(), f"{len(place)} events were written, {len(seen)} came")
    return len(seen)


def check_end(kafka, one, two, *edges):
    events = check_log(kafka, *edges)
    status, said = verify(one, *edges)
    check(status == 0, f"verify ends with {status}:\n{said}")
    orders = {key: order["version"] for key, order in two.orders().items()}
    stored = {}
    for edge in edges:
        for order, version, _ in outbox(edge):
            stored[order] = max(version, stored.get(order, 0))
        check(edge.orders().keys() <= stored.keys(), "orders that nobody wrote")
    check(orders == stored, f"{len(stored)} orders, centrally {len(orders)}, or other versions")
    check(one.status()["deadLetters"] == 0, "there are dead letters")
    return events


def test():
    with scratch() as folder, Kafka(folder / "kafka", BROKER_OF_SHORT_SESSIONS) as kafka, \
            Mongo(folder / "mongo") as mongo, contextlib.ExitStack() as stack:
        centrals = [Central(folder, name, kafka.address, mongo.uri, "--create-topics",
                            **SHORT_SESSION) for name in ("one", "two", "three")]
        one, two, three = centrals
        edges = [till(folder, "till1", kafka.address), till(folder, "till2", kafka.address),
                 till(folder, "till3", kafka.address, TILLBOX_KAFKA_KEY="customer")]
        for process in [one, two, *edges]:
            stack.enter_context(process)
        shops = [Orders(edge) for edge in edges]
        for shop in shops:
            shop.take()
        all_delivered(*edges)
        records = kafka.records(TOPIC)
        for shop in shops:
            shop.find_partitions(records)
        began = time.monotonic()
        clients = [stack.enter_context(Client(shop, seed))
                   for seed, shop in enumerate(shops * CLIENTS)]
        seen = {}
        watchers = [stack.enter_context(Watcher(process, shared))
                    for process, shared in [(one, seen), (two, seen)] + [(edge, {}) for edge in edges]]
        disturb(one, two, three, shops)
        for client in clients:
            client.__exit__()
            check(not client.wrong, f"{len(client.wrong)} went wrong, such as {client.wrong[:1]}")
        all_delivered(*edges)
        everything_read(one, two)
        seconds = time.monotonic() - began
        for watcher in watchers:
            watcher.__exit__()
            check(not watcher.back, f"{len(watcher.back)} went back, such as {watcher.back[:1]}")
            check(watcher.looks > 0, f"nobody looked at {watcher.process.url}")
        events = check_end(kafka, one, two, *edges)
        print(f"{events} events in {seconds:.0f} s, {sum(one.looks for one in watchers)} pages")
        for process in [one, two, *edges]:
            process.stop()


run(test)
