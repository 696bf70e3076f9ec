"""Promise: a record in Kafka that cannot be read becomes a dead letter at the centre. Later events
of its order wait, everything else continues. `tillbox dlq` at any central sends it again, the
waiting events follow, and in the end the view equals the stores of the tills, also when the
central that reads is killed or dead letters are sent twice. An event of a type that this build
does not know is no dead letter: it raises its order's version and is counted and logged, and
nothing waits.
Method: events are damaged, or get another type, in the outbox of a stopped till, so that its
orders stay intact.
"""
import json
import os
import subprocess
import time

from central_process import Central, check_sums, everything_read, verify
from kafka_service import TOPIC, Kafka, Mongo
from shop import all_delivered, spoil, till
from tillbox_e2e import (ADDRESS, change_db, check, check_unknown_told, eventually, order_body, run,
                         scratch, sell_moved, sell_shipped)

ORDERS = 24
UNKNOWN, UNKNOWN_EVENTS = "OrderAddressWrapped.v1", 6
NEEDED_NO_MORE = "409 Conflict: the dead letter was replayed: it is needed no more"
FOLLOW_SECONDS = 30  # The reason of each kind of damage.


def try_dlq(central, *args, stdin=""):
    env = {key: value for key, value in os.environ.items() if not key.startswith("TILLBOX")}
    return subprocess.run([os.environ["TILLBOX"], "dlq", *args, "--url", central.url], text=True,
                          input=stdin, env=env, capture_output=True, timeout=120)


def dlq(central, *args, stdin=""):
    done = try_dlq(central, *args, stdin=stdin)
    check(done.returncode == 0, f"dlq {args}: {done}")
    return done.stdout


def letters(central, *args):
    """By id: reason, order, version, attempts, status."""
    rows = (row.split("\t") for row in dlq(central, "list", "--all", *args).splitlines())
    return {row[0]: (row[2].removeprefix("tillbox."), row[4], int(row[5] or 0), int(row[6]), row[1])
            for row in rows}


def address(number):
    return {"line1": f"Lindenweg {number}", "city": "Kiel", "country": "DE"}


def bad_events_leave(edge):
    """Damages events. Returns the orders with an event of unknown type, the damaged events, and
    the events that must wait for these, as (order, version)."""
    check(edge.ask("PUT", "/link", {"state": "offline"}).status == 200, "the link is not held")
    moved = sell_moved(edge, UNKNOWN_EVENTS, lambda number: address(99))  # no dead letter
    change_db(edge.data / "store.db", "UPDATE outbox SET type = ? WHERE version = 2", UNKNOWN)
    orders = sell_shipped(edge, ORDERS, address)
    spoilt = [(order, 1) for order in orders[0:3]] + [(order, 2) for order in orders[3:6]]
    waiting = [(order, later) for order, version in spoilt for later in range(version + 1, 4)]
    edge.stop()
    spoil(edge, spoilt)
    edge.start()
    check(edge.ask("PUT", "/link", {"state": "auto"}).status == 200, "the link is still held")
    all_delivered(edge)
    return moved, set(spoilt), set(waiting)


def order_at(central, order, query=""):
    reply = central.ask("GET", f"/orders/{order}{query}")
    check(reply.status == 200, f"{order}{query}: {reply}")
    return reply.json()


def unknown_events_move_versions(central, edge, moved, kept_back):
    """There are no other dead letters, and later events of other orders are applied."""
    for order in moved:
        seen = order_at(central, order)
        check(seen["version"] == 2 and seen["shippingAddress"] == ADDRESS,
              f"not the order as placed, at version 2: {seen}")
    check_unknown_told(central, UNKNOWN, len(moved))
    shipped = [order for order in central.orders().values() if order["status"] == "SHIPPED"]
    check(len(shipped) == ORDERS - kept_back, f"{len(shipped)} of {ORDERS} others went through")
    with edge.client() as client:
        for number, order in enumerate(moved):
            client.ask("PUT", f"/orders/{order}/address", address(number))
            check(client.ask("POST", f"/orders/{order}/ship", {}).status == 200, "not shipped")
    for number, order in enumerate(moved):
        seen = order_at(central, order, "?minVersion=4&wait=30s")
        check(seen["status"] == "SHIPPED" and seen["shippingAddress"] == address(number),
              f"later events are not applied: {seen}")


