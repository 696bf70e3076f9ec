"""A TCP proxy between a program and a server, which loses what it is told to."""
import socket
import threading


class Proxy:
    """Listens before there is a server; its mode, of every connection:

    pass          all goes through
    swallow       requests go through, replies do not
    cut N         after N bytes of replies both sides are closed
    silent        nothing goes through, and nobody is told

    A connection that has lost something never gets well again, nor is it closed.
    """

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.mode, self.cut_after, self.target = "pass", 0, None
        self.open, self.lock = set(), threading.Lock()
        self.lost = {"swallow": 0, "cut": 0, "silent": 0}  # how often each mode was met

    def serve(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        threading.Thread(target=self.accept, daemon=True).start()

    def set(self, mode, cut_after=0):
        self.cut_after, self.mode = cut_after, mode

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        try:
            server = socket.create_connection(self.target, timeout=5)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        with self.lock:
            self.open |= {client, server}
        state = {"dead": False, "replied": 0}
        for source, sink, is_reply in ((client, server, False), (server, client, True)):
            threading.Thread(target=self.pump, args=(source, sink, is_reply, state),
                             daemon=True).start()

    def pump(self, source, sink, is_reply, state):
        try:
            while data := source.recv(65536):
                if not self.loses(data, is_reply, state):
                    sink.sendall(data)
        except OSError:
            pass
        self.shut(source, sink)

    def loses(self, data, is_reply, state):
        mode = self.mode
        if state["dead"]:
            return is_reply or state["dead"] == "silent"
        if mode == "silent" or (mode == "swallow" and is_reply):
            state["dead"] = mode
            self.lost[mode] += 1
            return True
        if mode == "cut" and is_reply:
            state["replied"] += len(data)
            if state["replied"] > self.cut_after:
                self.lost[mode] += 1
                raise OSError("cut")
        return False

    def shut(self, *sockets):
        with self.lock:
            self.open -= set(sockets)
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.shut(*tuple(self.open))
