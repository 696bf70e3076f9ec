"""Every documented limit, on the real daemon: the answer is clear, nothing is stored, and other
clients are not delayed. The slow clients run side by side, since each takes its whole deadline.
"""
import json
import socket
import threading
import time

from tillbox_e2e import (Client, Edge, check, check_files, order_body, request, run, scratch)

HEADER_SECONDS, BODY_SECONDS = 5, 10
# From the deadline to the next sweep, on a busy machine.
SLACK_SECONDS = 5
IDLE_CONNECTIONS = 600
BODY_MAX = 1 << 20


def nested(depth):
    return b"[" * depth + b"]" * depth


def body(**more):
    return json.dumps(order_body(1, **more)).encode()


# name, status, body, and whether the connection stays open. Values at each limit, and one above.
BODIES = [
    ("bad grammar", 400, b'{"lines":[}'),
    ("cut short", 400, body()[:-1]),
    ("bytes behind the value", 400, body() + b"x"),
    ("a key twice", 400, b'{"source":"POS","source":"POS"}'),
    ("not UTF-8", 400, body(customerId="x").replace(b'"x"', b'"\xff"')),
    ("a NUL in a text", 400, body(customerId="x").replace(b'"x"', b'"\\u0000"')),
    ("deeper than 32", 400, nested(33)),
    ("32 deep, but no object", 422, nested(32)),
    ("an unknown field", 422, body(colour="red")),
    ("a fraction", 422, body(lines=[{"sku": "A", "quantity": 1.5, "unitPriceMinor": 1}])),
    ("too large a price", 422, body(lines=[{"sku": "A", "quantity": 1,
                                            "unitPriceMinor": 10 ** 9 + 1}])),
    ("too many lines", 422, body(lines=[{"sku": "A", "quantity": 1,
                                         "unitPriceMinor": 1}] * 1001)),
    ("no lines", 422, body(lines=[])),
    ("too long a sku", 422, body(lines=[{"sku": "A" * 65, "quantity": 1, "unitPriceMinor": 1}])),
    ("an unknown currency", 422, body(currency="XXZ")),
]
TAKEN = [
    ("1,000 lines", body(lines=[{"sku": "A", "quantity": 1, "unitPriceMinor": 1}] * 1000)),
    ("the dearest line", body(lines=[{"sku": "A", "quantity": 1, "unitPriceMinor": 10 ** 9}])),
    ("the longest sku", body(lines=[{"sku": "A" * 64, "quantity": 1, "unitPriceMinor": 1}])),
    ("a body of exactly 1 MiB", body() + b" " * (BODY_MAX - len(body()))),
]


def problems(client):
    """A refusal is a problem document, stores nothing, and the connection stays usable."""
    for what, status, payload in BODIES:
        reply = client.ask("POST", "/orders", payload)
        check(reply.status == status, f"{what}: {reply}")
        check(reply.headers["content-type"] == "application/problem+json", f"{what}: {reply}")
        check(reply.json()["status"] == status, f"{what}: {reply}")
        check(client.sock, f"{what}: the connection was closed")
    faults = client.ask("POST", "/orders", {"kind": "GIFT", "lines": [{"quantity": 0}]}).json()
    check(len(faults["errors"]) >= 4, f"not all faults at once: {faults}")


def requests(client):
    """Wrong requests that leave the connection usable."""
    for what, status, raw in (
            ("no media type", 415, request("POST", "/orders", body(), content_type="text/plain")),
            ("wrong method", 405, request("DELETE", "/orders")),
            ("no such path", 404, request("GET", "/nothing")),
            ("malformed id", 404, request("GET", "/orders/17")),
            ("unknown id", 404, request("GET", "/orders/018f0000-0000-7000-8000-000000000000")),
            ("bad query", 400, request("GET", "/orders?limit=501"))):
        reply = client.exchange(raw)
        check(reply.status == status, f"{what}: {reply}")
        check(status != 405 or "allow" in reply.headers, f"{what}: no Allow")


