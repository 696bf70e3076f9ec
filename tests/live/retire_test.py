"""Promise: a till that was retired holds nothing back any more; it stays retired over a rebuild, another
central and whatever it sends, which counts like any other's, late where its day is over; that it sends
is told, once in the diagnostics; and it can be put back. Method: two tills, one of which goes away and
comes back.
"""
import datetime
import json
import os
import subprocess

from central_process import SESSION, Central, everything_read
from kafka_service import Kafka, Mongo
from shop import all_delivered, till
from tillbox_e2e import check, eventually, order_body, run, scratch


def tillbox(central, *args, status=0):
    done = subprocess.run([os.environ["TILLBOX"], *args, "--url", central.url], text=True,
                          capture_output=True)
    check(done.returncode == status, f"{args}: {done}")
    return done.stdout + done.stderr


def sell(edge, central, first, count, **more):
    for number in range(first, first + count):
        reply = edge.ask("POST", "/orders", order_body(number, **more))
        check(reply.status == 201, f"POST /orders: {reply}")
    all_delivered(edge)
    everything_read(central)


def stats(central):
    return central.ask("GET", "/orders/stats").json()


def orders_of_till9(central):
    return len(central.ask("GET", "/orders?node=till9").json()["orders"])


def is_held_back_until_it_is_retired(central):
    nodes = {}

    def the_other_goes_on():
        nodes.update(central.nodes())
        return nodes["till1"]["completeThroughAt"] > nodes["till9"]["completeThroughAt"]

    eventually(the_other_goes_on, "the heartbeats of till1 go on", 120, pause=0.5)
    check(stats(central)["completeThrough"] == nodes["till9"]["completeThroughAt"], "held back")
    first = json.loads(tillbox(central, "nodes", "retire", "till9", "--json"))
    check(first["state"] == "retired" and first["retiredBy"].startswith("127.0.0.1:"), f"{first}")
    check(json.loads(tillbox(central, "nodes", "retire", "till9", "--json")) == first, "twice")
    check(first["retiredAt"] in tillbox(central, "nodes"), "`tillbox nodes` tells since when")
    check("Nothing has ever come from a node till7" in
          tillbox(central, "nodes", "retire", "till7", status=1), "an unknown node")
    check(stats(central)["completeThrough"] >= nodes["till1"]["completeThroughAt"], "still held back")
    counted = central.status()["nodes"]
    check(counted["retired"] == 1 and sum(counted.values()) == 2, f"{counted}")
    metrics = central.ask("GET", "/metrics").body.decode()
    check('tillbox_node_last_seen_timestamp_seconds{node="till1"}' in metrics, "till1 is watched")
    check('{node="till9"}' not in metrics, "till9 is watched")
    return first["retiredAt"]


def stays_retired(central, since):
    node = central.nodes()["till9"]
    check(node["state"] == "retired" and node["retiredAt"] == since, f"{node}")
    return node


def comes_back(mongo, edge, central, since):
    """What it sends counts, in a day that is over as late, and it is retired all the same."""
    two_days_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2)
    before = stays_retired(central, since)["lateOrders"]
    check(orders_of_till9(central) == 1, "what it had sent is gone")
    sell(edge, central, 901, 1)
    sell(edge, central, 902, 1, placedAt=two_days_ago.strftime("%Y-%m-%dT%H:%M:%SZ"))
    eventually(lambda: central.nodes()["till9"].get("sends"), "that it sends is told", 60)
    node = stays_retired(central, since)
    check(node["lateOrders"] == before + 1, f"{node}, before {before}")
    check(orders_of_till9(central) == 3, "what it sends does not count")
    [day] = [day for day in mongo.command({"find": "sales_by_day", "filter": {"node": "till9"}})
             if day["lateOrders"]]
    check(day["revision"] == 2 and day["orders"] == 1, f"{day}")
    check(central.status()["retiredSending"] == ["till9"], f"{central.status()}")
    eventually(lambda: "node till9 is retired and sends" in central.diagnostics(),
               "the diagnostics tell it", 60, pause=0.5)


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            till(folder, "till1", kafka.address) as other, \
            till(folder, "till9", kafka.address) as gone:
        with Central(folder, "one", kafka.address, mongo.uri, "--create-topics",
                     **SESSION) as central:
            sell(other, central, 1, 5)
            sell(gone, central, 900, 1)
            eventually(lambda: all("completeThroughAt" in central.nodes().get(name, {})
                                   for name in ("till1", "till9")), "both are known", 120)
            gone.stop()
            since = is_held_back_until_it_is_retired(central)
            tillbox(central, "rebuild")
            stays_retired(central, since)
            check("is retired and sends" not in central.diagnostics(), "it is told too early")
        with Central(folder, "two", kafka.address, mongo.uri, **SESSION) as central:
            everything_read(central)
            stays_retired(central, since)
            gone.start()
            comes_back(mongo, gone, central, since)
            node = json.loads(tillbox(central, "nodes", "unretire", "till9", "--json"))
            check(node["state"] == "current" and "retiredAt" not in node, f"{node}")
            check("retiredSending" not in central.status(), f"{central.status()}")
            check(central.diagnostics().count("is retired and sends") == 1, "told once")


run(test)
