"""Promise: a day ends by the clock of its till, wherever the central stands, and the clock of a till
is judged by the central's. Method: a till and a central whose dates are never the same, and
heartbeats in a topic that keeps the time of who sends.
"""
import datetime
import json
import time

from central_process import Central, everything_read
from kafka_service import TOPICS, Kafka, Mongo, put_records
from shop import all_delivered, till
from tillbox_e2e import check, eventually, order_body, run, scratch

HOUR_MS = 3600000
EAST = "Pacific/Kiritimati"  # UTC+14


def now_ms():
    return int(time.time() * 1000)


def at_ms(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def far_west():
    """A zone without summer time, 26 or 25 hours behind EAST, in which it is not about midnight."""
    minutes = time.time() // 60 % 1440
    return ("Etc/GMT+12", 12) if not 700 < minutes < 740 else ("Etc/GMT+11", 11)


def sales(mongo):
    return {day["businessDate"]: day
            for day in mongo.command({"find": "sales_by_day", "filter": {}})}


def sell(edge, central, first, count, **more):
    for number in range(first, first + count):
        reply = edge.ask("POST", "/orders", order_body(number, **more))
        check(reply.status == 201, f"POST /orders: {reply}")
    all_delivered(edge)
    everything_read(central)


def days_are_the_tills(mongo, edge, central, hours):
    here = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)
    today, yesterday = (str((here - datetime.timedelta(days=days)).date()) for days in (0, 1))
    eventually(lambda: "businessDate" in central.nodes().get("till1", {}), "the till tells its day")
    sell(edge, central, 1, 6)
    node, day = central.nodes()["till1"], sales(mongo)[today]
    check(node["lateOrders"] == 0, f"current orders are late: {node}")
    check(day["orders"] == 6 and day["revision"] == 1 and day["lateOrders"] == 0, f"{day}")
    midnight = at_ms(today + "T00:00:00Z") + (24 + hours) * HOUR_MS
    check(node["businessDate"] == today and at_ms(node["dayEndsAt"]) == midnight, f"{node}")
    check(node["completeThroughDate"] == yesterday, f"{node}")
    stats = central.ask("GET", "/orders/stats").json()
    check(stats["completeThroughDate"] == yesterday, f"{stats}")
    placed = here - datetime.timedelta(days=2) + datetime.timedelta(hours=hours)
    sell(edge, central, 7, 1, placedAt=placed.strftime("%Y-%m-%dT%H:%M:%SZ"))
    check(central.nodes()["till1"]["lateOrders"] == 1, "an order of two days ago is not late")
    day = sales(mongo)[str((here - datetime.timedelta(days=2)).date())]
    check(day["revision"] == 2 and day["lateOrders"] == 1, f"{day}")


def beat(kafka, node, ahead_ms, sequence):
    """A heartbeat of a till whose clock is so far ahead."""
    clock_ms = now_ms() + ahead_ms
    value = {"node": node, "epoch": "0123456789abcdef", "lastSequence": sequence,
             "deliveredSequence": sequence, "pending": 0, "clockMs": clock_ms, "version": "0.1.0"}
    put_records(kafka.address, "node-status", [f"-1\t{clock_ms}\t{node}\t{json.dumps(value)}"])


def clocks_are_judged_by_the_central(kafka, central):
    for node, ahead_ms in (("slow", -2 * HOUR_MS), ("fast", HOUR_MS // 2)):
        from_ms = now_ms()

        def is_judged():
            beat(kafka, node, ahead_ms, 0)
            return "clockOffsetMs" in central.nodes().get(node, {})

        eventually(is_judged, f"the clock of {node} is judged", 60, pause=0.5)
        told = central.nodes()[node]
        check(abs(told["clockOffsetMs"] - ahead_ms) < 10000, f"{told}")
        check(from_ms - 10000 < at_ms(told["lastSeenAt"]) <= now_ms(), f"{told}")
        check(told["state"] == "current", f"{told}")


def a_backlog_judges_nothing(folder, kafka, mongo, central):
    """What a central reads long after it was sent leaves the offset, and makes nobody current."""
    before = central.nodes()["slow"]
    central.stop()
    beat(kafka, "slow", -2 * HOUR_MS, 0)
    beat(kafka, "late", -2 * HOUR_MS, 0)
    with Central(folder, "later", kafka.address, mongo.uri, TZ=EAST) as later:
        eventually(lambda: "late" in later.nodes(), "the backlog is read", 90)
        check(later.nodes()["slow"]["clockOffsetMs"] == before["clockOffsetMs"],
              f"{later.nodes()['slow']}, before {before}")
        check("clockOffsetMs" not in later.nodes()["late"], f"{later.nodes()['late']}")


def test():
    zone, hours = far_west()
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo:
        kafka.tool(TOPICS, "--create", "--topic", "node-status", "--partitions", "1",
                   "--config", "cleanup.policy=compact")
        with Central(folder, "one", kafka.address, mongo.uri, "--create-topics", TZ=EAST) as central, \
                till(folder, "till1", kafka.address, TZ=zone) as edge:
            days_are_the_tills(mongo, edge, central, hours)
            clocks_are_judged_by_the_central(kafka, central)
            edge.stop()
            a_backlog_judges_nothing(folder, kafka, mongo, central)


run(test)
