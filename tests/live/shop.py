"""Edges that sell all the time, and readers that check that no version goes back."""
import random
import threading
import time

from kafka_service import TOPIC
from tillbox_e2e import Edge, Lost, change_db, check, eventually, order_body

# Short retry intervals; the defaults are meant for ten thousand tills.
LINK = {"TILLBOX_LINK_OFFLINE_AFTER": "2s", "TILLBOX_LINK_RETRY_MAX": "2s",
        "TILLBOX_LINK_FIRST_RETRY_SPREAD": "1s"}


def till(folder, name, kafka, **env):
    """An edge with this name that sends its orders to Kafka."""
    return Edge(folder / name, "--node", name, "--log", "kafka", "--kafka-brokers", kafka,
                "--create-topics", **({"TILLBOX_KAFKA_TOPIC": TOPIC} | LINK | env))


class Worker(threading.Thread):
    """A thread that runs inside a `with` block until `stopping` is set."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


class Seller(Worker):
    """Places orders and changes them, one at a time, about `rate` a second."""

    def __init__(self, edge, rate=60):
        super().__init__()
        self.edge, self.rate, self.number, self.wrong = edge, rate, 0, []
        self.orders = []

    def ask(self, client, method, path, body, wanted):
        reply = client.ask(method, path, body)
        if reply.status != wanted:
            self.wrong.append(f"{method} {path}: {reply}")
        return reply

    def sell(self, client):
        self.number += 1
        reply = self.ask(client, "POST", "/orders", order_body(self.number), 201)
        order = f"/orders/{reply.json()['orderId']}"
        self.orders.append(reply.json()["orderId"])
        for _ in range(self.number % 3):
            body = {"line1": f"Lindenweg {self.number}", "city": "Kiel", "country": "DE"}
            self.ask(client, "PUT", order + "/address", body, 200)
        if self.number % 5 == 0:
            self.ask(client, "PUT", order + "/lines",
                     {"lines": [{"sku": "TEA", "quantity": 3, "unitPriceMinor": 199}]}, 200)
        if self.number % 7 == 0:
            self.ask(client, "POST", order + "/ship", {}, 200)
        elif self.number % 11 == 0:
            self.ask(client, "POST", order + "/cancel", {"reason": "not wanted"}, 200)

    def run(self):
        while not self.stopping.is_set():
            try:
                with self.edge.client() as client:
                    while not self.stopping.is_set():
                        self.sell(client)
                        time.sleep(1 / self.rate)
            except (Lost, OSError):
                time.sleep(0.05)  # the edge is being restarted

    def finish(self):
        self.__exit__()
        check(not self.wrong, f"{len(self.wrong)} went wrong, such as {self.wrong[:1]}")
        return self.number


class Watcher(Worker):
    """Reads orders at random centrals: a version that was seen is never followed by an earlier
    one."""

    def __init__(self, sellers, centrals):
        super().__init__()
        self.sellers, self.centrals = sellers, centrals
        self.seen, self.reads, self.back = {}, 0, []

    def look(self, rng):
        orders = [order for seller in self.sellers for order in seller.orders[-200:]]
        if not orders:
            return
        order, central = rng.choice(orders), rng.choice(self.centrals)
        reply = central.ask("GET", f"/orders/{order}")
        if reply.status not in (200, 404):
            return  # MongoDB is down
        version = reply.json()["version"] if reply.status == 200 else 0
        self.reads += 1
        if version < self.seen.get(order, 0):
            self.back.append(f"{order} at {central.name}: {self.seen[order]}, then {version}")
        self.seen[order] = max(version, self.seen.get(order, 0))

    def run(self):
        rng = random.Random(1)
        while not self.stopping.is_set():
            try:
                self.look(rng)
            except (Lost, OSError):
                time.sleep(0.05)  # the central is being restarted
            time.sleep(0.002)

    def finish(self):
        self.__exit__()
        check(not self.back, f"{len(self.back)} reads went back, such as {self.back[:1]}")
        return self.reads


def all_delivered(*edges, seconds=90):
    for edge in edges:
        eventually(lambda: edge.ask("GET", "/status").json()["pending"] == 0,
                   f"{edge.data.name} has delivered everything", seconds)


def spoil(edge, events):
    """Damages events in a stopped edge's outbox, given as (order, version): removes the opening
    brace."""
    for order, version in events:
        change_db(edge.data / "store.db", "UPDATE outbox SET payload = substr(payload, 2) "
                  "WHERE order_id = ? AND version = ?", order, version)
