"""What Kafka loses, a till sends again by itself.

The topic is removed and made anew while the till is connected, and while it is not; what was parked
as too large arrives once the topic's limit is raised.
"""
import json
import secrets

from kafka_service import TOPIC, TOPICS, Kafka
from tillbox_e2e import Edge, check, eventually, order_body, read_db, run, scratch

FLAGS = ("--log", "kafka", "--create-topics")
SETTINGS = {"TILLBOX_KAFKA_TOPIC": TOPIC,
            "TILLBOX_LINK_OFFLINE_AFTER": "2s", "TILLBOX_LINK_RETRY_MAX": "2s",
            "TILLBOX_LINK_FIRST_RETRY_SPREAD": "0s", "TILLBOX_LINK_RESEND_RATE": "500",
            "TILLBOX_KAFKA_PROPERTIES_TOPIC_METADATA_REFRESH_INTERVAL_MS": "1000"}
CONFIGS = "kafka.admin.ConfigCommand"


def status(edge):
    return edge.ask("GET", "/status").json()


def sell(edge, first, count):
    for number in range(first, first + count):
        reply = edge.ask("POST", "/orders", order_body(number))
        check(reply.status == 201, repr(reply))
        order = reply.json()["orderId"]
        if number % 3 == 0:
            body = {"line1": "Lindenweg 1", "city": "Kiel", "country": "DE"}
            check(edge.ask("PUT", f"/orders/{order}/address", body).status == 200, "not changed")


def has_all(kafka, store):
    """Every event of the store is in the topic, and each order's events are in order."""
    ids, versions = set(), {}
    for _, _, key, event, version in kafka.records(TOPIC):
        check(int(version) <= versions.get(key, 0) + 1, f"{key}: version {version} is too early")
        versions[key] = max(versions.get(key, 0), int(version))
        ids.add(event)
    return {row["event_id"] for row in read_db(store).execute("SELECT event_id FROM outbox")} <= ids


def is_whole(edge, kafka, store, what):
    eventually(lambda: status(edge)["pending"] == 0 and "resend" not in status(edge), what, 90)
    check(has_all(kafka, store), f"{what}: not all events are in the topic")


def remove_topic(kafka):
    kafka.tool(TOPICS, "--delete", "--topic", TOPIC)


def set_offline(edge, offline):
    edge.ask("PUT", "/link", {"state": "offline" if offline else "auto"})
    state = "forced-offline" if offline else "online"
    eventually(lambda: status(edge)["link"] == state, f"the link is {state}")


def lost_while_away(edge, kafka, store):
    set_offline(edge, True)
    remove_topic(kafka)
    sell(edge, 100, 6)
    set_offline(edge, False)
    is_whole(edge, kafka, store, "a topic that was removed while the link was down")


def lost_over_a_kill(edge, kafka, store):
    edge.kill()
    remove_topic(kafka)
    edge.start()
    eventually(lambda: "resend" in status(edge) or has_all_quietly(kafka, store), "it resends")
    edge.kill()
    edge.start()
    is_whole(edge, kafka, store, "a topic that was removed, and a till that was killed")


def has_all_quietly(kafka, store):
    try:
        return has_all(kafka, store)
    except Exception:  # the topic is not there yet
        return False


def by_hand(edge, kafka):
    before = len(kafka.records(TOPIC))
    reply = edge.ask("POST", "/resend", None)
    check(reply.status == 202, repr(reply))
    eventually(lambda: len(kafka.records(TOPIC)) >= before + 40, "all is sent again")


def parked_and_unparked(edge, kafka, store):
    kafka.tool(CONFIGS, "--entity-type", "topics", "--entity-name", TOPIC, "--alter",
               "--add-config", "max.message.bytes=4000")
    body = order_body(900)
    body["lines"] = [dict(body["lines"][0], sku=f"SKU-{n}", name=secrets.token_hex(75)) for n in range(100)]
    reply = edge.ask("POST", "/orders", body)
    check(reply.status == 201, repr(reply))
    sell(edge, 901, 2)
    eventually(lambda: status(edge)["parked"] == 1, "the order is parked")
    listed = edge.ask("GET", "/link/parked").json()["parked"]
    check([one["orderId"] for one in listed] == [reply.json()["orderId"]], json.dumps(listed))
    health = edge.ask("GET", "/healthz")
    check(health.status == 503 and "link parked" in str(health.body), repr(health))
    kafka.tool(CONFIGS, "--entity-type", "topics", "--entity-name", TOPIC, "--alter",
               "--delete-config", "max.message.bytes")
    check(edge.ask("POST", "/link/unpark", None).status == 202, "not asked for")
    eventually(lambda: status(edge)["parked"] == 0, "nothing is parked")
    is_whole(edge, kafka, store, "an order that was parked")


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka:
        store = folder / "till" / "store.db"
        with Edge(folder / "till", *FLAGS, "--kafka-brokers", kafka.address, **SETTINGS) as edge:
            sell(edge, 1, 30)
            is_whole(edge, kafka, store, "the first orders")
            described = kafka.tool(TOPICS, "--describe", "--topic", TOPIC)
            check("LogAppendTime" in described and "retention.ms=-1" in described, described)
            lost_while_away(edge, kafka, store)
            lost_over_a_kill(edge, kafka, store)
            by_hand(edge, kafka)
            parked_and_unparked(edge, kafka, store)
            eventually(lambda: edge.ask("GET", "/healthz").status == 200, "all is well")
            edge.stop()


run(test)
