"""python3 answers.py kafka|mongo HOST PORT SECONDS: waits until the server answers a request of its
own protocol; ends with 1 if it does not in time. `python3 answers.py port COUNT` prints free ports."""
import socket
import struct
import sys
import time


def kafka_request():
    """A Metadata v9 request without topics: a broker that is ready lists itself in the answer."""
    body = struct.pack(">hhih", 3, 9, 1, 4) + b"wait" + b"\0" + b"\1" + b"\0\0\0" + b"\0"
    return struct.pack(">i", len(body)) + body


def kafka_ready(answer):
    # size, correlation, header tags, throttle, then the brokers as a compact array: count + 1
    return len(answer) > 13 and answer[13] > 1


def mongo_request():
    """{isMaster: 1, $db: "admin"} as OP_MSG."""
    document = b"\x10isMaster\0\1\0\0\0" + b"\x02$db\0\6\0\0\0admin\0" + b"\0"
    document = struct.pack("<i", len(document) + 4) + document
    body = struct.pack("<iiiiB", 1, 0, 2013, 0, 0) + document
    return struct.pack("<i", len(body) + 4) + body


def mongo_ready(answer):
    return len(answer) > 16


def answers(host, port, request, ready):
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(request)
            return ready(connection.recv(4096))
    except OSError:
        return False


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    print(*(one.getsockname()[1] for one in held))


def main():
    if sys.argv[1] == "port":
        free_ports(int(sys.argv[2]))
        return 0
    request, ready = {"kafka": (kafka_request(), kafka_ready),
                      "mongo": (mongo_request(), mongo_ready)}[sys.argv[1]]
    deadline = time.monotonic() + float(sys.argv[4])
    while time.monotonic() < deadline:
        if answers(sys.argv[2], int(sys.argv[3]), request, ready):
            return 0
        time.sleep(0.05)
    return 1


sys.exit(main())
