"""Promise: a centre of the former build, which stored no positions and no id of the view, is opened
by this one. It says so, reads on where the group had read to, and ends equal to a centre that has read
everything itself; dead letters that the former build left can be sent again, and a rebuild finds no
difference.
Method: former_build/ has what the build of commit 9c3900b left: two tills, orders of three days,
open dead letters and a dropped one, heartbeats, and a rebuild. order-events.tsv ends with events that it
has not read. The same documents are loaded once more as if no rebuild had been.
"""
import csv
import json
import pathlib

from central_process import Central, check_sums, everything_read
from kafka_service import (DATABASE, GROUP, TOPIC, TOPICS, Kafka, Mongo, kafka_name, mongo_name,
                           put_records)
from tillbox_e2e import check, eventually, rebuild_ended, run, scratch

FOLDER = pathlib.Path(__file__).resolve().parent / "former_build"
# A former central that was killed had written more than its group had committed, and had counted
# some orders in their days that it had not written.
READ_AGAIN = 5
ANY_TIME = ("retention.ms=-1", "message.timestamp.after.max.ms=9223372036854775807")
# The business day of the former central, and letters that stay whenever the test runs.
SETTINGS = {"TZ": "UTC", "TILLBOX_RETENTION_DEAD_LETTERS": "forever"}


def rows(name):
    return (FOLDER / name).read_text().splitlines()


def make_topic(kafka, topic, partitions, *configs):
    kafka.tool(TOPICS, "--create", "--topic", topic, "--partitions", str(partitions),
               *(part for config in configs for part in ("--config", config)))


def fill_topics(kafka):
    """As the former build created them, with the sender's times."""
    make_topic(kafka, TOPIC, 6, *ANY_TIME)
    make_topic(kafka, f"{TOPIC}.DLT", 6)
    make_topic(kafka, "node-status", 1, "cleanup.policy=compact", *ANY_TIME)
    make_topic(kafka, "projection-ready", 1)
    put_records(kafka.address, TOPIC, rows("order-events.tsv"))
    put_records(kafka.address, "node-status", rows("node-status.tsv"))


def commit_offsets(folder, kafka, group):
    """What the group had committed, or a little less."""
    name = {"order-events": TOPIC, "tillbox-central": group,
            "tillbox-central-nodes": f"{group}-nodes"}
    for read_by in ("tillbox-central", "tillbox-central-nodes"):
        wanted = [(name.get(topic, topic), partition, max(0, offset - READ_AGAIN))
                  for topic, partition, offset in offsets(read_by)]
        path = folder / f"{name[read_by]}.csv"
        with path.open("w", newline="") as out:
            csv.writer(out).writerows(wanted)
        kafka.tool(kafka.GROUPS, "--group", name[read_by], "--reset-offsets", "--from-file",
                   str(path), "--execute")


def offsets(read_by):
    """(topic, partition, offset) that the group had committed."""
    found = (row.split("\t") for row in rows("offsets.tsv"))
    return [(topic, int(partition), int(offset)) for group, topic, partition, offset in found
            if group == read_by]


def orders_read_again():
    """Those of which the former central had read nothing before what is read again."""
    events, read, before = {}, set(), set()
    for row in rows("order-events.tsv"):
        partition, _, order, *_ = row.split("\t")
        events.setdefault(int(partition), []).append(order)
    for _, partition, end in offsets("tillbox-central"):
        begin = max(0, end - READ_AGAIN)
        before |= set(events[partition][:begin])
        read |= set(events[partition][begin:end])
    return read - before


def load_documents(mongo, database, rename):
    missing = orders_read_again()
    check(len(missing) > 3, f"every order was written: {missing}")
    for line in rows("collections.jsonl"):
        one = json.loads(line.replace('"order-events', f'"{TOPIC}'))
        collection = rename(one["collection"], one["document"])
        is_order = one["collection"].startswith("orders")
        if collection and not (is_order and one["document"]["_id"] in missing):
            mongo.command({"insert": collection, "documents": [one["document"]]}, database)


def as_it_was(collection, _):
    return collection


def never_rebuilt(collection, document):
    """The collection, or None: the document is left out."""
    if collection == "meta" and document["_id"] == "served":
        for name in set(document) - {"_id", "orders", "sales_by_day"}:
            del document[name]
        document |= {"orders": "orders", "sales_by_day": "sales_by_day"}
    elif collection == "meta" and document["_id"] != "fence":
        return None
    base = collection.removesuffix("_2")
    return None if base == collection and base in ("orders", "sales_by_day") else base


