"""10,000 times: place an order, then read it with minVersion; every fifth is changed and read too. What is answered is
never older than what was asked for; while the view stands still the answer is 202, not an old
order. The reader has other connections than the writer, and the link goes down and up meanwhile.
"""
import random
import threading
import uuid

from tillbox_e2e import ADDRESS, Edge, check, check_files, order_body, run, scratch

ORDERS, WORKERS, CHANGED = 10000, 16, 5
# Of 100 reads so many wait; the others take what there is.
WAITING = 95


class Worker(threading.Thread):
    """Places and changes orders on one connection, and reads each write on another."""

    def __init__(self, edge, number, orders):
        super().__init__()
        self.edge, self.orders, self.random = edge, orders, random.Random(number)
        self.seen, self.failed = {200: 0, 202: 0}, None

    def run(self):
        try:
            with self.edge.client() as writer, self.edge.client() as reader:
                for number in range(self.orders):
                    order_id = str(uuid.uuid4())
                    self.place(writer, number, order_id)
                    self.read(reader, order_id, 1)
                    if number % CHANGED == 0:
                        self.change(writer, order_id, 2)
                        self.read(reader, order_id, 2)
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
        """Until it is there; an answer is an order that is new enough, or none."""
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


def toggle_link(edge, stop):
    """In the embedded edition the link holds the only relay: the view stands still, and goes on."""
    times = 0
    with edge.client() as client:
        while not stop.wait(0.2):
            times += 1
            for state in ("offline", "auto"):
                check(client.ask("PUT", "/link", {"state": state}).status == 200, "PUT /link")
                stop.wait(0.02)
    check(times > 0, "the link was never down")


def test():
    with scratch() as folder:
        with Edge(folder / "data") as edge:
            stop = threading.Event()
            toggler = threading.Thread(target=toggle_link, args=(edge, stop))
            workers = [Worker(edge, n, ORDERS // WORKERS) for n in range(WORKERS)]
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
            check(seen[200] == ORDERS + ORDERS // CHANGED, seen)
            check(seen[202] > 0, "the view never stood still")
            edge.catch_up()
            edge.stop()
        check_files(folder / "data")


if __name__ == "__main__":
    run(test)
