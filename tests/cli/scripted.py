"""A server whose answers a test scripts, and the tillbox command run against it."""
import contextlib
import fcntl
import http.server
import json
import os
import pty
import select
import struct
import subprocess
import termios
import threading

TILLBOX = os.environ["TILLBOX"]
DEADLINE_SECONDS = 60  # for a sanitized build on a busy machine; a test that passes never waits so long
DROP = "drop"          # close the connection instead of answering


class Request:
    def __init__(self, handler, body):
        self.method, self.path, self.body = handler.command, handler.path, body
        self.headers = handler.headers
        self.key = handler.headers["Idempotency-Key"]


class Server:
    """answer(request) returns (status, headers, body) or DROP. All requests are in self.requests."""

    def __init__(self, answer):
        self.requests, self.connections, lock = [], set(), threading.Lock()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            disable_nagle_algorithm = True  # otherwise every answer waits for a delayed ACK
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                request = Request(self, body)
                with lock:
                    server.requests.append(request)
                    server.connections.add(self.client_address)
                result = answer(request)
                if result == DROP:
                    self.close_connection = True
                    return
                status, headers, text = result
                text = text if isinstance(text, bytes) else text.encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = serve

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            request_queue_size = 64
            daemon_threads = True

            def handle_error(self, *_):
                pass  # in some tests the client closes the connection

        self.http = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def environment(url=None, **more):
    env = {key: value for key, value in os.environ.items()
           if not key.startswith("TILLBOX") and key not in ("NO_COLOR", "TERM")}
    env |= {"TERM": "xterm"} | ({"TILLBOX_URL": url} if url else {}) | more
    return env


def tillbox(*args, url=None, stdin="", **env):
    """Runs tillbox with pipes as standard input, output and error."""
    return subprocess.run([TILLBOX, *args], input=stdin, env=environment(url, **env), text=True,
                          capture_output=True, timeout=DEADLINE_SECONDS)


def set_columns(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def tillbox_on_terminal(*args, url=None, columns=100, on_output=None, **env):
    """Runs tillbox on a new terminal; returns (exit status, everything that it printed).
    on_output is called with all bytes shown so far and the terminal's descriptor."""
    master, slave = pty.openpty()
    set_columns(slave, columns)
    process = subprocess.Popen([TILLBOX, *args], stdin=slave, stdout=slave, stderr=slave,
                               env=environment(url, **env), start_new_session=True)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the last writer is
        while select.select([master], [], [], DEADLINE_SECONDS)[0]:
            part = os.read(master, 65536)
            if not part:
                break
            shown += part
            if on_output:
                on_output(shown, master)
    os.close(master)
    return process.wait(DEADLINE_SECONDS), shown.decode().replace("\r\n", "\n")


def problem(status, detail, *errors):
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    if errors:
        body["errors"] = [{"pointer": pointer, "detail": text} for pointer, text in errors]
    return status, {"Content-Type": "application/problem+json"}, json.dumps(body)


def ok(body, status=200, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body)
