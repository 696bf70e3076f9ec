"""An edge delivers orders that waited for 60 days, although the broker keeps records for less than
that and removes old ones all the time. The record's timestamp is the time of sending, so the
broker does not remove them at once; the event itself says when the order happened.
"""
import contextlib
import sqlite3
import time

from central_process import Central, everything_read, verify
from kafka_service import TOPIC, Kafka, Mongo
from shop import all_delivered, till
from tillbox_e2e import check, order_body, run, scratch

ORDERS = 300
DAYS = 60
DAY_MS = 24 * 60 * 60 * 1000
# Records are kept for an hour, and the broker looks twice a second.
RETENTION = "log.retention.ms=3600000\nlog.retention.check.interval.ms=500\n"


def sell_in_the_past(edge, began_ms):
    """Places orders 60 days ago, with the network down."""
    reply = edge.ask("PUT", "/link", {"state": "offline"})
    check(reply.status == 200, f"PUT /link: {reply}")
    with edge.client() as client:
        for number in range(ORDERS):
            placed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began_ms / 1000))
            reply = client.ask("POST", "/orders", order_body(number, placedAt=placed))
            check(reply.status == 201, f"POST /orders: {reply}")
    edge.stop()
    with contextlib.closing(sqlite3.connect(edge.data / "store.db")) as db, db:
        moved = db.execute("UPDATE outbox SET occurred_at = occurred_at - ?", (DAYS * DAY_MS,))
        check(moved.rowcount == ORDERS, f"{moved.rowcount} rows wait")


def test():
    with scratch() as folder:
        began_ms = time.time() * 1000 - DAYS * DAY_MS
        with Kafka(folder / "kafka", RETENTION) as kafka, Mongo(folder / "mongo") as mongo, \
                till(folder, "till1", kafka.address) as edge:
            sell_in_the_past(edge, began_ms)
            edge.start()
            oldest = edge.ask("GET", "/status").json()["oldestPendingAgeSeconds"]
            check(oldest > (DAYS - 1) * DAY_MS / 1000, f"the oldest is {oldest} s old")
            reply = edge.ask("PUT", "/link", {"state": "auto"})
            check(reply.status == 200, f"PUT /link: {reply}")
            all_delivered(edge)
            time.sleep(3)  # the broker removes old records several times before anybody reads
            with Central(folder, "one", kafka.address, mongo.uri, "--create-topics") as central:
                everything_read(central)
                status, said = verify(central, edge)
                check(status == 0, f"verify ends with {status}:\n{said}")
                check(f"same\t{ORDERS}\n" in said, said)
            check(len(kafka.records(TOPIC)) == ORDERS, "the broker removed some")


run(test)
