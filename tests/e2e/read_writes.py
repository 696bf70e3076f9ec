"""Places an order at an edge, then reads it with minVersion; changes every fifth and reads it
again. An answer is never older than minVersion.
"""
import contextlib
import random
import threading
import uuid

from tillbox_e2e import ADDRESS, check, order_body

ORDERS, WORKERS, CHANGED = 10000, 16, 5  # orders, by default
# This many of 100 reads wait; the others take the present version.
WAITING = 95


class Worker(threading.Thread):
    """Places and changes orders on one connection, and reads each write on another, at one of the
    readers."""

    def __init__(self, edge, readers, number, orders):
        super().__init__()
        self.edge, self.readers, self.orders = edge, readers, orders
        self.random = random.Random(number)
        self.seen, self.failed = {200: 0, 202: 0}, None

    def run(self):
        try:
            with contextlib.ExitStack() as stack:
                writer = stack.enter_context(self.edge.client())
                readers = [stack.enter_context(one.client()) for one in self.readers]
                for number in range(self.orders):
                    order_id = str(uuid.uuid4())
                    self.place(writer, number, order_id)
                    self.read(self.random.choice(readers), order_id, 1)
                    if number % CHANGED == 0:
                        self.change(writer, order_id, 2)
                        self.read(self.random.choice(readers), order_id, 2)
        except Exception as error:
            self.failed = error

    def place(self, client, number, order_id):
        reply = client.ask("POST", "/orders", order_body(number, orderId=order_id))
        check(reply.status == 201 and reply.json()["version"] == 1, reply)

    def change(self, client, order_id, version):
        reply = client.ask("PUT", f"/orders/{order_id}/address",
                           ADDRESS | {"line2": f"version {version}"})
        check(reply.status == 200 and reply.json()["version"] == version, reply)

    def read(self, client, order_id, version):
        """Reads until the order is new enough; every answer is an order that is new enough, or
        none."""
        while True:
            wait = "&wait=30s" if self.random.randrange(100) < WAITING else ""
            reply = client.ask("GET", f"/orders/{order_id}?minVersion={version}{wait}")
            check(reply.status in self.seen, reply)
            self.seen[reply.status] += 1
            got = reply.json()
            if reply.status == 202:
                check(got["status"] == "pending" and got["version"] < version, got)
                continue
            check(got["version"] >= version, f"asked for {version}, got {got['version']}")
            check(reply.headers["etag"] == f"\"{got['version']}\"", reply.headers)
            line2 = got["shippingAddress"].get("line2")
            check(version == 1 or line2 == f"version {got['version']}", f"{version}: {line2}")
            return


def toggle_link(edge, stop, up_s, down_s):
    """Sets the link offline, so that the view does not advance, and to auto again. The status
    shows each setting at once."""
    times = 0
    with edge.client() as client:
        while not stop.wait(up_s):
            times += 1
            for state in ("offline", "auto"):
                check(client.ask("PUT", "/link", {"state": state}).status == 200, "PUT /link")
                link = client.ask("GET", "/status").json()["link"]
                check((link == "forced-offline") == (state == "offline"),
                      f"right after {state} the status says {link}")
                stop.wait(down_s)
    check(times > 0, "the link was never down")


def read_what_is_written(edge, readers, up_s, down_s, orders=ORDERS):
    """Orders of one edge, read at any of the readers, while the link goes down and up."""
    stop = threading.Event()
    toggler = threading.Thread(target=toggle_link, args=(edge, stop, up_s, down_s))
    workers = [Worker(edge, readers, n, orders // WORKERS) for n in range(WORKERS)]
    toggler.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    stop.set()
    toggler.join()
    for worker in workers:
        if worker.failed:
            raise worker.failed
    seen = {status: sum(worker.seen[status] for worker in workers) for status in (200, 202)}
    print(f"{seen[200]} reads, {seen[202]} times not there yet")
    check(seen[200] == orders + orders // CHANGED, seen)
    check(seen[202] > 0, "the view never stood still")
