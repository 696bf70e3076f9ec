"""An edge takes orders whatever happens to the real broker, and delivers all of them: each event
once after duplicates are removed, each order's events in the order of their versions.

The broker is missing at the start, starts, is killed, starts again, and is frozen under load; the
edge is killed once too. Meanwhile every command is answered at once.
"""
import collections
import json
import threading
import time

from kafka_service import TOPIC, Kafka
from tillbox_e2e import Edge, Lost, check, eventually, order_body, read_db, run, scratch

FLAGS = ("--log", "kafka", "--create-topics")
# Short retry intervals; the defaults are meant for ten thousand tills.
SETTINGS = {"TILLBOX_LINK_OFFLINE_AFTER": "2s", "TILLBOX_LINK_RETRY_MAX": "2s",
            "TILLBOX_LINK_FIRST_RETRY_SPREAD": "1s", "TILLBOX_KAFKA_TOPIC": TOPIC}


class Seller(threading.Thread):
    """Places orders and changes them, one at a time, and records every answer."""

    def __init__(self, edge):
        super().__init__(daemon=True)
        self.edge, self.number, self.versions, self.wrong = edge, 0, {}, []
        self.stopping = threading.Event()

    def sell(self, client):
        self.number += 1
        reply = client.ask("POST", "/orders", order_body(self.number))
        if reply.status != 201:
            self.wrong.append(repr(reply))
            return
        order = reply.json()["orderId"]
        self.versions[order] = 1
        for _ in range(self.number % 3):
            body = {"line1": f"Lindenweg {self.number}", "city": "Kiel", "country": "DE"}
            reply = client.ask("PUT", f"/orders/{order}/address", body)
            if reply.status != 200:
                self.wrong.append(repr(reply))
                return
            self.versions[order] = reply.json()["version"]

    def run(self):
        while not self.stopping.is_set():
            try:
                with self.edge.client() as client:
                    while not self.stopping.is_set():
                        self.sell(client)
                        time.sleep(0.005)  # the rate of one till
            except (Lost, OSError):
                time.sleep(0.05)  # the edge is being restarted


def status(edge):
    return edge.ask("GET", "/status").json()


def sells(seller, more=20):
    """Orders are answered at once, whatever the state of the broker."""
    before = seller.number
    eventually(lambda: seller.number >= before + more, "orders are taken")


def is_link(edge, state):
    eventually(lambda: status(edge)["link"] == state, f"the link is {state}")


def nothing_pending(edge):
    eventually(lambda: status(edge)["pending"] == 0, "nothing is pending")


def check_topic(kafka, store):
    """Without duplicates, the topic's events are the store's."""
    versions, ids = collections.defaultdict(int), set()
    for _, _, key, event, version in kafka.records(TOPIC):
        ids.add(event)
        check(int(version) <= versions[key] + 1, f"{key}: version {version} came too early")
        versions[key] = max(versions[key], int(version))
    db = read_db(store)
    stored = {row["order_id"]: row["version"]
              for row in db.execute("SELECT order_id, version FROM orders")}
    events = {row["event_id"] for row in db.execute("SELECT event_id FROM outbox")}
    check(stored == dict(versions), f"{len(stored)} orders stored, {len(versions)} in the topic")
    check(events == ids, f"{len(events)} events stored, {len(ids)} in the topic")
    return len(events)


def load(folder, kafka):
    with Edge(folder / "till", *FLAGS, "--kafka-brokers", kafka.address, **SETTINGS) as edge:
        seller = Seller(edge)
        seller.start()
        sells(seller)
        nothing_pending_once_started(edge, kafka, seller)
        kafka.kill()
        sells(seller)
        is_link(edge, "offline")
        sells(seller)
        check("problem" in status(edge), "nothing says why it is offline")
        kafka.start()
        is_link(edge, "online")
        kafka.freeze()
        sells(seller)
        is_link(edge, "offline")
        sells(seller)
        edge.kill()
        edge.start()
        sells(seller)
        kafka.thaw()
        is_link(edge, "online")
        sells(seller, 50)
        seller.stopping.set()
        seller.join()
        nothing_pending(edge)
        check(not seller.wrong, f"{len(seller.wrong)} refused, such as {seller.wrong[:1]}")
        edge.stop()
    for order, version in seller.versions.items():
        check(version >= 1, order)
    events = check_topic(kafka, folder / "till" / "store.db")
    print(f"{seller.number} orders, {events} events")


def nothing_pending_once_started(edge, kafka, seller):
    """The broker is down when the edge starts: all events wait, then all are delivered."""
    check(status(edge)["pending"] > 0, "something was delivered to nobody")
    kafka.start()
    is_link(edge, "online")
    sells(seller)


def ends_while_away(folder, address):
    """SIGTERM ends an edge within 5 s even if the broker does not answer; a link that was set
    offline stays so."""
    with Edge(folder / "away", "--log", "kafka", "--kafka-brokers", address, **SETTINGS) as edge:
        check(edge.ask("POST", "/orders", order_body(1)).status == 201, "no order")
        is_link(edge, "offline")
        edge.ask("PUT", "/link", {"state": "offline"})
        is_link(edge, "forced-offline")
        began = time.monotonic()
        edge.stop()
        check(time.monotonic() - began < 5, "it took longer than 5 s to stop")
    with Edge(folder / "away", "--log", "kafka", "--kafka-brokers", address, **SETTINGS) as edge:
        check(status(edge)["link"] == "forced-offline", json.dumps(status(edge)))
        check(status(edge)["pending"] == 1, "the order is not pending any more")
        edge.stop()


def missing_topics_are_named(folder, kafka):
    with Edge(folder / "none", "--log", "kafka", "--kafka-brokers", kafka.address, "--kafka-topic",
              "nowhere", **SETTINGS) as edge:
        eventually(lambda: "nowhere is not there" in status(edge).get("problem", ""),
                   "the missing topic is named")
        check(edge.ask("POST", "/orders", order_body(1)).status == 201, "no order")
        edge.stop()
        check(edge.diagnostics().count("nowhere is not there") <= 2, "said again and again")


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka:
        kafka.kill()
        load(folder, kafka)
        missing_topics_are_named(folder, kafka)
        kafka.kill()
        ends_while_away(folder, kafka.address)


run(test)
