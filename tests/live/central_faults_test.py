"""Two centrals share the work while broker, database, edges and centrals are killed and frozen
under load. No order is lost, none counts twice, no version goes back, and `tillbox verify` finds
no difference. That holds too when a central is killed between its write to MongoDB and its commit
of the offset, and when a frozen central continues after the group has removed it.

TB_LIVE=full freezes each part for a minute and sells 20,000 orders.
"""
import os
import signal
import time

from central_process import SESSION, Central, Feed, check_sums, everything_read, verify
from kafka_service import Kafka, Mongo, mongo_name, part
from shop import Seller, Watcher, all_delivered, till
from tillbox_e2e import check, eventually, run, scratch


FULL = os.environ.get("TB_LIVE") == "full"
ORDERS = 20000 if FULL else 0  # orders, at least


def frozen(seconds):
    return 60 if FULL else seconds


def sell_for(seconds, *sellers):
    before = [seller.number for seller in sellers]
    time.sleep(seconds)
    eventually(lambda: all(seller.number > number for seller, number in zip(sellers, before)),
               "everybody sells on")


@part
def disturb_servers(kafka, mongo, *sellers):
    for server in (kafka, mongo):
        server.must_be_own("is killed")
    mongo.freeze()  # longer than the timeout of a query
    sell_for(frozen(12), *sellers)
    mongo.thaw()
    sell_for(3, *sellers)
    mongo.kill()
    sell_for(3, *sellers)
    mongo.start()
    sell_for(3, *sellers)
    kafka.freeze()
    sell_for(frozen(8), *sellers)
    kafka.thaw()
    sell_for(3, *sellers)
    kafka.kill()
    sell_for(2, *sellers)
    kafka.start()
    sell_for(5, *sellers)


def disturb(kafka, mongo, one, two, *sellers):
    for central in (one, two, one, two):
        sell_for(1.5, *sellers)
        central.kill()
        sell_for(1, *sellers)
        central.start(ready=False)
    disturb_servers(kafka, mongo, *sellers)
    one.process.send_signal(signal.SIGSTOP)
    everything_read_by(two)  # the group has removed it
    sell_for(frozen(1), *sellers)
    one.process.send_signal(signal.SIGCONT)
    sell_for(5, *sellers)
    disturb_edge(sellers[0].edge, *sellers)
    while sum(seller.number for seller in sellers) < ORDERS:
        sell_for(5, *sellers)


def disturb_edge(edge, *sellers):
    """The edge is killed. Its store has the outcome of the command that got no answer, and the
    edge continues from there."""
    edge.process.send_signal(signal.SIGSTOP)
    sell_for(frozen(3), *sellers[1:])
    edge.process.send_signal(signal.SIGCONT)
    sell_for(1, *sellers)
    edge.kill()
    edge.start()
    sell_for(2, *sellers)


def everything_read_by(central):
    eventually(lambda: len(central.status()["partitions"]) == 6,
               f"{central.name} takes over", pause=0.2)


def load(folder, kafka, mongo):
    one = Central(folder, "one", kafka.address, mongo.uri, "--create-topics", **SESSION)
    two = Central(folder, "two", kafka.address, mongo.uri, **SESSION)
    with one, two, till(folder, "till1", kafka.address) as here, \
            till(folder, "till2", kafka.address) as there:
        with Seller(here) as seller, Seller(there) as other, \
                Watcher([seller, other], [one, two]) as watcher:
            disturb(kafka, mongo, one, two, seller, other)
            seller.finish(), other.finish()
            all_delivered(here, there)
            everything_read(one, two)
            reads = watcher.finish()
        status, said = verify(one, here, there)
        check(status == 0, f"verify ends with {status}:\n{said}")
        taken = set(seller.orders + other.orders)  # the unanswered one may be done
        central_has = one.orders()
        check(taken <= central_has.keys(), f"{len(taken - central_has.keys())} orders are lost")
        check(f"same\t{len(central_has)}\n" in said, f"{len(central_has)} are there:\n{said}")
        check(len(central_has) <= seller.number + other.number, "more than were ever sent")
        check_sums(two, mongo)
        check(one.status()["deadLetters"] == 0, "there are dead letters")
        for name, node in one.nodes().items():
            check(all(epoch["holes"] == [] for epoch in node["epochs"]), f"{name}: {node}")
        print(f"{len(central_has)} orders, {reads} reads of them meanwhile")
        leaves_at_once(one, two)


def leaves_at_once(one, two):
    """After SIGTERM a central leaves the group, so that the other one takes over before the
    session ends."""
    one.stop()
    began = time.monotonic()
    everything_read_by(two)
    check(time.monotonic() - began < 5, "the other one waited")
    two.stop()


@part
def killed_between(folder, kafka, mongo):
    """The broker freezes while the central writes to MongoDB. When the central dies, none of this
    is committed."""
    kafka.must_be_own("is frozen")
    feed = Feed(kafka.address, orders=1500, seed=21, node="till9").finish()
    database = mongo_name("between")
    options = ("--kafka-group", "between", "--mongo-database", database)
    central = Central(folder, "between", kafka.address, mongo.uri, *options, **SESSION)

    def written():
        return mongo.command({"count": "orders"}, database)[0]["n"]

    with central:
        eventually(lambda: written() > 0, "something is written")
        kafka.freeze()
        before = -1
        while before != written():  # everything it has fetched
            before = written()
            time.sleep(1)
        central.kill()
        kafka.thaw()
        central.start()
        everything_read(central)
        metrics = central.ask("GET", "/metrics").body.decode()
        check('events_total{result="duplicate"} 0' not in metrics, "everything was committed")
        orders = central.orders()
        mine = {key: order for key, order in orders.items() if key in feed.expected}
        check(len(mine) == len(feed.expected), f"{len(mine)} of {len(feed.expected)} orders")
        for key, (version, document) in feed.expected.items():
            check(mine[key] == document, f"{key}: {mine[key]} is not {document}")
        central.stop()


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo:
        load(folder, kafka, mongo)
        killed_between(folder, kafka, mongo)


run(test)
