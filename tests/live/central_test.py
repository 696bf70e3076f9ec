"""A central makes of the events what they say, tells of it, and ends when it is asked to."""
import time

from central_process import Central, Feed, check_orders, check_sums, everything_read
from kafka_service import Kafka, Mongo
from tillbox_e2e import check, eventually, run, scratch


def projects(folder, kafka, mongo):
    with Central(folder, "one", kafka.address, mongo.uri, "--create-topics") as central:
        feed = Feed(kafka.address, orders=2000, repeat=3).finish()
        everything_read(central)
        check_orders(central, feed.expected)
        check_sums(central)
        check(central.status()["deadLetters"] == 0, f"dead letters: {central.status()}")
        began = time.monotonic()
        central.stop()
        check(time.monotonic() - began < 5, "it took 5 s to stop")


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo:
        projects(folder, kafka, mongo)


run(test)
