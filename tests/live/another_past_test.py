"""Promise: the centre is never silently wrong about its log or its database. MongoDB is put back to
an old dump, and dropped under a running central; the topic is made anew, shorter than it was read
and then longer. Each time the central says that it reads another generation, and in the end it has
every order once.
"""
import re

from central_process import Central, Feed, check_orders, check_sums, everything_read
from kafka_service import TOPIC, TOPICS, Kafka, Mongo
from tillbox_e2e import check, eventually, run, scratch

ORDERS = 120


def feed(kafka, seed):
    return Feed(kafka.address, orders=ORDERS, seed=seed, node=f"till{seed}").finish().expected


def generation(central):
    """The highest of the partitions' generations."""
    text = central.ask("GET", "/metrics").body.decode()
    return max([int(found) for found in
                re.findall(r'tillbox_log_generation\{[^}]*\} (\d+)', text)], default=0)


def has_all(central, mongo, expected, what):
    eventually(lambda: len(central.orders()) == len(expected), what, 90, pause=0.5)
    everything_read(central)
    check_orders(central, expected)
    check_sums(central, mongo)
    status = central.status()
    check(status["deadLetters"] == 0, f"{what}: {status}")


def dump(mongo):
    names = [one["name"] for one in mongo.command({"listCollections": 1})
             if not one["name"].startswith("system.")]
    return {name: mongo.command({"find": name, "filter": {}}) for name in names}


def put_back(mongo, collections):
    """As mongorestore --drop does, with the central stopped."""
    mongo.command({"dropDatabase": 1})
    for name, documents in collections.items():
        for at in range(0, len(documents), 50):
            mongo.command({"insert": name, "documents": documents[at:at + 50]})


def make_anew(kafka, central):
    central.stop()
    kafka.tool(TOPICS, "--delete", "--topic", TOPIC)
    eventually(lambda: TOPIC not in kafka.tool(TOPICS, "--list").split(), "the topic is gone", 60)
    kafka.tool(TOPICS, "--create", "--topic", TOPIC, "--partitions", "6")


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            Central(folder, "hq", kafka.address, mongo.uri, "--create-topics") as central:
        expected = feed(kafka, 1)
        has_all(central, mongo, expected, "the first orders")
        check(generation(central) == 1, f"generation {generation(central)}")
        old = dump(mongo)
        expected |= feed(kafka, 2)
        has_all(central, mongo, expected, "more orders")

        central.stop()
        put_back(mongo, old)
        central.start()
        has_all(central, mongo, expected, "what came after the dump")

        mongo.command({"dropDatabase": 1})
        has_all(central, mongo, expected, "all orders after the drop")
        check(generation(central) > 1, "the central does not say that it reads again")

        # The tills send again what the topic has lost, in another order, and more.
        make_anew(kafka, central)
        before = generation_in(central)
        feed(kafka, 2)
        central.start()
        eventually(lambda: generation(central) > before, "a shorter log is another generation", 60)
        feed(kafka, 1)
        has_all(central, mongo, expected, "all orders from the new topic")

        make_anew(kafka, central)
        before = generation_in(central)
        expected |= feed(kafka, 3)
        feed(kafka, 1), feed(kafka, 2)
        expected |= feed(kafka, 4)
        central.start()
        eventually(lambda: generation(central) > before, "a longer log is another generation", 60)
        has_all(central, mongo, expected, "all orders from the newest topic")
        check("log.generation" in central.diagnostics(), "the diagnostics do not say it")
        central.stop()


def generation_in(central):
    """The highest one that the diagnostics name."""
    return max([int(found) for found in
                re.findall(r"generation (\d+) of", central.diagnostics())], default=1)


run(test)
