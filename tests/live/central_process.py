"""Starts tillbox-central, sends events to it, and checks its view."""
import json
import os
import pathlib
import subprocess

from kafka_service import DATABASE, GROUP, TOPIC, Failed, Kafka, topic_ends
from tillbox_e2e import Edge, check, eventually

# The group notices a dead member after 6 s instead of 45.
SESSION = {"TILLBOX_KAFKA_CONSUMER_SESSION_TIMEOUT_MS": "6000",
           "TILLBOX_KAFKA_CONSUMER_HEARTBEAT_INTERVAL_MS": "1000"}


# The group notices a killed member after 2 s. The broker must allow it: its default minimum is 6 s,
# which a broker that is not ours may have.
BROKER_OF_SHORT_SESSIONS = "" if Kafka.given else "group.min.session.timeout.ms=1000\n"
SHORT_SESSION = SESSION if Kafka.given else {
    "TILLBOX_KAFKA_CONSUMER_SESSION_TIMEOUT_MS": "2000",
    "TILLBOX_KAFKA_CONSUMER_HEARTBEAT_INTERVAL_MS": "400"}
NAMES = {"TILLBOX_KAFKA_TOPIC": TOPIC, "TILLBOX_KAFKA_GROUP": GROUP,
         "TILLBOX_MONGO_DATABASE": DATABASE}


class Central(Edge):
    """A tillbox-central; its diagnostics go to FOLDER/NAME.err."""

    def __init__(self, folder, name, kafka, mongo_uri, *flags, **env):
        super().__init__(pathlib.Path(folder) / name, *flags, **(NAMES | env))
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
        return self if self.process else self.start()

    def status(self):
        reply = self.ask("GET", "/status")
        check(reply.status == 200, f"GET /status: {reply}")
        return reply.json()

    def nodes(self):
        reply = self.ask("GET", "/nodes")
        check(reply.status == 200, f"GET /nodes: {reply}")
        return {node["node"]: node for node in reply.json()["nodes"]}


class Feed:
    """A running feed_events, and the orders that the view must have in the end."""

    def __init__(self, kafka, **options):
        program = os.environ.get("TILLBOX_FEED_EVENTS")
        check(program, "TILLBOX_FEED_EVENTS names no feed_events")
        self.expected, self.sent = {}, None
        self.process = subprocess.Popen(
            [program, kafka, f"topic={TOPIC}",
             *(f"{key}={value}" for key, value in options.items())],
            stdout=subprocess.PIPE, text=True)

    def finish(self):
        """Waits until all events are acknowledged."""
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


def everything_read(*centrals, seconds=120, partitions=6):
    """Waits until each partition is assigned to one central, each central has its share, and all
    records that the broker has now are read. A central learns a partition's end from what it
    fetches: until then it may tell no lag, so the broker is asked."""
    parts, ends = {}, topic_ends(centrals[0].kafka, TOPIC)

    def caught_up():
        for central in centrals:
            parts[central.name] = central.status()["partitions"]
        read = [part for mine in parts.values() for part in mine]
        return (all(parts.values()) and
                sorted(part["partition"] for part in read) == list(range(partitions)) and
                all(part["lag"] == 0 and part["end"] >= ends.get(part["partition"], 0)
                    for part in read))

    try:
        eventually(caught_up, "every partition is read to its end", seconds, pause=0.2)
    except Failed as late:
        raise Failed(f"{late}: {json.dumps(parts)}") from None


def check_orders(central, expected):
    """The view has exactly the orders that the events make."""
    orders = central.orders()
    missing = sorted(expected.keys() - orders.keys())
    check(not missing, f"{len(missing)} orders are missing, such as {missing[:3]}")
    extra = sorted(orders.keys() - expected.keys())
    check(not extra, f"{len(extra)} orders are there that nobody placed, such as {extra[:3]}")
    for order_id, (version, document) in expected.items():
        check(orders[order_id]["version"] == version,
              f"{order_id}: version {orders[order_id]['version']}, not {version}")
        check(orders[order_id] == document, f"{order_id}: {orders[order_id]} is not {document}")


def add_order(sums, key, order):
    one = sums.setdefault(key, [0, 0, 0, 0])
    one[0 if order["kind"] == "SALE" else 1] += 1
    one[2] += order["status"] == "CANCELLED"
    one[3] += 0 if order["status"] == "CANCELLED" else order["totalMinor"]


def check_sums(central, mongo, collection="sales_by_day"):
    """Sales per day, the sums that the server computes, and the orders agree."""
    by_currency, by_day = {}, {}
    for order in central.orders().values():
        add_order(by_currency, order["currency"], order)
        add_order(by_day, f"{order['node']}/{order['businessDate']}/{order['currency']}", order)
    told = {row["currency"]: [row["orders"], row["returns"], row["cancelled"], row["totalMinor"]]
            for row in central.ask("GET", "/orders/stats").json()["totals"]}
    check(told == by_currency, f"stats tell {told}, the orders {by_currency}")
    kept = {day["_id"]: [day["orders"], day["returns"], day["cancelled"], day["totalMinor"]]
            for day in mongo.command({"find": collection, "filter": {}})}
    for key in kept.keys() | by_day.keys():
        check(kept.get(key) == by_day.get(key),
              f"{key} keeps {kept.get(key)}, its orders make {by_day.get(key)}")


def verify(central, *edges, flags=(), wait="30s"):
    """Runs `tillbox verify`: its exit status and output. Orders of other nodes count, unless flags
    say otherwise."""
    args = [part for edge in edges for part in ("--edge", edge.url)]
    scope = [] if "--ignore-foreign" in flags else ["--all"]
    done = subprocess.run([os.environ["TILLBOX"], "verify", *args, "--central", central.url,
                           "--wait", wait, *scope, *flags], text=True, capture_output=True,
                          env={key: value for key, value in os.environ.items()
                               if not key.startswith("TILLBOX")})
    return done.returncode, done.stdout + done.stderr
