"""Places an order at a till, then reads it with minVersion at one of two centrals, whichever
applied it. The answer is never older than minVersion; while the link is down it is 202, not an old
order. 1,000 times; with TB_LIVE=full 10,000 times.
"""
import os

from central_process import Central, everything_read
from kafka_service import Kafka, Mongo
from read_writes import read_what_is_written
from shop import till
from tillbox_e2e import run, scratch

ORDERS = 10000 if os.environ.get("TB_LIVE") == "full" else 1000


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            Central(folder, "one", kafka.address, mongo.uri, "--create-topics") as one, \
            Central(folder, "two", kafka.address, mongo.uri) as two, \
            till(folder, "till1", kafka.address) as edge:
        everything_read(one, two)
        read_what_is_written(edge, [one, two], up_s=5, down_s=0.1, orders=ORDERS)
        edge.stop(), one.stop(), two.stop()


run(test)
