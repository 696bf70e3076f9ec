"""tillbox-central in a test, events for it, and what it must make of them."""
import json
import os
import pathlib
import subprocess

from kafka_service import Failed
from tillbox_e2e import Edge, check, eventually


class Central(Edge):
    """A tillbox-central; its diagnostics go to FOLDER/NAME.err."""

    def __init__(self, folder, name, kafka, mongo_uri, *flags, **env):
        super().__init__(pathlib.Path(folder) / name, *flags, **env)
        self.name, self.kafka, self.uri = name, kafka, mongo_uri

    def command(self):
        program = os.environ.get("TILLBOX_CENTRAL")
        check(program, "TILLBOX_CENTRAL names no tillbox-central")
        return [*self.prefix, program, "--listen", self.listen, "--node", self.name,
                "--kafka-brokers", self.kafka, "--mongo-uri", self.uri, *self.flags]

    def start(self, ready=True):
        line = self.launch()
        check(line.startswith("listening on http://127.0.0.1:"),
              f"the first line is {line!r}; standard error: {self.diagnostics()[-2000:]}")
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        if ready:
            eventually(lambda: self.ask("GET", "/readyz").status == 200, "/readyz is 200")
        return self

    def __enter__(self):
        return self.start()

    def status(self):
        reply = self.ask("GET", "/status")
        check(reply.status == 200, f"GET /status: {reply}")
        return reply.json()

    def nodes(self):
        reply = self.ask("GET", "/nodes")
        check(reply.status == 200, f"GET /nodes: {reply}")
        return {node["node"]: node for node in reply.json()["nodes"]}


class Feed:
    """feed_events under way; what it says that a view must have in the end."""

    def __init__(self, kafka, **options):
        program = os.environ.get("TILLBOX_FEED_EVENTS")
        check(program, "TILLBOX_FEED_EVENTS names no feed_events")
        self.expected, self.sent = {}, None
        self.process = subprocess.Popen(
            [program, kafka, *(f"{key}={value}" for key, value in options.items())],
            stdout=subprocess.PIPE, text=True)

    def finish(self):
        """Everything is acknowledged."""
        out, _ = self.process.communicate(timeout=300)
        if self.process.returncode != 0:
            raise Failed(f"feed_events ended with {self.process.returncode}")
        for line in out.splitlines():
            order_id, _, rest = line.partition(" ")
            if order_id == "sent":
                self.sent = int(rest)
            else:
                version, _, document = rest.partition(" ")
                self.expected[order_id] = (int(version), json.loads(document))
        return self


def everything_read(*centrals, seconds=120):
    """Each partition is read by one of them, and none has anything left."""
    def caught_up():
        parts = [part for central in centrals for part in central.status()["partitions"]]
        return (sorted(part["partition"] for part in parts) == list(range(6)) and
                all(part["lag"] == 0 for part in parts))
    eventually(caught_up, "every partition is read to its end", seconds, pause=0.2)


def check_orders(central, expected):
    """The view is what the events say: each order, whole, and no other."""
    orders = central.orders()
    missing = sorted(expected.keys() - orders.keys())
    check(not missing, f"{len(missing)} orders are missing, such as {missing[:3]}")
    extra = sorted(orders.keys() - expected.keys())
    check(not extra, f"{len(extra)} orders are there that nobody placed, such as {extra[:3]}")
    for order_id, (version, document) in expected.items():
        check(orders[order_id]["version"] == version,
              f"{order_id}: version {orders[order_id]['version']}, not {version}")
        check(orders[order_id] == document, f"{order_id}: {orders[order_id]} is not {document}")


def check_sums(central):
    """What is kept by day, and what is added up from the orders, are one another's equal."""
    orders = central.orders().values()
    sums = {}
    for order in orders:
        one = sums.setdefault(order["currency"], [0, 0, 0, 0])
        one[0 if order["kind"] == "SALE" else 1] += 1
        one[2] += order["status"] == "CANCELLED"
        one[3] += 0 if order["status"] == "CANCELLED" else order["totalMinor"]
    told = {row["currency"]: [row["orders"], row["returns"], row["cancelled"], row["totalMinor"]]
            for row in central.ask("GET", "/orders/stats").json()["totals"]}
    check(told == sums, f"stats tell {told}, the orders {sums}")
