"""Shared by the tests of whole programs: starts a daemon, an HTTP client that reports unknown
outcomes, and checks of the daemon's files. Standard library only. No test sleeps to let something
happen: eventually() polls for it with a deadline.
"""
import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback

# Long enough for a sanitized build on a slow machine that runs other tests at the same time; a
# passing test never waits this long.
DEADLINE_SECONDS = 120
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")
ADDRESS = {"line1": "Lindenweg 4", "city": "Kiel", "postalCode": "24103", "country": "DE"}


class Failed(Exception):
    """A check failed."""


class Skipped(Exception):
    """This machine cannot run the test; the text says why."""


class Lost(Exception):
    """The connection broke before the answer was complete: the outcome is unknown."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def eventually(probe, what, seconds=DEADLINE_SECONDS, pause=0.01):
    """Polls until probe() is true, and returns its result."""
    deadline = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        check(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(pause)


def run(test):
    """The main function of every test: prints what it did; exit status 77 means skipped."""
    started = time.monotonic()
    try:
        try:
            test()
        except Failed as failed:
            if not getattr(failed, "again", False):
                raise
            print(f"from the beginning, once more: {failed}")
            test()
    except Skipped as skipped:
        print(f"skipped: {skipped}")
        sys.exit(77)
    except Failed as failed:
        traceback.print_exc()
        print(f"FAILED: {failed}")
        sys.exit(1)
    print(f"passed in {time.monotonic() - started:.1f} s")


@contextlib.contextmanager
def scratch():
    path = pathlib.Path(tempfile.mkdtemp(prefix="tillbox-e2e-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def need_root(what):
    if os.geteuid() != 0:
        raise Skipped(f"{what} needs root")


def need_program(name):
    if not shutil.which(name):
        raise Skipped(f"{name} is not installed")


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Client:
    """One keep-alive connection; connects again if the last answer closed it."""

    def __init__(self, port, host="127.0.0.1", timeout=DEADLINE_SECONDS):
        self.address, self.timeout = (host, port), timeout
        self.sock, self.rest = None, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock, self.rest = None, b""

    def connect(self):
        if not self.sock:
            self.sock = socket.create_connection(self.address, self.timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method, path, body=None, **headers):
        """headers: idempotency_key="k" becomes Idempotency-Key: k."""
        return self.exchange(request(method, path, body, **headers))

    def exchange(self, raw):
        try:
            self.connect()
            self.sock.sendall(raw)
            return self.read_reply()
        except OSError as error:
            self.close()
            raise Lost(str(error)) from error

    def read_reply(self):
        while True:
            data = self.rest
            while b"\r\n\r\n" not in data:
                data += self._more()
            head, _, data = data.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            if status != 100:
                break
            self.rest = data
        length = int(headers.get("content-length", 0))
        while len(data) < length:
            data += self._more()
        self.rest = data[length:]
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Reply(status, headers, data[:length])

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("closed by the server")
        return data


def request(method, path, body=None, host="127.0.0.1", **headers):
    """The bytes of a request. body: a JSON value, or bytes, which are sent as they are."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    payload = b""
    if body is not None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers.setdefault("content_type", "application/json")
        lines.append(f"Content-Length: {len(payload)}")
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def order_body(number, **more):
    """The body of an order whose lines and total follow from the number."""
    lines = [{"sku": f"SKU-{(number + i) % 97}", "name": "Tea, green", "quantity": 1 + i,
              "unitPriceMinor": 100 + number % 900} for i in range(1 + number % 3)]
    return {"customerId": f"C-{number % 50}", "source": "POS", "kind": "SALE", "currency": "EUR",
            "lines": lines, "shippingAddress": ADDRESS, **more}


def total_of(lines):
    return sum(line["quantity"] * line["unitPriceMinor"] for line in lines)


