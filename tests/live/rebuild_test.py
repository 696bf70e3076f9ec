"""Rebuilds the centrals' view in MongoDB while two tills sell and two centrals serve and apply
events. No read fails, and none goes back. Differences are listed and prevent the switch unless
they are accepted. The previous view can be served again. If the central that rebuilds is killed,
the served view stays and the other central ends the job. A job is cancelled through the other
central. While MongoDB is down the job says so and reads are refused; then it continues by itself
with the view that it was filling. In the end `tillbox verify` finds every order of both tills.
"""
import os
import random
import subprocess
import time

from central_process import SESSION, Central, check_sums, everything_read, verify
from kafka_service import Kafka, Mongo, part, with_options
from shop import Seller, Worker, all_delivered, till
from tillbox_e2e import Failed, check, eventually, run, scratch

# A server in Java that reads a whole collection for a page of it, and sanitized centrals: the test
# sells few, before the rebuilds and during them.
BEFORE, RATE_BEFORE, RATE, KILLS = 150, 15, 4, 3
READ_PAUSE_SECONDS = 0.02  # a rebuild has what orders and reads leave of the processors
PARTITIONS = 8  # more than the limit of a node's own log
AWAY_SOON = "socketTimeoutMS=5000&serverSelectionTimeoutMS=2000"  # the test waits for it twice
TRIES = 5
ENDS = ("done", "failed", "rolled-back", "cancelled", "none")


class Reader(Worker):
    """Reads orders and sums at both centrals. Nothing goes back, and nothing fails except, while
    MongoDB may be down, with 503."""

    def __init__(self, sellers, centrals, seed, may_be_away=False):
        super().__init__()
        self.sellers, self.centrals, self.random = sellers, centrals, random.Random(seed)
        self.seen, self.sums, self.reads, self.wrong = {}, 0, 0, []
        self.may_be_away, self.refused = may_be_away, 0

    def is_refused(self, reply):
        refused = self.may_be_away and reply.status == 503
        self.refused += refused
        return refused

    def read_order(self, central, client):
        orders = [order for seller in self.sellers for order in seller.orders[-300:]]
        if not orders:
            return
        order = self.random.choice(orders)
        reply = client.ask("GET", f"/orders/{order}")
        if self.is_refused(reply):
            return
        version = reply.json()["version"] if reply.status == 200 else 0
        if reply.status not in (200, 404) or version < self.seen.get(order, 0):
            self.wrong.append(f"{order} at {central.name}, seen at {self.seen.get(order)}: {reply}")
        self.seen[order] = max(version, self.seen.get(order, 0))

    def read_sums(self, central, client):
        reply = client.ask("GET", "/orders/stats")
        if self.is_refused(reply):
            return
        check(reply.status == 200, f"no sums at {central.name}: {reply}")
        count = sum(total["orders"] for total in reply.json()["totals"])
        if count < self.sums:
            self.wrong.append(f"{self.sums} orders, then {count} at {central.name}")
        self.sums = count

    def run(self):
        clients = [(central, central.client().__enter__()) for central in self.centrals]
        try:
            while not self.stopping.is_set():
                central, client = self.random.choice(clients)
                self.read_order(central, client)
                if self.reads % 40 == 0:
                    self.read_sums(central, client)
                self.reads += 1
                self.stopping.wait(READ_PAUSE_SECONDS)
        except Exception as error:
            self.wrong.append(f"a read failed: {error!r}")

    def finish(self):
        self.__exit__()
        check(not self.wrong, f"{len(self.wrong)} reads were wrong, such as {self.wrong[:2]}")
        return self.reads


def get(central):
    reply = central.ask("GET", "/rebuild")
    check(reply.status == 200, reply)
    return reply.json()


def start(central, body=None):
    reply = central.ask("POST", "/rebuild", body)
    check(reply.status == 202, reply)


def ended(central, seconds=300):
    try:
        return eventually(lambda: (got := get(central))["state"] in ENDS and got,
                          "the rebuild ends", seconds, 0.1)
    except Failed as late:
        raise Failed(f"{late}: {get(central)}") from None


def meta(mongo, name):
    return mongo.command({"find": "meta", "filter": {"_id": name}})[0]


def served(mongo):
    return meta(mongo, "served")