def oversize(edge):
    """The body is refused unread: the client has sent only the head."""
    with edge.client() as client:
        client.connect()
        client.sock.sendall(b"POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                            b"application/json\r\nContent-Length: 1048577\r\n\r\n")
        check(client.read_reply().status == 413, "a body above 1 MiB, announced")
    with edge.client() as client:
        client.connect()
        client.sock.sendall(b"POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                            b"application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(17):
                client.sock.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        except OSError:
            pass  # refused while the client was still sending: the answer is readable
        check(client.read_reply().status == 413, "a body above 1 MiB, in chunks")
    reply = edge.ask("GET", "/livez", x_long="a" * 8192)
    check(reply.status == 431, f"a header above 8 KiB: {reply}")
    check(edge.ask("GET", "/livez", x_long="a" * 6000).status == 200, "a header of 6,000 bytes")


def framing(edge):
    """A request that can be read in two ways is refused with 400, and the connection is closed."""
    head = "POST /orders HTTP/1.1\r\nContent-Type: application/json\r\n"
    host = "Host: 127.0.0.1\r\n"
    for what, lines in (
            ("no Host", "Content-Length: 2\r\n"),
            ("a foreign Host", "Host: evil.example\r\nContent-Length: 2\r\n"),
            ("two lengths", host + "Content-Length: 2\r\nContent-Length: 2\r\n"),
            ("length and chunked", host + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
            ("a signed length", host + "Content-Length: +2\r\n")):
        with edge.client() as client:
            client.connect()
            client.sock.sendall((head + lines + "\r\n{}").encode() + request("GET", "/livez"))
            reply = client.read_reply()
            check(reply.status == 400, f"{what}: {reply}")
            check(client.sock is None or client.sock.recv(1) == b"", f"{what}: not closed")


def trickle(edge, raw, deadline, results, what):
    """A byte now and then: the deadline is for the whole request, not for the next byte."""
    started = time.monotonic()
    with edge.client() as client:
        client.connect()
        client.sock.settimeout(0.1)
        for byte in raw:
            if time.monotonic() - started > deadline + SLACK_SECONDS:
                results[what] = f"{what}: still connected after {deadline + SLACK_SECONDS} s"
                return
            try:
                client.sock.sendall(bytes([byte]))
                answer = client.sock.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                answer = b""
            took = time.monotonic() - started
            if answer and b" 408 " not in answer.split(b"\r\n")[0]:
                results[what] = f"{what}: {answer[:100]!r}"
            elif took < deadline - 0.5:
                results[what] = f"{what}: cut after {took:.1f} s already"
            else:
                results[what] = None
            return
    results[what] = f"{what}: all was sent"


def slow_clients(edge):
    """Slow clients are cut off at their deadlines, while another client works on."""
    results = {}
    slow_header = request("GET", "/livez", x_slow="a" * 5000)
    slow_body = request("POST", "/orders", b" " * 5000)
    threads = [
        threading.Thread(target=trickle,
                         args=(edge, slow_header, HEADER_SECONDS, results, "slow header")),
        threading.Thread(target=slow_body_client, args=(edge, slow_body, results)),
    ]
    for thread in threads:
        thread.start()
    slowest = 0.0
    with edge.client() as client:
        while any(thread.is_alive() for thread in threads):
            started = time.monotonic()
            check(client.ask("GET", "/livez").status == 200, "another client is refused")
            slowest = max(slowest, time.monotonic() - started)
            threads[-1].join(0.05)
    for thread in threads:
        thread.join()
    check(results == {"slow header": None, "slow body": None}, f"{results}")
    check(slowest < 2, f"another client waited {slowest:.1f} s")


def slow_body_client(edge, raw, results):
    """Sends the head at once, so that the body's deadline decides."""
    head, _, payload = raw.partition(b"\r\n\r\n")
    sock = socket.create_connection(("127.0.0.1", edge.port))
    sock.sendall(head + b"\r\n\r\n")

    class Connected:
        def client(self):
            client = Client(edge.port)
            client.sock = sock
            return client

    trickle(Connected(), payload, BODY_SECONDS, results, "slow body")


def many_idle(edge):
    """Idle connections cost memory only; the limit of 512 for each address does not apply to
    loopback."""
    idle = []
    try:
        for _ in range(IDLE_CONNECTIONS):
            idle.append(socket.create_connection(("127.0.0.1", edge.port)))
        with edge.client() as client:
            for number in range(50):
                check(client.ask("POST", "/orders", order_body(number)).status == 201,
                      "refused beside idle connections")
        with Client(edge.port) as late:
            late.sock = idle[-1]
            check(late.ask("GET", "/livez").status == 200, "the last connection is not served")
    finally:
        for sock in idle:
            sock.close()
    return 50


def main():
    with scratch() as folder, Edge(folder / "data") as edge:
        with edge.client() as client:
            problems(client)
            requests(client)
        oversize(edge)
        framing(edge)
        slow_clients(edge)
        check(edge.ask("GET", "/status").json()["lastSequence"] == 0, "a refused order was stored")
        for what, payload in TAKEN:
            reply = edge.ask("POST", "/orders", payload)
            check(reply.status == 201, f"{what}: {reply}")
        count = len(TAKEN) + many_idle(edge)
        edge.catch_up()
        check(len(edge.orders()) == count, "another number of orders")
        edge.stop()
        check(len(check_files(folder / "data")) == count, "the store has another count")


run(main)
