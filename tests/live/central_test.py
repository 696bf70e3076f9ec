"""A central applies events correctly; what it cannot read becomes a dead letter. Anything that is
missing or wrong is reported in one line, in its diagnostics and in /status. It stops in time.
"""
import json
import os
import re
import subprocess
import time

from central_process import Central, Feed, check_orders, check_sums, everything_read
from kafka_service import TOPIC, Kafka, Mongo, kafka_name, mongo_name, part
from tillbox_e2e import check, eventually, run, scratch

TOPICS = ("--create-topics",)


def stop_in_time(central):
    began = time.monotonic()
    central.stop()
    check(time.monotonic() - began < 5, f"{central.name} took 5 s to stop")


def projects(folder, kafka, mongo):
    with Central(folder, "one", kafka.address, mongo.uri, *TOPICS) as central:
        feed = Feed(kafka.address, orders=1500, repeat=3, seed=11).finish()
        everything_read(central)
        check_orders(central, feed.expected)
        check_sums(central, mongo)
        check(central.status()["deadLetters"] == 0, f"dead letters: {central.status()}")
        check(central.nodes()["till1"]["epochs"][0]["holes"] == [], "there are holes")
        check(mongo.given or "standalone" in central.diagnostics(),
              "nothing warns of a standalone server")
        stop_in_time(central)
    return feed.expected


def goes_on_where_it_was(folder, kafka, mongo, expected):
    """A restart reads no event twice, and reports dead letters once."""
    with Central(folder, "two", kafka.address, mongo.uri) as central:
        feed = Feed(kafka.address, orders=300, lost=10, poison=20, seed=12).finish()
        everything_read(central)
        expected = expected | feed.expected
        check_orders(central, expected)
        letters = central.status()["deadLetters"]
        check(letters >= 20, f"{letters} dead letters")
        origins = {(one["partition"], one["offset"])
                   for one in mongo.command({"find": "dead_letters", "filter": {}})}
        check(len(origins) == letters, f"{len(origins)} letters kept, {letters} told")
        check(len(kafka.records(f"{TOPIC}.DLT")) == letters,
              f"{len(kafka.records(f'{TOPIC}.DLT'))} letters in the topic, not {letters}")
        metrics = central.ask("GET", "/metrics").body.decode()
        check(f"tillbox_dead_letters {letters}\n" in metrics, "the metric tells others")
        stop_in_time(central)
    with Central(folder, "three", kafka.address, mongo.uri) as central:
        everything_read(central)
        check('events_total{result="applied"} 0' in central.ask("GET", "/metrics").body.decode(),
              "something was applied again")
        stop_in_time(central)


def a_flood_harms_nobody(folder, kafka, mongo):
    """Records that no node sent and nobody can read: some are kept, all are counted, and the events
    among them are read."""
    database = mongo_name("flood")
    with Central(folder, "flood", kafka.address, mongo.uri, "--kafka-group", kafka_name("flood"),
                 "--mongo-database", database) as central:
        feed = Feed(kafka.address, orders=50, poison=400, seed=13).finish()
        everything_read(central)
        missing = feed.expected.keys() - central.orders().keys()
        check(not missing, f"{len(missing)} orders are missing")
        metrics = central.ask("GET", "/metrics").body.decode()
        left_out = int(re.search(r'events_total{result="left-out"} (\d+)', metrics)[1])
        letters = mongo.command({"find": "dead_letters", "filter": {"reason": "tillbox.decode"}},
                                database=database)
        check(left_out > 0 and len(letters) >= 100, f"{len(letters)} letters, {left_out} left out")
        check(central.ask("GET", "/readyz").status == 200, "what is there cannot be read")
        stop_in_time(central)


def says(central, text, seconds=30):
    eventually(lambda: text.lower() in central.status().get("problem", "").lower(),
               f"/status says {text!r}, not {central.status().get('problem')!r}", seconds)
    lines = eventually(lambda: [line for line in central.diagnostics().splitlines()
                                if text.lower() in line.lower()], f"a line says {text!r}")
    check(len(lines) <= 2, f"{len(lines)} lines say {text!r}")
    for line in lines:
        json.loads(line)


