"""Promise: whatever the MongoDB URI says about reads, a central decides and counts by what the
primary has, and who waits for a version gets it. Only lists and single orders may be old.
Method: the URI sends reads to the secondary of a replica set, which has nothing at all. Events
arrive several times.
"""
import os

from central_process import Central, Feed, add_order, everything_read
from kafka_service import Kafka, Mongo, with_options
from tillbox_e2e import check, run, scratch

READS_ELSEWHERE = "replicaSet=rs0&readPreference=secondaryPreferred"


def row(counts):
    return [counts[name] for name in ("orders", "returns", "cancelled", "totalMinor")]


def counted_once(central, mongo, expected):
    by_currency, by_day = {}, {}
    for _, order in expected.values():
        add_order(by_currency, order["currency"], order)
        add_order(by_day, f"{order['node']}/{order['businessDate']}/{order['currency']}", order)
    told = central.ask("GET", "/orders/stats").json()
    told = {one["currency"]: row(one) for one in told["totals"]}
    check(told == by_currency, f"stats tell {told}, the orders {by_currency}")
    kept = {day["_id"]: row(day) for day in mongo.command({"find": "sales_by_day", "filter": {}})}
    check(kept == by_day, f"{kept} is kept, the orders make {by_day}")


def answers_are_right(mongo, kafka, one):
    expected = Feed(kafka.address, orders=300, repeat=3, seed=41).finish().expected
    everything_read(one)
    counted_once(one, mongo, expected)
    for order, (version, document) in expected.items():
        for query in (f"?minVersion={version}", f"?minVersion={version}&wait=5s"):
            reply = one.ask("GET", f"/orders/{order}{query}")
            check(reply.status == 200 and reply.json() == document, f"{order}{query}: {reply}")
    order = next(iter(expected))
    check(one.ask("GET", f"/orders/{order}").status == 404, "an order came from the primary")
    check(one.orders() == {}, "a list came from the primary")
    check(one.ask("GET", "/healthz").status == 200, "something is wrong")


def test():
    os.environ["TB_MONGO_REPLICA_SET"] = "yes"
    with scratch() as folder, Mongo(folder / "mongo") as mongo:
        mongo.must_be_own("has a secondary without data")
        with Kafka(folder / "kafka") as kafka, \
                Central(folder, "one", kafka.address, with_options(mongo.uri, READS_ELSEWHERE),
                        "--create-topics") as one:
            answers_are_right(mongo, kafka, one)


run(test)
