"""Promise: events can be applied again at any time. Two centrals read the whole topic three times
more, and parts of it, and one of them is killed meanwhile; then the edges' events arrive again as
new records. Every collection stays as it was, byte for byte.
Method: the view's own places in the log are set back; feed_events sends the same events again.
"""
import json
import re

from central_process import (BROKER_OF_SHORT_SESSIONS, SHORT_SESSION, Central, Feed, check_orders,
                             check_sums, everything_read)
from kafka_service import TOPIC, Kafka, Mongo
from tillbox_e2e import check, eventually, run, scratch

EVERYTHING = 1000000
CLEAN = {"orders": 700, "repeat": 3, "seed": 31}
# Some orders lose an event, so that later ones die of a gap; some records are no events.
SPOILT = {"orders": 300, "lost": 10, "poison": 20, "seed": 32, "node": "till2"}


def contents(mongo, *but):
    """Every collection as text, a line for each document, without the named fields, without the
    number of centrals that have read a partition so far, and without the places in the log."""
    names = [one["name"] for one in mongo.command({"listCollections": 1})
             if not one["name"].startswith("system.") and one["name"] != "positions"]
    return {name: [json.dumps({key: value for key, value in document.items() if key not in but},
                              sort_keys=True)
                   for document in mongo.command({"find": name, "filter": {}, "sort": {"_id": 1}})
                   if document["_id"] != "fence"]
            for name in names}


def check_same(before, after, when):
    check(before.keys() == after.keys(), f"{when}: collections {sorted(after)}")
    for name, documents in before.items():
        check(len(documents) == len(after[name]),
              f"{when}: {name} had {len(documents)} documents, and has {len(after[name])}")
        for old, new in zip(documents, after[name]):
            check(old == new, f"{when}: in {name}\n{old}\nis now\n{new}")


def again(central):
    """The number of events that the view already had."""
    text = central.ask("GET", "/metrics").body.decode()
    return int(re.search(r'events_total\{result="duplicate"\} (\d+)', text)[1])


def set_back(mongo, records):
    for place in mongo.command({"find": "positions", "filter": {"feeds": "orders"}}):
        number = str(max(0, place["next"] - records))
        mongo.command({"update": "positions", "updates": [{"q": {"_id": place["_id"]}, "u": {
            "$set": {"next": {"$numberLong": number}, "lastOffset": {"$numberLong": "-1"}}}}]})


def read_again(mongo, one, two, records):
    """Both centrals read so many records of each partition again. The first one is killed and
    starts again."""
    for central in (one, two):
        central.stop()
    set_back(mongo, records)
    for central in (one, two):
        central.start(ready=False)
    first = eventually(lambda: next((one for one in (one, two) if again(one)), None),
                       "something is read again")
    first.kill()
    first.start(ready=False)
    everything_read(one, two)


def sent_again(kafka, one, two, **more):
    """The same events as new records, as edges that lost their cursors would send."""
    before = len(kafka.records(TOPIC))
    sent = Feed(kafka.address, **(CLEAN | more)).finish().sent
    check(len(kafka.records(TOPIC)) == before + sent > before, "nothing was sent")
    everything_read(one, two)


def test():
    with scratch() as folder, Kafka(folder / "kafka", BROKER_OF_SHORT_SESSIONS) as kafka, \
            Mongo(folder / "mongo") as mongo:
        one = Central(folder, "one", kafka.address, mongo.uri, "--create-topics", **SHORT_SESSION)
        two = Central(folder, "two", kafka.address, mongo.uri, **SHORT_SESSION)
        with one, two:
            expected = Feed(kafka.address, **CLEAN).finish().expected
            everything_read(one, two)
            # New records have later timestamps; everything else stays.
            before = contents(mongo, "lastReceivedAt")
            sent_again(kafka, one, two)
            sent_again(kafka, one, two, **{"from": 60})
            check_same(before, contents(mongo, "lastReceivedAt"), "sent again")

            expected |= Feed(kafka.address, **SPOILT).finish().expected
            everything_read(one, two)
            check(one.status()["deadLetters"] > SPOILT["poison"], "no letters to read again")
            before = contents(mongo)
            for records in (EVERYTHING, 200, EVERYTHING, EVERYTHING):
                read_again(mongo, one, two, records)
                check_same(before, contents(mongo), f"{records} read again")
            check_orders(two, expected)
            check_sums(one, mongo)
            one.stop(), two.stop()


run(test)