def start_refused_beside(mongo, at, beside, body):
    """While `at` rebuilds, `beside` refuses to. If the job had ended by the time it was asked, its
    own one was taken: this ends, and all is tried again. Returns what was served before."""
    for _ in range(TRIES):
        before = served(mongo)
        start(at, body)
        asked = beside.ask("POST", "/rebuild")
        if asked.status != 202:
            check(asked.status == 409 and at.name in asked.json()["detail"], asked)
            return before
        check(ended(beside)["state"] == "done", get(beside))
    raise Failed(f"{TRIES} times it had ended before anybody could ask")


def rebuild_while_selling(mongo, sellers, one, other):
    """Each central rebuilds in turn. The other one refuses meanwhile, and shows the progress."""
    readers = [Reader(sellers, [one, other], seed) for seed in (1, 2)]
    for reader in readers:
        reader.start()
    for at, beside, body, wanted in (
            (one, other, None, "done"), (other, one, None, "done"),
            (one, other, {"rollback": True}, "rolled-back")):
        before = start_refused_beside(mongo, at, beside, body)
        got = ended(at)
        check(got["state"] == wanted and not got["differences"], got)
        generation = before["previous"] if body else before.get("generation", 1) + 1
        check(got["generation"] == generation, f"{got} after {before}")
        eventually(lambda: (seen := get(beside)).get("owner") == at.name and
                   seen["state"] == wanted and seen["generation"] == generation,
                   f"{beside.name} shows it")
        check(served(mongo)["orders"] == f"orders_{generation}", served(mongo))
        print(f"{got['state']}: {got['events']} events, generation {got['generation']}")
    print(f"{sum(reader.finish() for reader in readers)} reads")


def command(central, *flags):
    env = {key: value for key, value in os.environ.items() if not key.startswith("TILLBOX")}
    done = subprocess.run([os.environ["TILLBOX"], "rebuild", "--url", central.url, *flags],
                          text=True, capture_output=True, env=env, timeout=180)
    return done.returncode, done.stdout + done.stderr


def differences_stop_it(mongo, central):
    orders = served(mongo)["orders"]
    found = mongo.command({"find": orders, "filter": {}, "limit": 1, "singleBatch": True})[0]
    mongo.command({"update": orders, "updates": [
        {"q": {"_id": found["_id"]}, "u": {"$set": {"source": "ELSEWHERE"}}}]})
    status, said = command(central, "--wait")
    check(status == 1 and found["_id"] in said, f"it ends with {status}:\n{said}")
    check(served(mongo)["orders"] == orders, "it was swapped all the same")
    status, said = command(central, "--wait", "--accept")
    check(status == 0, f"it ends with {status}:\n{said}")
    check(served(mongo)["orders"] != orders, "it was not swapped")
    seen = central.ask("GET", f"/orders/{found['_id']}").json()
    check(seen["source"] != "ELSEWHERE", seen)


def cancelled_through_another(mongo, at, other):
    """If the job had ended by the time it was cancelled, all is tried again."""
    for _ in range(TRIES):
        before = served(mongo)
        start(at)
        status, said = command(other, "--cancel")
        if status == 0:
            check("cancelled\t" in said, said)
            eventually(lambda: get(at)["state"] == "cancelled", f"{at.name} says so")
            check(served(mongo)["orders"] == before["orders"], served(mongo))
            return
        check("had ended before" in said or "no rebuild is under way" in said, said)
        check(ended(at)["state"] == "done", get(at))
    raise Failed(f"{TRIES} times it had ended before it was cancelled")


def killed_in_the_middle(mongo, centrals):
    """Kills the central at a random moment: the other one ends the job, or the job had ended."""
    for kill in range(KILLS):
        one, other = centrals[kill % 2], centrals[1 - kill % 2]
        eventually(lambda: other.ask("GET", "/readyz").status == 200, "it is back since its kill")
        before = served(mongo).get("generation", 1)
        start(one)
        time.sleep(random.Random(kill).uniform(0.2, 1.5))
        one.kill()
        check(other.ask("GET", "/orders?limit=1").status == 200, "nothing is served")
        one.start(ready=False)
        got = eventually(lambda: not (job := meta(mongo, "rebuild"))["running"] and job,
                         "somebody ends it", 300, 0.2)
        check(got["state"] == "done", got)
        check(served(mongo).get("generation", 1) > before, served(mongo))
        print(f"killed and ended: generation {served(mongo)['generation']}")


