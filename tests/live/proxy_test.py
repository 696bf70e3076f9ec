"""The network between edge and broker, central and broker, central and MongoDB loses answers, cuts
connections after some bytes, and goes silent. The edges take orders all the time, and afterwards
every order is at the centre, once.
"""
import time

from central_process import Central, check_sums, everything_read, verify
from kafka_service import Kafka, Mongo
from proxy import Proxy
from shop import Seller, Watcher, all_delivered, till
from tillbox_e2e import check, eventually, run, scratch

# Short timeouts, so that the test meets silence more than once.
SESSION = {"TILLBOX_KAFKA_CONSUMER_SESSION_TIMEOUT_MS": "6000",
           "TILLBOX_KAFKA_CONSUMER_HEARTBEAT_INTERVAL_MS": "1000",
           "TILLBOX_KAFKA_CONSUMER_MAX_POLL_INTERVAL_MS": "15000",
           "TILLBOX_KAFKA_PROPERTIES_SOCKET_TIMEOUT_MS": "5000"}
MODES = (("swallow", 0), ("cut", 700), ("silent", 0), ("cut", 20000))


def sell_on(seller, seconds):
    before = seller.number
    time.sleep(seconds)
    eventually(lambda: seller.number > before, "the till sells on")


def disturb(seller, *proxies):
    for proxy in proxies:
        for mode, cut_after in MODES:
            proxy.set(mode, cut_after)
            sell_on(seller, 6)
            proxy.set("pass")
            sell_on(seller, 4)
        for mode, count in proxy.lost.items():
            check(count > 0, f"{mode} met nothing")


def load(folder, to_kafka, to_mongo, mongo):
    uri = f"mongodb://{to_mongo.address}/?socketTimeoutMS=5000"
    one = Central(folder, "one", to_kafka.address, uri, "--create-topics", **SESSION)
    two = Central(folder, "two", to_kafka.address, uri, **SESSION)
    with one, two, till(folder, "till1", to_kafka.address) as edge:
        with Seller(edge) as seller, Watcher([seller], [one, two]) as watcher:
            disturb(seller, to_kafka, to_mongo)
            orders = seller.finish()
            all_delivered(edge)
            everything_read(one, two)
            reads = watcher.finish()
        status, said = verify(one, edge)
        check(status == 0, f"verify ends with {status}:\n{said}")
        check(f"same\t{orders}\n" in said, f"{orders} orders were taken:\n{said}")
        check_sums(two, mongo)
        check(one.status()["deadLetters"] == 0, "there are dead letters")
        print(f"{orders} orders, {reads} reads; lost: {to_kafka.lost}, {to_mongo.lost}")


def test():
    with scratch() as folder, Proxy() as to_kafka, Proxy() as to_mongo:
        listeners = f"advertised.listeners=PLAINTEXT://{to_kafka.address}\n"
        with Kafka(folder / "kafka", listeners) as kafka, Mongo(folder / "mongo") as mongo:
            to_kafka.serve(kafka.address)
            to_mongo.serve(mongo.address)
            load(folder, to_kafka, to_mongo, mongo)


run(test)
