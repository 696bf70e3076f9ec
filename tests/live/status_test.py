"""Promise: /metrics, /status and /readyz tell the truth while orders are sold: each number lies
between what SQL and the broker's own tool said before and after. Idle and stuck look different. An
unknown value is absent, not 0. A rebalance does not make /readyz fail.
"""
import contextlib
import json
import re
import time

from central_process import (BROKER_OF_SHORT_SESSIONS, SHORT_SESSION, Central, everything_read)
from kafka_service import GROUP, TOPIC, Kafka, Mongo, part
from shop import Seller, Worker, all_delivered, till
from tillbox_e2e import Lost, check, eventually, read_db, run, scratch

PARTITIONS = 6
SAMPLE = re.compile(r"^(\w+)(\{[^}]*\})? (\S+)$", re.M)


def scrape(process):
    reply = process.ask("GET", "/metrics")
    check(reply.status == 200, f"GET /metrics: {reply}")
    return {name + labels: float(value) for name, labels, value in SAMPLE.findall(reply.body.decode())}


def lag_of(*centrals):
    """By partition, from the central to which it is assigned; each partition is assigned to one.
    """
    lag = {}
    for metrics in [scrape(central) for central in centrals]:
        for name, value in metrics.items():
            found = re.fullmatch(r'kafka_consumer_lag\{topic="([^"]*)",partition="(\d+)",'
                                 r'group="([^"]*)"\}', name)
            if found:
                check((found[1], found[3]) == (TOPIC, GROUP), f"the lag of {name}")
                check(int(found[2]) not in lag, f"two tell of partition {found[2]}")
                lag[int(found[2])] = value
    return lag


def group_of(kafka):
    """(committed, end) by partition, from the broker's own tool; committed 0: none yet."""
    lines = kafka.tool(kafka.GROUPS, "--describe", "--group", GROUP).splitlines()
    rows = [line.split() for line in lines if line.startswith(GROUP)]
    return {int(row[2]): (int(row[3]) if row[3] != "-" else 0, int(row[4])) for row in rows}


def outbox_of(edge):
    """The last row, Kafka's cursor, the number of orders, the age of the oldest row after the
    cursor, and of the oldest row."""
    with contextlib.closing(read_db(edge.data / "store.db")) as db:
        return db.execute(
            "WITH cursor(row) AS (SELECT coalesce(max(row), 0) FROM cursors WHERE name = 'kafka') "
            "SELECT (SELECT coalesce(max(row), 0) FROM outbox), cursor.row, "
            "(SELECT count(*) FROM orders), "
            "(SELECT occurred_at FROM outbox WHERE outbox.row > cursor.row ORDER BY row LIMIT 1), "
            "(SELECT occurred_at FROM outbox ORDER BY row LIMIT 1) "
            "FROM cursor").fetchone()


def between(what, low, value, high):
    check(value is not None and low <= value <= high, f"{what} is {value}, not in {low} to {high}")


class ReadyPoller(Worker):
    """Asks /readyz all the time: it is 200 whatever the group does."""

    def __init__(self, central):
        super().__init__()
        self.central, self.asked, self.wrong = central, 0, []

    def run(self):
        with self.central.client() as client:
            while not self.stopping.is_set():
                try:
                    reply = client.ask("GET", "/readyz")
                except (Lost, OSError) as error:
                    self.wrong.append(str(error))
                    return
                self.asked += 1
                if reply.status != 200:
                    self.wrong.append(repr(reply))
                self.stopping.wait(0.01)

    def finish(self):
        self.__exit__()
        check(self.asked > 0 and not self.wrong, f"/readyz: {self.wrong[:1]}")


def edge_is_true_under_load(edge, seller):
    placed = 'tillbox_orders_total{command="place",result="done"}'
    for _ in range(20):
        answered, before = seller.number - 1, outbox_of(edge)
        metrics, status = scrape(edge), edge.ask("GET", "/status").json()
        after = outbox_of(edge)
        between("orders placed", answered, metrics.get(placed), after[2])
        for pending in (metrics.get("tillbox_outbox_pending"), status["pending"]):
            between("pending", before[0] - after[1], pending, after[0] - before[1])
        check(metrics['tillbox_oldest_kept_timestamp_seconds{kept="outbox"}'] == before[4] / 1000,
              "the outbox begins at another time")
        between("the last sequence", before[0], status["lastSequence"], after[0])
        between("delivered", before[1], status["deliveredSequence"], after[1])
        between("orders by HTTP", answered,
                metrics.get('tillbox_http_requests_total{route="/orders",code="201"}'), after[2])


def centrals_are_true_under_load(kafka, *centrals):
    before = group_of(kafka)
    lag = lag_of(*centrals)
    parts = {part["partition"]: part for central in centrals
             for part in central.status()["partitions"]}
    after = group_of(kafka)
    check(sorted(lag) == sorted(parts) == list(range(PARTITIONS)), f"lag of {sorted(lag)}")
    for number, (committed, end) in before.items():
        between(f"lag of {number}", end - after[number][0], lag[number],
                after[number][1] - committed)
        between(f"committed of {number}", committed, parts[number]["committed"], after[number][0])
        between(f"end of {number}", end, parts[number]["end"], after[number][1])


def check_lag(kafka, *centrals):
    """While nothing moves, the numbers become the broker's."""
    lag = {number: end - committed for number, (committed, end) in group_of(kafka).items()}
    eventually(lambda: lag_of(*centrals) == lag, f"the lag is told as {lag}")
    return lag


