"""Promise: an exactly-once producer beside the tills, such as a connector, disturbs nothing. Its
transactions end each partition with a marker that no reader sees: nevertheless the lag becomes 0, a
rebuild ends, and /healthz passes. What a transaction has aborted is not read.
Method: events of former_build/ are sent in transactions, to each partition, while a till sells.
"""
import pathlib

from central_process import Central, check_sums, everything_read, verify
from kafka_service import GROUP, TOPIC, Kafka, Mongo, put_records, topic_ends
from shop import Seller, all_delivered, till
from tillbox_e2e import check, eventually, rebuild_ended, run, scratch

EVENTS = pathlib.Path(__file__).resolve().parent / "former_build" / "order-events.tsv"
PARTITIONS = 6


def complete_orders():
    """The events of each order as lines of put_records, without those of damaged orders."""
    orders = {}
    for line in EVENTS.read_text().splitlines():
        orders.setdefault(line.split("\t")[2], []).append(line)
    return {order: lines for order, lines in orders.items()
            if all(line.split("\t")[3].startswith("{") for line in lines)}


def halves(orders):
    """Both have records of each partition."""
    lists = {}
    for order, lines in orders.items():
        lists.setdefault(lines[0].split("\t")[0], []).append(order)
    check(len(lists) == PARTITIONS and all(len(one) > 1 for one in lists.values()), f"{lists}")
    first = {order for one in lists.values() for order in one[:len(one) // 2]}
    return first, orders.keys() - first


def lines_of(orders, some):
    return [line for order in sorted(some) for line in orders[order]]


def sold_beside(kafka, edge, lines, end):
    """A transaction in the middle of what the till sends, and one behind it."""
    with Seller(edge, rate=100) as seller:
        eventually(lambda: seller.number > 5, "orders are taken")
        put_records(kafka.address, TOPIC, lines, end)
        seller.finish()
    all_delivered(edge)
    before = topic_ends(kafka.address, TOPIC)
    put_records(kafka.address, TOPIC, lines, end)
    after = topic_ends(kafka.address, TOPIC)
    check(all(after[partition] > before[partition] + 1 for partition in before),
          f"not every partition ends with a marker: {before}, {after}")


def rebuild(central):
    reply = central.ask("POST", "/rebuild")
    check(reply.status == 202, f"{reply}")
    got = rebuild_ended(central)
    check(got["state"] == "done" and not got["differences"], f"{got}")


def group_lag(kafka):
    """As Kafka's own tool tells it."""
    rows = (line.split() for line in kafka.tool(kafka.GROUPS, "--describe", "--group",
                                                GROUP).splitlines())
    return [row[5] for row in rows if len(row) > 5 and row[1] == TOPIC]


def is_well(kafka, mongo, central, edge, there):
    """`there`: orders of the transactions that the centre has."""
    everything_read(central)
    eventually(lambda: group_lag(kafka) == ["0"] * PARTITIONS,
               f"the group lags by {group_lag(kafka)}", 30, pause=0.5)
    eventually(lambda: central.ask("GET", "/healthz").status == 200, "/healthz passes")
    status, said = verify(central, edge, flags=["--ignore-foreign"])
    check(status == 0, f"verify ends with {status}:\n{said}")
    orders = central.orders()
    foreign = {order for order, one in orders.items() if one["node"] != edge.data.name}
    check(foreign == there, f"of the transactions {sorted(foreign)} is there, not {sorted(there)}")
    check(central.status()["deadLetters"] == 0, f"{central.status()}")
    check_sums(central, mongo, mongo.command({"find": "meta", "filter": {"_id": "served"}})[0]
               ["sales_by_day"])


def test():
    orders = complete_orders()
    committed, aborted = halves(orders)
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            Central(folder, "hq", kafka.address, mongo.uri, "--create-topics") as central, \
            till(folder, "till3", kafka.address) as edge:
        everything_read(central)
        for end, some in (("abort", aborted), ("commit", committed), ("abort", aborted)):
            there = committed if end == "commit" else set(central.orders()) & committed
            sold_beside(kafka, edge, lines_of(orders, some), end)
            is_well(kafka, mongo, central, edge, there)
            rebuild(central)
            is_well(kafka, mongo, central, edge, there)
        central.stop()
        central.start()
        is_well(kafka, mongo, central, edge, committed)
        check("log.generation" not in central.diagnostics(), "it takes the log for another one")
        central.stop(), edge.stop()


run(test)