def they_are_letters(central, spoilt, waiting):
    found = letters(central)
    check({(order, version) for reason, order, version, *_ in found.values()
           if reason == "decode"} == spoilt, f"spoilt: {found}")
    check({(order, version) for reason, order, version, *_ in found.values()
           if reason == "gap"} == waiting, f"waiting: {found}")
    check(len(found) == len(spoilt) + len(waiting), f"{len(found)} letters")
    status, said = verify(central, *central.tills, wait="0")
    check(status == 1, f"verify ends with {status}:\n{said}")
    return found


def dead_again(central, kafka, found):
    """Sends the dead letters again as they are: each fails again and has one more attempt."""
    said = json.loads(dlq(central, "replay", "--all", "--rate", "50", "--json"))
    check(said == {"refusals": [], "sent": len(found), "refused": 0, "complete": True},
          f"replay says {said}")
    eventually(lambda: all(attempts == 2 for *_, attempts, _ in letters(central).values()),
               "each has died twice", pause=0.2)
    check(letters(central).keys() == found.keys(), "they are others")
    check(len(kafka.records(f"{TOPIC}.DLT")) == 2 * len(found), "deaths in the topic")
    # The damaged ones cannot be applied, so nothing follows by itself.


def mended_event(central, letter):
    return "{" + dlq(central, "show", letter, "--payload")


def mend(central, letter):
    dlq(central, "replay", letter, "--value", "-", stdin=mended_event(central, letter))


def refused(done, why):
    return done.returncode == 1 and why in done.stderr


def mend_again(central, letter):
    """It was mended before, so at any moment a central may store it: then it is needed no more."""
    done = try_dlq(central, "replay", letter, "--value", "-", stdin=mended_event(central, letter))
    check(done.returncode == 0 or refused(done, NEEDED_NO_MORE), f"{letter} again: {done}")
    if done.returncode:
        now = letters(central, "--status", "any")[letter][-1]
        check(now == "replayed", f"{letter} was refused, and is {now}")


def mended_in_spite_of_a_kill(reading, other, found):
    """The reading central dies when a dead letter is sent but perhaps not stored. The other
    central takes over and sends it again."""
    spoilt = sorted(letter for letter, row in found.items() if row[0] == "decode")
    for letter in spoilt[:3]:
        mend(other, letter)
    reading.kill()
    for letter in spoilt[:3]:
        mend_again(other, letter)
    reading.start()
    for letter in spoilt[3:]:
        mend(reading, letter)
    everything_read(reading, other)
    eventually(lambda: not letters(other), "all of them follow", FOLLOW_SECONDS + 30, pause=0.2)
    kept = letters(reading, "--status", "any")
    check(kept.keys() == found.keys() and {row[-1] for row in kept.values()} == {"replayed"},
          f"what is kept: {kept}")
    for central in (reading, other):
        check(central.status()["deadLetters"] == 0, f"{central.name} counts some")
        check("tillbox_dead_letters 0\n" in central.ask("GET", "/metrics").body.decode(),
              f"{central.name} has an alarm")
    done = try_dlq(other, "replay", spoilt[0])
    check(refused(done, NEEDED_NO_MORE), f"{spoilt[0]} is not needed: {done}")
    check(f"dead letter {spoilt[0]} of order" in other.diagnostics(), "nothing tells who did it")


def dropped(central, edge):
    check(edge.ask("PUT", "/link", {"state": "offline"}).status == 200, "the link is not held")
    order = sell_shipped(edge, ORDERS, address)[0]
    edge.stop()
    spoil(edge, [(order, 3)])
    edge.start()
    check(edge.ask("PUT", "/link", {"state": "auto"}).status == 200, "the link is still held")
    eventually(lambda: len(letters(central)) == 1, "there is a letter", pause=0.2)
    (letter,) = letters(central)
    dlq(central, "drop", letter)
    check(not letters(central), "it is still open")
    check(central.status()["deadLetters"] == 0, "it still counts")
    mend(central, letter)  # a replay restores it
    eventually(lambda: letters(central, "--status", "any")[letter][-1] == "replayed",
               "it is applied", pause=0.2)


