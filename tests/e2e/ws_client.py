"""A minimal WebSocket client: subscribes and receives, thousands of them in one thread."""
import json
import os
import select
import socket
import struct
import time

from tillbox_e2e import DEADLINE_SECONDS, check

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def handshake(host="127.0.0.1", **headers):
    lines = ["GET /ws HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
             "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(payload, opcode=TEXT):
    mask = os.urandom(4)
    check(len(payload) < 126, "a longer frame than this client sends")
    return (bytes([0x80 | opcode, 0x80 | len(payload)]) + mask +
            bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))


def subscription(order_id=None):
    topic = f"/topic/orders/{order_id}" if order_id else "/topic/orders"
    return frame(json.dumps({"subscribe": topic}).encode())


class Subscriber:
    """`heard` has the notifications as (order id, version); `closed` the code of the close frame.
    """

    def __init__(self, port, *topics):
        self.sock = socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(handshake() + b"".join(subscription(topic) for topic in topics))
        self.data, self.entered, self.ended = b"", False, False
        self.heard, self.closed = [], None

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()

    def receive(self):
        """The frames that have arrived, or the next ones."""
        try:
            part = self.sock.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            self.ended = True
            return
        self.data += part
        if not self.entered:
            if b"\r\n\r\n" not in self.data:
                return
            head, _, self.data = self.data.partition(b"\r\n\r\n")
            check(head.startswith(b"HTTP/1.1 101 ") and ACCEPT in head, f"no WebSocket: {head}")
            self.entered = True
        while self.take_frame():
            pass

    def take_frame(self):
        if len(self.data) < 2:
            return False
        size, head = self.data[1], 2
        check(size < 127, "a masked or huge frame from the server")
        if size == 126:
            if len(self.data) < 4:
                return False
            size, head = struct.unpack(">H", self.data[2:4])[0], 4
        if len(self.data) < head + size:
            return False
        opcode, payload = self.data[0] & 15, self.data[head:head + size]
        self.data = self.data[head + size:]
        if opcode == TEXT:
            message = json.loads(payload)
            check(message["status"] == "ready", message)
            self.heard.append((message["orderId"], message["version"]))
        elif opcode == PING:
            self.sock.sendall(frame(payload, PONG))
        elif opcode == CLOSE:
            self.closed = struct.unpack(">H", payload[:2])[0]
        return True


def listen(subscribers, done, what, seconds=DEADLINE_SECONDS):
    """Receives for all clients until done(client) is true of each."""
    deadline = time.monotonic() + seconds
    waiting = {subscriber.fileno(): subscriber for subscriber in subscribers
               if not done(subscriber)}
    poll = select.epoll()
    for fd in waiting:
        poll.register(fd, select.EPOLLIN)
    while waiting:
        check(time.monotonic() < deadline, f"{len(waiting)} still wait: {what}")
        for fd, _ in poll.poll(0.1):
            subscriber = waiting[fd]
            subscriber.receive()
            check(done(subscriber) or not subscriber.ended, f"cut off: {what}")
            if done(subscriber):
                poll.unregister(fd)
                del waiting[fd]
    poll.close()