def wrong(folder, name, kafka, uri, text, *flags, **env):
    with Central(folder, name, kafka, uri, *flags, **env).start(ready=False) as central:
        says(central, text)
        check(central.ask("GET", "/livez").status == 200, "it is not alive")
        stop_in_time(central)


def everything_wrong(folder, kafka, mongo):
    nobody = "127.0.0.1:1"
    wrong(folder, "broker", nobody, mongo.uri, "Connection refused")
    wrong(folder, "mongo", kafka.address, f"mongodb://{nobody}", "No suitable servers")
    wrong(folder, "topic", kafka.address, mongo.uri, "nowhere is not there", "--kafka-topic",
          "nowhere")
    wrong(folder, "layout", kafka.address, mongo.uri, "has 6 partitions, not 7",
          "--kafka-partitions", "7")
    wrong(folder, "tls", kafka.address, mongo.uri, "SSL",
          TILLBOX_KAFKA_PROPERTIES_SECURITY_PROTOCOL="ssl")
    wrong(folder, "sasl", kafka.address, mongo.uri, "SASL",
          TILLBOX_KAFKA_PROPERTIES_SECURITY_PROTOCOL="sasl_plaintext",
          TILLBOX_KAFKA_PROPERTIES_SASL_MECHANISMS="PLAIN",
          TILLBOX_KAFKA_PROPERTIES_SASL_USERNAME="till",
          TILLBOX_KAFKA_PROPERTIES_SASL_PASSWORD="wrong")


@part
def comes_when_all_is_there(folder, kafka, mongo):
    """MongoDB starts after the central: the central needs no help."""
    mongo.kill()
    with Central(folder, "early", kafka.address, mongo.uri, "--kafka-group",
                 kafka_name("early"), "--mongo-database", "early").start(ready=False) as central:
        says(central, "No suitable servers")
        check(central.ask("GET", "/readyz").status == 503, "it is ready")
        check(central.ask("GET", "/orders").status == 503, "it lists orders")
        mongo.start()
        everything_read(central)
        check(central.ask("GET", "/readyz").status == 200, "it is not ready")
        stop_in_time(central)


def complaint(folder, *flags, **more):
    """Its diagnostics when it ends at once with status 2."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("TILLBOX_")}
    done = subprocess.run([os.environ["TILLBOX_CENTRAL"], *flags], text=True, cwd=folder,
                          env=env | more, capture_output=True, timeout=60)
    check(done.returncode == 2 and done.stdout == "", f"{flags}: {done}")
    return done.stderr


def ends_with_2(folder):
    kafka, mongo = ("--kafka-brokers", "a:1"), ("--mongo-uri", "mongodb://a")
    for text, said in (
            ("brokers", complaint(folder, *mongo)),
            ("uri", complaint(folder, *kafka)),
            ("URI", complaint(folder, *kafka, "--mongo-uri", "nonsense")),
            ("w=0", complaint(folder, *kafka, "--mongo-uri", "mongodb://a/?w=0")),
            ("readConcernLevel=local", complaint(folder, *kafka, "--mongo-uri",
                                                 "mongodb://a/?readConcernLevel=local")),
            ("--unknown", complaint(folder, *kafka, *mongo, "--unknown")),
            ("no.such.thing", complaint(folder, *kafka, *mongo,
                                        TILLBOX_KAFKA_PROPERTIES_NO_SUCH_THING="1"))):
        # The driver's own file, left by a killed process with the same process id.
        lines = [line for line in said.splitlines() if "malloc for counters" not in line]
        check(len(lines) == 1 and text in lines[0], f"{text} is not in one line: {said}")


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo:
        ends_with_2(folder)
        expected = projects(folder, kafka, mongo)
        goes_on_where_it_was(folder, kafka, mongo, expected)
        a_flood_harms_nobody(folder, kafka, mongo)
        everything_wrong(folder, kafka, mongo)
        comes_when_all_is_there(folder, kafka, mongo)


run(test)