def shown(one, other):
    """The central that rebuilds ends the job, or the other one if the first one's heartbeat stops.
    """
    got = get(one)
    return get(other) if got.get("owner") == other.name else got


def away_in_the_middle(mongo, one, other, reader):
    """MongoDB is frozen for longer than the timeout of a query, then killed and started again; each
    time it comes back once a read was refused. False: the rebuild ended before MongoDB was away."""
    before, at = served(mongo)["generation"], 0
    start(one)
    for leave, come_back in ((mongo.freeze, mongo.thaw), (mongo.kill, mongo.start)):
        eventually(lambda: (got := shown(one, other))["events"] > at or got["state"] == "done",
                   "it fills")
        refused = reader.refused
        leave()
        got = eventually(lambda: ("MongoDB" in (got := shown(one, other)).get("problem", "") or
                                  got["state"] == "done") and got,
                         "it says what is in its way", pause=0.1)
        if got["state"] == "done":
            come_back()
            return False
        check(got["state"] not in ENDS, f"it ends with that: {got}")
        at = got["events"]
        eventually(lambda: reader.refused > refused, "a read is refused", pause=0.1)
        come_back()
        print(f"MongoDB was away while {got['state']} at {at} of {got['total']}")
    got = eventually(lambda: not (job := meta(mongo, "rebuild"))["running"] and job,
                     "somebody ends it", 300, 0.1)
    check(got["state"] == "done", got)
    now = served(mongo)
    check((now["generation"], now["previous"]) == (before + 1, before), f"it began anew: {now}")
    return True


@part
def mongo_is_away(mongo, sellers, one, other):
    """The rebuild continues by itself, and no read is wrong."""
    mongo.must_be_own("is frozen and killed")
    for seller in sellers:
        seller.rate = 3  # orders that are sold meanwhile are applied before the switch
    with Reader(sellers, [one, other], 3, may_be_away=True) as reader:
        check(any(away_in_the_middle(mongo, one, other, reader) for _ in range(TRIES)),
              f"{TRIES} times it had ended before MongoDB was away")
        reads = reader.finish()
    print(f"{reads} reads, {reader.refused} of them refused")
    for seller in sellers:
        seller.rate = RATE


def nothing_is_left(mongo):
    """Only the served view and the previous one remain."""
    now = served(mongo)
    kept = {f"orders_{now['generation']}", f"orders_{now['previous']}"}
    names = {row["name"] for row in mongo.command({"listCollections": 1})}
    there = {name for name in names if name == "orders" or name.startswith("orders_")}
    check(there == kept and "hold" not in now, f"{there}, {now}")


def test():
    topics = {"TILLBOX_KAFKA_PARTITIONS": str(PARTITIONS)}
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            Central(folder, "hq1", kafka.address, with_options(mongo.uri, AWAY_SOON), "--create-topics",
                    **SESSION, **topics) as one, \
            Central(folder, "hq2", kafka.address, with_options(mongo.uri, AWAY_SOON), "--create-topics",
                    **SESSION, **topics) as other, \
            till(folder, "till1", kafka.address, **topics) as here, \
            till(folder, "till2", kafka.address, **topics) as there:
        sellers = [Seller(edge, RATE_BEFORE) for edge in (here, there)]
        with sellers[0], sellers[1]:
            eventually(lambda: all(seller.number > BEFORE for seller in sellers), "they sell")
            for seller in sellers:
                seller.rate = RATE
            rebuild_while_selling(mongo, sellers, one, other)
            differences_stop_it(mongo, other)
            mongo_is_away(mongo, sellers, one, other)
            cancelled_through_another(mongo, one, other)
            killed_in_the_middle(mongo, [one, other])
        print(f"{sum(seller.finish() for seller in sellers)} orders")
        all_delivered(here, there)
        everything_read(one, other, partitions=PARTITIONS)
        for central in (one, other):
            status, said = verify(central, here, there)
            check(status == 0, f"it ends with {status}:\n{said}")
        check_sums(one, mongo, served(mongo)["sales_by_day"])
        nothing_is_left(mongo)
        for process in (one, other, here, there):
            process.stop()


run(test)
