"""Promise: diagnostics are one JSON line for each fact. No customer data, key or password appears
in any of them, nor in /status or /metrics, whatever goes wrong and with librdkafka's own logging
switched on. A request's traceparent is on each record that follows from it, dead letters included.
Method: one word is put wherever such data can be, and searched for in all output.
"""
import json
import os
import subprocess

from central_process import Central, everything_read
from kafka_service import TOPIC, Kafka, Mongo, part
from shop import all_delivered, spoil, till
from tillbox_e2e import Lost, check, eventually, order_body, run, scratch

WORD = "kanarienvogel"
SECRETS = {"TILLBOX_KAFKA_PROPERTIES_DEBUG": "all",
           "TILLBOX_KAFKA_PROPERTIES_SASL_USERNAME": "till",
           "TILLBOX_KAFKA_PROPERTIES_SASL_PASSWORD": WORD}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-{:016x}-01"
ADDRESS = {"line1": f"{WORD}weg 4", "city": WORD, "postalCode": WORD, "country": "DE"}
LINES = [{"sku": WORD, "name": WORD, "quantity": 1, "unitPriceMinor": 350}]


def sell(edge):
    """One order and a change to it, each with a traceparent."""
    order = order_body(1, customerId=WORD, lines=LINES, shippingAddress=ADDRESS)
    headers = {"idempotency_key": WORD, "authorization": f"Bearer {WORD}"}
    with edge.client() as client:
        reply = client.ask("POST", "/orders", order, traceparent=TRACE.format(1), **headers)
        check(reply.status == 201, f"no order: {reply}")
        path = f"/orders/{reply.json()['orderId']}"
        reply = client.ask("PUT", path + "/address", ADDRESS, traceparent=TRACE.format(2))
        check(reply.status == 200, f"no address: {reply}")
    return path.rsplit("/")[-1]


def ask_wrongly(process):
    """Requests that are refused, with the word in them."""
    for method, path, body in (
            ("POST", "/orders", order_body(1, customerId=WORD * 50)),
            ("POST", "/orders", order_body(1, source=WORD)),
            ("POST", "/orders", f'{{"customerId":"{WORD}'.encode()),
            ("POST", "/orders", order_body(1, **{WORD: WORD})),
            ("GET", f"/orders?customerId={WORD}&limit=x", None),
            ("GET", f"/orders/{WORD}", None),
            ("GET", f"/orders?cursor={WORD}", None),
            ("POST", f"/{WORD}", {WORD: WORD}),
            ("POST", f"/dead-letters/{WORD}/replay", {"value": WORD}),
            ("PUT", "/link", {"state": WORD})):
        reply = process.ask(method, path, body)
        check(400 <= reply.status < 500 or reply.status == 200, f"{method} {path}: {reply}")
    try:
        process.ask("GET", "/orders", origin=f"http://{WORD}", upgrade="websocket",
                    connection="Upgrade", sec_websocket_key=WORD)
    except Lost:
        pass  # it may close the connection


def spoilt_event(edge):
    """An event with the word in it becomes a dead letter."""
    check(edge.ask("PUT", "/link", {"state": "offline"}).status == 200, "the link is not held")
    reply = edge.ask("POST", "/orders", order_body(2, customerId=WORD, lines=LINES,
                                                   shippingAddress=ADDRESS),
                     traceparent=TRACE.format(3))
    check(reply.status == 201, f"no order: {reply}")
    edge.stop()
    spoil(edge, [(reply.json()["orderId"], 1)])
    edge.start()
    check(edge.ask("PUT", "/link", {"state": "auto"}).status == 200, "the link is still held")
    all_delivered(edge)


def letters(central, *args):
    env = {key: value for key, value in os.environ.items() if not key.startswith("TILLBOX")}
    done = subprocess.run([os.environ["TILLBOX"], "dlq", *args, "--url", central.url], env=env,
                          text=True, capture_output=True, timeout=60)
    return done.stdout


def check_quiet(*processes):
    """All output is JSON, each fact once, and without the word."""
    for process in processes:
        lines = process.diagnostics().splitlines()
        check(lines, "it says nothing at all")
        for line in lines:
            told = json.loads(line)
            check(list(told) == ["time", "level", "program", "event", "message"], f"it is {line}")
            check(WORD not in line, f"the word is in {line}")


def check_pages(process):
    for page in ("/status", "/metrics", "/healthz", "/readyz"):
        body = process.ask("GET", page).body.decode()
        check(WORD not in body, f"the word is in {page}: {body}")


def check_traces(kafka, edge, order):
    traces = kafka.traces(TOPIC)
    with edge.client() as client:
        check(client.ask("GET", f"/orders/{order}?minVersion=2&wait=30s").status == 200, "no order")
    check(sorted(traces.values()) == [TRACE.format(n) for n in (1, 2, 3)], f"traces: {traces}")
    dead = kafka.traces(f"{TOPIC}.DLT")
    check(list(dead.values()) == [TRACE.format(3)], f"of a dead letter: {dead}")
    check(dead.keys() <= traces.keys(), "it is another event")


def locked_out(folder, kafka, mongo):
    """Kafka and MongoDB refuse the login: the diagnostics contain no password."""
    uri = f"mongodb://till:{WORD}@{mongo.address}"
    with Central(folder, "locked", kafka.address, uri, **SECRETS,
                 TILLBOX_KAFKA_PROPERTIES_SECURITY_PROTOCOL="sasl_plaintext",
                 TILLBOX_KAFKA_PROPERTIES_SASL_MECHANISMS="PLAIN").start(ready=False) as central:
        eventually(lambda: "problem" in central.status(), "it says what is wrong")
        check_pages(central)
        central.stop()
        check_quiet(central)


@part
def broker_is_missed(kafka, central):
    kafka.kill()
    eventually(lambda: "problem" in central.status(), "the broker is missed")


def test():
    with scratch() as folder, Kafka(folder / "kafka") as kafka, Mongo(folder / "mongo") as mongo, \
            till(folder, "till1", kafka.address, **SECRETS) as edge, \
            Central(folder, "one", kafka.address, mongo.uri, "--create-topics",
                    **SECRETS) as central:
        order = sell(edge)
        ask_wrongly(edge), ask_wrongly(central)
        spoilt_event(edge)
        eventually(lambda: central.status()["deadLetters"] == 1, "there is a dead letter")
        everything_read(central)
        check_traces(kafka, edge, order)
        letter = letters(central, "list").split("\t")[0]
        check(WORD in letters(central, "show", letter, "--payload"), "it is not kept as it was")
        letters(central, "replay", letter)
        letters(central, "drop", letter)
        locked_out(folder, kafka, mongo)
        broker_is_missed(kafka, central)
        for process in (edge, central):
            check_pages(process)
            process.stop()
        check_quiet(edge, central)


run(test)