class Edge:
    """A tillbox-edge; its diagnostics go to a file beside the data folder."""

    def __init__(self, data, *flags, prefix=(), listen="127.0.0.1:0", err_path=None, **env):
        self.data, self.flags, self.prefix, self.listen = pathlib.Path(data), flags, prefix, listen
        self.err_path = err_path or self.data.with_name(self.data.name + ".err")
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith("TILLBOX_")} | env
        self.process, self.port, self.url = None, None, None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process:
            self.process.stdout.close()
        if kind and kind is not Skipped and self.err_path.exists():
            print("the daemon said:\n" + self.diagnostics()[-4000:])

    def command(self):
        program = os.environ.get("TILLBOX_EDGE")
        check(program, "TILLBOX_EDGE names no tillbox-edge")
        return [*self.prefix, program, "--data", str(self.data), "--listen", self.listen, "--node",
                "till1", *self.flags]

    def launch(self):
        """Starts the process and returns its first line; "" when it ended without one."""
        self.process = subprocess.Popen(
            self.command(), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.err_path.open("ab"))
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE_SECONDS)
        check(ready, "the daemon prints nothing")
        return self.process.stdout.readline().decode()

    def begin(self):
        """Starts the process; it answers, but need not be ready yet."""
        line = self.launch()
        found = re.fullmatch(r"listening on (http://127\.0\.0\.1:(\d+))\n", line)
        check(found, f"the first line is {line!r}; standard error: {self.diagnostics()[-2000:]}")
        self.url, self.port = found[1], int(found[2])

    def is_ready(self):
        return self.ask("GET", "/readyz").status == 200

    def start(self):
        self.begin()
        eventually(self.is_ready, "/readyz is 200")
        return self

    def diagnostics(self):
        return self.err_path.read_text(errors="replace")

    def client(self, **options):
        return Client(self.port, **options)

    def ask(self, method, path, body=None, **headers):
        """One request on a connection of its own."""
        with self.client() as client:
            return client.ask(method, path, body, **headers)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, seconds=DEADLINE_SECONDS):
        """SIGTERM: the daemon ends with 0 and without a sanitizer's report."""
        self.process.send_signal(signal.SIGTERM)
        self.ended(0, seconds)

    def ended(self, status=None, seconds=DEADLINE_SECONDS):
        """Waits for the process to end by itself; returns its exit status."""
        try:
            got = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"the daemon runs on after {seconds} s") from None
        self.process.stdout.close()
        check(not SANITIZER.search(self.diagnostics()), "a sanitizer reports a fault")
        check(status is None or got == status, f"the exit status is {got}, not {status}")
        return got

    def catch_up(self, seconds=DEADLINE_SECONDS):
        """Waits until everything stored is in the log and in the view."""
        with self.client() as client:
            eventually(lambda: client.ask("GET", "/status").json()["pending"] == 0,
                       "nothing is pending", seconds)
            eventually(lambda: lag(client) == 0, "the view has caught up", seconds)

    def orders(self):
        """Every order of the view by its id, over the pages of GET /orders."""
        found, query = {}, ""
        with self.client() as client:
            while True:
                page = client.ask("GET", f"/orders?limit=500{query}")
                check(page.status == 200, f"GET /orders: {page}")
                for order in page.json()["orders"]:
                    check(order["orderId"] not in found, f"listed twice: {order['orderId']}")
                    found[order["orderId"]] = order
                following = page.json().get("next")
                if not following:
                    return found
                query = f"&cursor={following}"


def lag(client):
    """The lag of the view over all partitions, from /metrics; None if the metric is absent."""
    text = client.ask("GET", "/metrics").body.decode()
    found = re.findall(r"^kafka_consumer_lag\{[^}]*\} (\S+)$", text, re.M)
    return sum(int(float(value)) for value in found) if found else None