def refused_by_an_index(mongo, central, edge):
    """Somebody's unique index refuses an order: the dead letter names it, and all others go on."""
    with edge.client() as client:
        def sell():
            reply = client.ask("POST", "/orders", order_body(1))
            check(reply.status == 201, f"no order: {reply}")
            return reply.json()

        node, _, number = sell()["orderNumber"].rpartition("-")
        taken = f"{node}-{int(number) + 1:06}"
        mongo.command({"createIndexes": "orders", "indexes": [
            {"key": {"orderNumber": 1}, "name": "by_number", "unique": True, "sparse": True}]})
        mongo.command({"insert": "orders", "documents": [
            {"_id": "of somebody", "orderNumber": taken}]})
        order, others = sell(), [sell() for _ in range(20)]
    check(order["orderNumber"] == taken, f"{order} does not have {taken}")
    for other in others:
        order_at(central, other["orderId"], "?minVersion=1&wait=30s")
    eventually(lambda: len(letters(central)) == 1, "there is a letter", pause=0.2)
    ((letter, told),) = letters(central).items()
    check(told[:2] == ("apply", order["orderId"]), f"{letter} is {told}")
    check("unique index by_number of orders" in dlq(central, "show", letter), "it is not named")
    mongo.command({"dropIndexes": "orders", "index": "by_number"})
    mongo.command({"delete": "orders", "deletes": [{"q": {"_id": "of somebody"}, "limit": 1}]})
    dlq(central, "replay", letter)
    order_at(central, order["orderId"], "?minVersion=1&wait=30s")


def gone_when_their_time_is_over(folder, kafka, mongo, central, edge):
    """Dead letters are removed 90 days after they were made, once a record shows that its central's
    clock is not alone in saying so."""
    kept = letters(central, "--status", "any")
    old = sorted(kept)[0]
    partition, offset = (int(part) for part in old.split("-")[-2:])
    died = int(time.time() - 91 * 86400) * 1000
    mongo.command({"update": "dead_letters", "updates": [
        {"q": {"partition": partition, "offset": offset},
         "u": {"$set": {"deadAt": {"$date": {"$numberLong": str(died)}}}}}]})
    central.stop()
    with Central(folder, "three", kafka.address, mongo.uri) as three, edge.client() as client:
        def gone():
            check(client.ask("POST", "/orders", order_body(1)).status == 201, "no order")
            return old not in letters(three, "--status", "any")

        eventually(gone, "it is gone", pause=0.2)
        check(len(letters(three, "--status", "any")) == len(kept) - 1, "others are gone too")


def clean(mongo, *centrals):
    for central in centrals:
        status, said = verify(central, *central.tills)
        check(status == 0, f"verify at {central.name} ends with {status}:\n{said}")
        check_sums(central, mongo)


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            Central(folder, "one", kafka.address, mongo.uri, "--create-topics") as one, \
            till(folder, "till1", kafka.address) as edge:
        one.tills = [edge]
        moved, spoilt, waiting = bad_events_leave(edge)
        everything_read(one)
        unknown_events_move_versions(one, edge, moved, len({order for order, _ in spoilt}))
        found = they_are_letters(one, spoilt, waiting)
        dead_again(one, kafka, found)
        with Central(folder, "two", kafka.address, mongo.uri) as two:
            two.tills = [edge]
            everything_read(one, two)
            mended_in_spite_of_a_kill(one, two, found)
            dropped(two, edge)
            refused_by_an_index(mongo, two, edge)
            everything_read(one, two)
            clean(mongo, one, two)
            gone_when_their_time_is_over(folder, kafka, mongo, two, edge)


run(test)
