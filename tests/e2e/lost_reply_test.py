"""A connection breaks at some point of request or reply; repeated with its key, the command makes
one order. A proxy passes on the first N bytes of the request, for every N, and breaks off; or it
passes on all of it and keeps the reply. Then 16 clients send the same key at once.
"""
import json
import socket
import struct
import threading
import uuid

from tillbox_e2e import (Client, Edge, Lost, check, check_files, order_body, request, run, scratch)

PARALLEL = 16
PARALLEL_ROUNDS = 20
LOST_REPLIES = 50
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST instead of FIN


class Proxy:
    """Serves one connection at a time. cut: how many bytes of the request it passes on."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()

    def break_off(self, raw, cut, reset):
        """Sends `raw` through the proxy. Returns the reply, which the client does not get, if the
        whole request was passed on."""
        kept = []
        thread = threading.Thread(target=self._serve, args=(len(raw), cut, reset, kept))
        thread.start()
        try:
            with Client(self.address[1]) as client:
                client.exchange(raw)
            check(False, "the proxy passed a reply on")
        except Lost:
            pass
        thread.join()
        return kept[0] if kept else None

    def _serve(self, length, cut, reset, kept):
        client, _ = self.listener.accept()
        with client, Client(self.port) as server:
            server.connect()
            data = b""
            while len(data) < length:
                data += client.recv(65536)
            server.sock.sendall(data[:cut])
            if cut == length:
                kept.append(server.read_reply())
            for sock in (client, server.sock):
                if reset and sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def place(number, key):
    body = json.dumps(order_body(number), separators=(",", ":")).encode()
    return request("POST", "/orders", body, idempotency_key=key)


def cut_requests(edge, proxy):
    """At every cut point: the client repeats at once."""
    length = len(place(0, uuid.uuid4().hex))
    with edge.client() as client:
        for cut in range(length):
            raw = place(0, uuid.uuid4().hex)
            proxy.break_off(raw, cut, reset=cut % 2 == 0)
            again = client.exchange(raw)
            check(again.status == 201, f"cut at {cut}: {again}")
            check("idempotency-replayed" not in again.headers, f"cut at {cut}, and carried out")
    return length


def lose_replies(edge, proxy):
    """The repeat's answer is the lost answer, byte for byte."""
    with edge.client() as client:
        for number in range(LOST_REPLIES):
            raw = place(number, uuid.uuid4().hex)
            lost = proxy.break_off(raw, len(raw), reset=number % 2 == 0)
            check(lost and lost.status == 201, f"the lost reply: {lost}")
            again = client.exchange(raw)
            check(again.status == 201 and again.body == lost.body, f"{again} after {lost}")
            check(again.headers.get("idempotency-replayed") == "true", "not said to be a replay")
            for name in ("location", "etag"):
                check(again.headers.get(name) == lost.headers.get(name), f"another {name}")
    return LOST_REPLIES


def repeat_in_parallel(edge):
    """16 clients with the same key at once: one command is carried out, all get the same answer.
    """
    for number in range(PARALLEL_ROUNDS):
        raw, barrier, replies = place(number, uuid.uuid4().hex), threading.Barrier(PARALLEL), []

        def send(raw=raw, barrier=barrier, replies=replies):
            with edge.client() as client:
                client.connect()
                barrier.wait()
                replies.append(client.exchange(raw))

        threads = [threading.Thread(target=send) for _ in range(PARALLEL)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(len(replies) == PARALLEL, f"only {len(replies)} answers")
        check({(reply.status, reply.body) for reply in replies} == {(201, replies[0].body)},
              f"different answers: {replies}")
        first = [reply for reply in replies if "idempotency-replayed" not in reply.headers]
        check(len(first) == 1, f"{len(first)} of them were carried out")
    return PARALLEL_ROUNDS


def refuse_another_use(edge):
    """The same key with another body is refused and changes nothing."""
    key = uuid.uuid4().hex
    with edge.client() as client:
        check(client.exchange(place(1, key)).status == 201, "the first use")
        check(client.exchange(place(2, key)).status == 422, "another body under the same key")
        check(client.exchange(place(1, key)).status == 201, "the first use again")
    return 1


def main():
    with scratch() as folder, Edge(folder / "data") as edge:
        proxy = Proxy(edge.port)
        orders = (cut_requests(edge, proxy) + lose_replies(edge, proxy) +
                  repeat_in_parallel(edge) + refuse_another_use(edge))
        edge.catch_up()
        check(len(edge.orders()) == orders, f"{len(edge.orders())} orders, not {orders}")
        edge.stop()
        check(len(check_files(folder / "data")) == orders, "the store has another count")
        print(f"{orders} keys, {orders} orders")


run(main)