# The former build had no sums by status; a rebuild makes them.
STATUS_SUMS = {"shipped", "shippedReturns", "shippedMinor", "cancelledReturns", "statuses"}


def days(mongo, central):
    served = mongo.command({"find": "meta", "filter": {"_id": "served"}}, central.database)[0]
    return {day["_id"]: {name: value for name, value in day.items()
                         if name not in STATUS_SUMS | {"parts", "changes"}}
            for day in mongo.command({"find": served["sales_by_day"], "filter": {}},
                                     central.database)}


def nodes(central):
    """Without the offset of its clock, which only a central that was watching knows."""
    return {name: {key: value for key, value in node.items() if key != "clockOffsetMs"}
            for name, node in central.nodes().items()}


def letters(central):
    page = central.ask("GET", "/dead-letters").json()["deadLetters"]
    return {one["id"].rpartition(TOPIC)[2]:
            [one.get(key) for key in ("reason", "orderId", "type", "status", "attempts", "value")]
            for one in page}


def check_equal(mongo, central, fresh, when):
    for what, read in (("orders", lambda one: one.orders()), ("nodes", nodes),
                       ("days", lambda one: days(mongo, one)),
                       ("sums", lambda one: one.ask("GET", "/orders/stats").json()["totals"])):
        found, wanted = read(central), read(fresh)
        check(found == wanted, f"{central.name}, {when}: {what}\n{json.dumps(found, indent=1)}\n"
              f"and from the log\n{json.dumps(wanted, indent=1)}")
    check(len(fresh.orders()) > 20 and len(days(mongo, fresh)) > 5, "there is nothing to compare")


def check_letters(central, fresh):
    """The former central has dropped one, which the other has never dropped."""
    found, wanted = letters(central), letters(fresh)
    dropped = [one for one, row in found.items() if row[3] == "dropped"]
    check(len(dropped) == 1 and len(wanted) == 6, f"{found}")
    wanted[dropped[0]][3] = "dropped"
    check(found == wanted, f"{central.name} has the dead letters {found}, not {wanted}")


def check_told(central):
    lines = [json.loads(line) for line in central.diagnostics().splitlines()]
    told = [one["message"] for one in lines if one["event"] == "log.place"]
    check(len(told) == 6 and all("an earlier build" in one for one in told),
          f"{central.name} tells {told}")


def mend_letters(central, others):
    """Each damaged event lacks its first byte. What waits for it follows."""
    page = central.ask("GET", "/dead-letters?status=open").json()["deadLetters"]
    bad = [one for one in page if one["reason"] == "tillbox.decode"]
    check(len(bad) == 2 and len(page) == 5, f"{page}")
    for one in bad:
        reply = central.ask("POST", f"/dead-letters/{one['id']}/replay",
                            {"value": "{" + one["value"]})
        check(reply.status in (200, 202), f"{reply}")
    for one in bad:
        for process in [central, *others]:
            path = f"/orders/{one['orderId']}?minVersion=3"
            eventually(lambda: process.ask("GET", path).status == 200,
                       f"{process.name} has all of {one['orderId']}", pause=0.2)


def rebuild(central):
    reply = central.ask("POST", "/rebuild")
    check(reply.status == 202, f"{reply}")
    got = rebuild_ended(central)
    check(got["state"] == "done" and not got["differences"], f"{central.name}: {got}")


def former(folder, kafka, mongo, name, rename):
    database, group = mongo_name(name), kafka_name(name)
    load_documents(mongo, database, rename)
    commit_offsets(folder, kafka, group)
    central = Central(folder, name, kafka.address, mongo.uri, "--kafka-group", group,
                      "--mongo-database", database, **SETTINGS)
    central.database = database
    return central


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo:
        fill_topics(kafka)
        was, never = (former(folder, kafka, mongo, rename.__name__.replace("_", "-"), rename)
                      for rename in (as_it_was, never_rebuilt))
        fresh = Central(folder, "fresh", kafka.address, mongo.uri, **SETTINGS)
        fresh.database = DATABASE
        with was, never, fresh:
            for central in (was, never, fresh):
                everything_read(central)
            check_sums(fresh, mongo)
            for central in (was, never):
                check_told(central)
                check_equal(mongo, central, fresh, "opened")
                check_letters(central, fresh)
            mend_letters(was, [never, fresh])
            for central in (was, never, fresh):
                everything_read(central)
            for central in (was, never):
                check_equal(mongo, central, fresh, "mended")
                rebuild(central)
                check_equal(mongo, central, fresh, "rebuilt")
            for central in (was, never, fresh):
                central.stop()


run(test)