def freshness(*centrals):
    return [scrape(central).get('projection_freshness_seconds{view="mongodb"}')
            for central in centrals]


def idle_is_zero(kafka, edge, *centrals):
    all_delivered(edge)
    everything_read(*centrals)
    check_lag(kafka, *centrals)
    for _ in range(2):  # and one second is not yet stale
        check(freshness(*centrals) == [0, 0], f"idle, and as old as {freshness(*centrals)}")
        time.sleep(1)
    applied = sum(scrape(central)['tillbox_projection_events_total{result="applied"}']
                  for central in centrals)
    check(applied == outbox_of(edge)[0], f"{applied} applied, {outbox_of(edge)[0]} written")
    held = sum(scrape(central)["tillbox_log_records"] for central in centrals)
    check(held == applied, f"the log holds {held} records, {applied} were applied")
    nodes, metrics = centrals[0].nodes(), scrape(centrals[0])
    seen = metrics['tillbox_node_last_seen_timestamp_seconds{node="till1"}']
    check(time.time() - 120 < seen <= time.time() + 1, f"last seen at {seen}: {nodes}")


def sell_some(edge, orders):
    with Seller(edge, rate=1000) as seller:
        eventually(lambda: seller.number >= orders, "orders are taken")
        seller.finish()


@part
def stuck_is_seen(kafka, mongo, edge, central):
    """The database is down: lag equals the broker's, age grows, and /readyz gives the reason."""
    mongo.kill()
    sell_some(edge, 60)
    all_delivered(edge)
    check(sum(check_lag(kafka, central).values()) > 0, "nothing lags")
    before, = freshness(central)
    check(before > 0, "nothing is old")
    check(scrape(central)['projection_freshness_seconds{view="mongodb"}'] > before,
          "what is shown grows no older")
    check("tillbox_dead_letters" not in scrape(central), "letters that nobody could count")
    reply = central.ask("GET", "/readyz")
    check(reply.status == 503, f"/readyz: {reply}")
    failing = {name: one for name, one in reply.json()["checks"].items() if one["status"] == "fail"}
    check(failing.keys() == {"view"} and failing["view"]["detail"], f"/readyz: {reply}")
    mongo.start()
    idle_again(edge, central)


def idle_again(edge, central):
    all_delivered(edge)
    everything_read(central)
    eventually(lambda: freshness(central) == [0], "nothing is old any more")
    eventually(lambda: central.ask("GET", "/readyz").status == 200, "/readyz is 200")


@part
def unknown_is_absent(kafka, edge, central):
    """The broker is down: the lag is unknown at the centre, and the till's numbers are known."""
    kafka.kill()
    sell_some(edge, 40)
    eventually(lambda: "Kafka" in central.status().get("problem", ""), "it says so")
    for _ in range(2):  # and after the session has ended, when no partition is assigned any more
        check(lag_of(central) == {}, "a lag is told that nobody knows")
        check(freshness(central) == [None], "an age is told of what is not known")
    check(central.ask("GET", "/readyz").status == 200, "what is there cannot be read")
    check(central.ask("GET", "/healthz").json()["checks"]["log"]["status"] == "fail",
          "nothing says that the log is away")
    check(edge.ask("GET", "/readyz").status == 200, "an edge's job is to be offline")
    eventually(lambda: edge.ask("GET", "/status").json()["link"] == "offline", "it is offline")
    last, cursor, _, oldest_ms, _ = outbox_of(edge)
    metrics = scrape(edge)
    check(metrics["tillbox_outbox_pending"] == last - cursor > 0, "it tells another backlog")
    told = metrics["tillbox_outbox_oldest_pending_timestamp_seconds"]
    check(abs(told - oldest_ms / 1000) < 0.002, f"the oldest is of {told}, not {oldest_ms} ms")
    kafka.start()
    idle_again(edge, central)
    check("tillbox_outbox_oldest_pending_timestamp_seconds" not in scrape(edge),
          "nothing is pending, and it has an age")


def rebalances_do_not_flap(folder, kafka, mongo, *centrals):
    pollers = [ReadyPoller(central) for central in centrals]
    with contextlib.ExitStack() as stack:
        for poller in pollers:
            stack.enter_context(poller)
        with Central(folder, "three", kafka.address, mongo.uri, **SHORT_SESSION) as three:
            eventually(lambda: three.status()["partitions"], "the third one has its share")
            everything_read(*centrals, three)
            three.stop()
        everything_read(*centrals)
        for poller in pollers:
            poller.finish()


def test():
    with scratch() as folder, Kafka(folder / "kafka", BROKER_OF_SHORT_SESSIONS) as kafka, \
            Mongo(folder / "mongo") as mongo, \
            Central(folder, "one", kafka.address, mongo.uri, "--create-topics",
                    **SHORT_SESSION) as one, till(folder, "till1", kafka.address) as edge:
        with Central(folder, "two", kafka.address, mongo.uri, **SHORT_SESSION) as two:
            everything_read(one, two)
            with Seller(edge, rate=200) as seller:
                eventually(lambda: seller.number > 50, "orders are taken")
                edge_is_true_under_load(edge, seller)
                centrals_are_true_under_load(kafka, one, two)
                print(f"{seller.finish()} orders")
            idle_is_zero(kafka, edge, one, two)
            rebalances_do_not_flap(folder, kafka, mongo, one, two)
            two.stop()
        everything_read(one)  # the rest takes as long as its timeouts
        stuck_is_seen(kafka, mongo, edge, one)
        unknown_is_absent(kafka, edge, one)
        edge.stop(), one.stop()


run(test)
