"""Runs `tillbox verify` against real stores and a real view. It passes while everything is there,
and ends with 1 when one document is altered, missing or too many, or something is still pending.
"""
import json
import os
import subprocess

from central_process import Central, everything_read, verify
from kafka_service import Kafka, Mongo
from shop import all_delivered, till
from tillbox_e2e import check, eventually, order_body, run, scratch


def sell(edge, first, count):
    with edge.client() as client:
        for number in range(first, first + count):
            reply = client.ask("POST", "/orders", order_body(number))
            check(reply.status == 201, f"no order: {reply}")
            if number % 3 == 0:
                path = f"/orders/{reply.json()['orderId']}/cancel"
                check(client.ask("POST", path, {}).status == 200, "not cancelled")


def differs(kind, central, *edges, flags=()):
    status, said = verify(central, *edges, flags=flags, wait="0")
    check(status == 1, f"{kind}: it ends with {status}:\n{said}")
    check(any(line.startswith(f"{kind}\t") and line.count("\t") > 1
              for line in said.splitlines()), f"nothing is {kind}:\n{said}")


def is_clean(central, *edges, flags=()):
    status, said = verify(central, *edges, flags=flags)
    check(status == 0, f"it ends with {status}:\n{said}")


def tampering_shows(mongo, central, *edges):
    """Each change alone is found; after it is undone nothing is found."""
    order = mongo.command({"find": "orders", "filter": {"status": "CANCELLED"}, "limit": 1,
                           "singleBatch": True})[0]
    key = {"_id": order["_id"]}

    def put(document):
        mongo.command({"delete": "orders", "deletes": [{"q": key, "limit": 1}]})
        mongo.command({"insert": "orders", "documents": [document]})

    for field, value in (("totalMinor", {"$numberLong": "1"}), ("status", "SHIPPED"),
                         ("version", {"$numberLong": "77"}), ("source", "ELSEWHERE"),
                         ("customerId", "C-other"), ("node", "till9")):
        put(order | {field: value})
        differs("different", central, *edges)
    put(order | {"lines": order["lines"][:-1] + [order["lines"][-1] | {"sku": "OTHER"}]})
    differs("different", central, *edges)
    mongo.command({"delete": "orders", "deletes": [{"q": key, "limit": 1}]})
    differs("missing", central, *edges)
    put(order | {"version": {"$numberLong": "1"}})  # as if its last event had not arrived
    differs("missing", central, *edges)
    put(order)
    is_clean(central, *edges)
    extra = order | {"_id": "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"}
    mongo.command({"insert": "orders", "documents": [extra]})
    differs("extra", central, *edges)
    mongo.command({"delete": "orders", "deletes": [{"q": {"_id": extra["_id"]}, "limit": 1}]})
    is_clean(central, *edges)


def nodes_command(central):
    env = {key: value for key, value in os.environ.items() if not key.startswith("TILLBOX")}
    done = subprocess.run([os.environ["TILLBOX"], "nodes", "--url", central.url, "--json"],
                          text=True, capture_output=True, env=env)
    check(done.returncode == 0, f"tillbox nodes: {done}")
    return {node["node"]: node for node in json.loads(done.stdout)["nodes"]}


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            Central(folder, "hq", kafka.address, mongo.uri, "--create-topics") as central, \
            till(folder, "till1", kafka.address) as here, \
            till(folder, "till2", kafka.address) as there:
        sell(here, 0, 700)
        sell(there, 1000, 300)
        all_delivered(here, there)
        everything_read(central)
        is_clean(central, here, there)
        differs("foreign", central, here)
        is_clean(central, here, flags=["--ignore-foreign"])
        tampering_shows(mongo, central, here, there)

        check(there.ask("PUT", "/link", {"state": "offline"}).status == 200, "not offline")
        sell(there, 2000, 50)
        differs("pending", central, here, there)
        is_clean(central, here, there, flags=["--allow-pending"])
        check(there.ask("PUT", "/link", {"state": "auto"}).status == 200, "not online")
        is_clean(central, here, there)  # it waits for events that are under way

        eventually(lambda: {name: node["state"] for name, node in nodes_command(central).items()}
                   == {"till1": "current", "till2": "current"}, "both tills are current", pause=0.5)
        stats = central.ask("GET", "/orders/stats").json()
        check(stats["heldBackBy"] == [] and "completeThrough" in stats, f"{stats}")
        for one in (central, here, there):
            one.stop()


run(test)