def read_db(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    return db


def sell_moved(edge, count, address):
    """Orders of two versions: placed, and moved to address(number); their ids."""
    orders = []
    with edge.client() as client:
        for number in range(count):
            reply = client.ask("POST", "/orders", order_body(number))
            check(reply.status == 201, f"no order: {reply}")
            orders.append(reply.json()["orderId"])
            reply = client.ask("PUT", f"/orders/{orders[-1]}/address", address(number))
            check(reply.status == 200, f"no address: {reply}")
    return orders


def sell_shipped(edge, count, address):
    """The same with a third version: shipped."""
    orders = sell_moved(edge, count, address)
    with edge.client() as client:
        for order in orders:
            reply = client.ask("POST", f"/orders/{order}/ship", {})
            check(reply.status == 200, f"not shipped: {reply}")
    return orders


def check_unknown_told(process, kind, count):
    """This many events of an unknown type are counted, and logged once."""
    metrics = process.ask("GET", "/metrics").body.decode()
    counted = int(re.search(r'events_total\{result="unknown"\} (\d+)', metrics)[1])
    check(counted == count, f"{counted} unknown events are counted, not {count}")
    lines = [json.loads(line) for line in process.diagnostics().splitlines()]
    told = [line for line in lines if line["event"] == "consumer.unknown_type"]
    check(len(told) == 1 and told[0]["level"] == "warn" and kind in told[0]["message"],
          f"it is told as {told}")


def change_db(path, sql, *values):
    """Changes a database of a daemon that is stopped, or that does not use the changed rows yet.
    """
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        check(db.execute(sql, values).rowcount > 0, f"{sql} changes nothing")


def rebuild_ended(edge):
    """The final answer of GET /rebuild."""
    ends = ("done", "failed", "rolled-back", "cancelled", "none")
    return eventually(lambda: (got := edge.ask("GET", "/rebuild").json())["state"] in ends and got,
                      "the rebuild ends")


def check_files(data):
    """The stopped daemon's files are sound, and for each order the store, its outbox, the log and
    the view agree. Returns the orders of the store by id."""
    for name in ("store.db", "log.db", "view.db"):
        with contextlib.closing(read_db(data / name)) as db:
            result = [row[0] for row in db.execute("PRAGMA integrity_check")]
            check(result == ["ok"], f"{name}: {result[:3]}")
            check(not db.execute("PRAGMA foreign_key_check").fetchall(), f"{name}: foreign keys")
    with contextlib.closing(read_db(data / "store.db")) as store:
        orders = {row["order_id"]: row for row in store.execute("SELECT * FROM orders")}
        check_numbers(orders)
        check_outbox(store, orders)
    with contextlib.closing(read_db(data / "view.db")) as view:
        seen = {row["order_id"]: row for row in view.execute("SELECT * FROM orders")}
    check(seen.keys() == orders.keys(), f"the view has {len(seen)} of {len(orders)} orders, or "
          f"others: {sorted(seen.keys() ^ orders.keys())[:3]}")
    for order_id, row in orders.items():
        check(seen[order_id]["version"] == row["version"], f"{order_id}: the view's version")
    return orders


def check_numbers(orders):
    """Order numbers count from 1 without a gap, and none is used twice."""
    numbers = sorted(row["number"] for row in orders.values())
    check(numbers == list(range(1, len(numbers) + 1)),
          f"{len(numbers)} orders, numbered {numbers[:3]} to {numbers[-3:]}")


def check_outbox(store, orders):
    """Each order's events are its versions 1 to n, rows have no gap, and the store has not taken
    itself for a copy (which would begin a second epoch)."""
    versions, rows = {}, []
    for row in store.execute("SELECT row, order_id, version FROM outbox"):
        versions.setdefault(row["order_id"], []).append(row["version"])
        rows.append(row["row"])
    check(versions.keys() == orders.keys(), "orders without events, or events without an order")
    for order_id, order in orders.items():
        check(sorted(versions[order_id]) == list(range(1, order["version"] + 1)),
              f"{order_id} has version {order['version']} and events {sorted(versions[order_id])}")
    check(sorted(rows) == list(range(1, len(rows) + 1)), "the outbox has a gap")
    check(store.execute("SELECT count(*) FROM epochs").fetchone()[0] == 1, "a second epoch")
