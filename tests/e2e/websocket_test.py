"""5,000 subscribers on one edge: each is notified when its order can be read, at once if it
already can; going offline changes nothing; a stop closes all connections properly. (Slow readers:
tests/api/ws/bounds_test.c.)
"""
import os
import pathlib
import re
import resource
import threading
import uuid

from tillbox_e2e import (Edge, Skipped, check, check_files, eventually, order_body, run, scratch)
from ws_client import Subscriber, listen

SUBSCRIBERS = 5000
FILES = SUBSCRIBERS + 500
# Memory of the process for each subscriber, without the kernel's part. Sanitizers take more.
MEMORY_MAX = 2048
# The daemon starts with the shell's limit of descriptors and raises it.
FEW_FILES = ("sh", "-c", 'ulimit -Sn 1024; exec "$@"', "sh")


def allow_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        raise Skipped(f"a process may open {hard} files here, the test needs {FILES}")
    if soft != resource.RLIM_INFINITY and soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def place_all(edge, ids, threads=8):
    """Each subscriber is notified exactly once; the subscriptions are spread over a few
    connections."""
    failed = []

    def place(part):
        try:
            with edge.client() as client:
                for number, order_id in enumerate(part):
                    reply = client.ask("POST", "/orders", order_body(number, orderId=order_id))
                    check(reply.status == 201, reply)
        except Exception as error:
            failed.append(error)

    workers = [threading.Thread(target=place, args=(ids[i::threads],)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    check(not failed, f"placing failed: {failed[:1]}")


def resident_bytes(edge):
    status = pathlib.Path(f"/proc/{edge.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def gauge(edge):
    text = edge.ask("GET", "/metrics").body.decode()
    return int(re.search(r"(?m)^tillbox_websocket_connections (\d+)$", text)[1])


def each_is_told(edge):
    """Half of the orders can be read already, the others are placed while all wait."""
    ids = [str(uuid.uuid4()) for _ in range(SUBSCRIBERS)]
    early, late = ids[::2], ids[1::2]
    place_all(edge, early)
    edge.catch_up()
    before = resident_bytes(edge)
    subscribers = [Subscriber(edge.port, order_id) for order_id in ids]
    listen(subscribers, lambda one: one.entered, "the handshakes")
    each = (resident_bytes(edge) - before) / SUBSCRIBERS
    print(f"{SUBSCRIBERS} subscribers, {each:.0f} bytes each")
    check(os.environ.get("TB_SANITIZED") or each < MEMORY_MAX, f"{each:.0f} bytes a subscriber")
    eventually(lambda: gauge(edge) == SUBSCRIBERS, "all are counted")

    follower = Subscriber(edge.port, None)
    listen([follower], lambda one: one.entered, "the follower's handshake")
    listen(subscribers[::2], lambda one: one.heard, "ready at once")
    place_all(edge, late)
    listen(subscribers[1::2], lambda one: one.heard, "ready once placed")
    listen([follower], lambda one: len(one.heard) >= len(late), "the follower")
    check(set(follower.heard) == {(order_id, 1) for order_id in late}, "the follower heard others")
    for order_id, subscriber in zip(ids, subscribers):
        check(subscriber.heard == [(order_id, 1)], f"{order_id}: {subscriber.heard}")
    return ids, subscribers + [follower]


def offline_answers_from_here(edge, ids):
    """An order that can be read while the link is down is notified while the link is down."""
    check(edge.ask("PUT", "/link", {"state": "offline"}).status == 200, "PUT /link")
    subscriber = Subscriber(edge.port, *ids[:30])
    listen([subscriber], lambda one: len(one.heard) == 30, "ready while offline")
    subscriber.close()
    check(edge.ask("PUT", "/link", {"state": "auto"}).status == 200, "PUT /link")


def a_stop_closes_all(edge, subscribers):
    edge.process.terminate()
    listen(subscribers, lambda one: one.ended, "the end")
    codes = {subscriber.closed for subscriber in subscribers}
    check(codes == {1001}, f"closed with {codes}")
    for subscriber in subscribers:
        subscriber.close()
    edge.ended(0)


def test():
    allow_files()
    with scratch() as folder:
        with Edge(folder / "data", prefix=FEW_FILES) as edge:
            ids, subscribers = each_is_told(edge)
            offline_answers_from_here(edge, ids)
            eventually(lambda: gauge(edge) == len(subscribers), "the others are gone")
            a_stop_closes_all(edge, subscribers)
        check_files(folder / "data")


if __name__ == "__main__":
    run(test)
