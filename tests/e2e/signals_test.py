"""Starting and stopping: a request that was received is answered, and a start that fails says why.
SIGTERM under load ends the daemon with status 0 within 5 s, a second signal ends it at once, every
failed start is one clear line and status 2, and a process that was frozen for 2 s loses nothing.
"""
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from tillbox_e2e import (Edge, Lost, Skipped, check, check_files, eventually, need_program, request,
                         run, scratch)
from workload import Load, Worker, check_promises, settle

CLIENTS = 16
STOP_SECONDS = 5
# A sanitized build checks for leaks at its end; that time is not the daemon's.
SLACK_SECONDS = 5
FROZEN_SECONDS = 2
NOBODY = 65534


def terms_under_load(folder):
    """Everything answered before the end is stored, and no client gets half an answer."""
    data = folder / "term"
    workers = [Worker(number, 15) for number in range(CLIENTS)]
    for _ in range(3):
        with Edge(data) as edge:
            load = Load(edge, workers)
            load.wait_for(200)
            load.trouble = True
            edge.stop(STOP_SECONDS + SLACK_SECONDS)
            load.join()
    with Edge(data) as edge:
        settle(edge, workers)
        check_promises(edge, workers)
        edge.stop()
    check_files(data)


def answers_what_was_taken(folder):
    """Requests whose last byte arrived before SIGTERM get their answer."""
    with Edge(folder / "taken") as edge:
        waiting = [edge.client() for _ in range(8)]
        for client in waiting:
            client.connect()
            client.sock.sendall(request("POST", "/orders", {
                "lines": [{"sku": "TEA", "quantity": 1, "unitPriceMinor": 1}]}))
        # Only requests that the daemon has read must be answered; the view shows which.
        eventually(lambda: len(edge.orders()) == len(waiting), "the orders are in")
        edge.process.send_signal(signal.SIGTERM)
        for client in waiting:
            check(client.read_reply().status == 201, "taken, and not answered")
            client.close()
        edge.ended(0)


def second_signal(folder):
    """A client that never finishes its body delays the stop until the second signal."""
    with Edge(folder / "second") as edge:
        with edge.client() as client:
            client.connect()
            client.sock.sendall(request("POST", "/orders", b" " * 1000)[:-500])
            edge.process.send_signal(signal.SIGTERM)
            eventually(lambda: refuses_connections(edge.port) or edge.process.poll() is not None,
                       "it stops listening")
            started = time.monotonic()
            edge.process.send_signal(signal.SIGTERM)
            edge.ended(seconds=STOP_SECONDS)
            check(time.monotonic() - started < 2, "the second signal is not at once")
    with Edge(folder / "second") as edge:
        edge.stop()


def refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return True
    return False


def check_refused(edge, *words):
    """The daemon does not start: status 2, and one line that contains the words."""
    check(edge.launch() == "", "it says that it listens")
    edge.ended(2)
    said = edge.diagnostics().strip()
    check("\n" not in said, f"more than one line: {said}")
    for word in words:
        check(str(word) in said, f"no word of {word}: {said}")


def refused_starts(folder):
    with Edge(folder / "first") as first:
        check_refused(Edge(folder / "first", err_path=folder / "again.err"), first.process.pid)
        check_refused(Edge(folder / "port", listen=f"127.0.0.1:{first.port}"), first.port)
        check(first.ask("GET", "/readyz").status == 200, "the first one suffered")
        first.stop()
    check_refused(Edge(folder / "flag", "--no-such-flag=x"), "--no-such-flag")
    check_refused(Edge(folder / "address", listen="nowhere"), "nowhere")
    check_refused(Edge(folder / "env", TILLBOX_NODE_COLOUR="red"), "TILLBOX_NODE_COLOUR")
    config = folder / "bad.conf"
    config.write_text("[node]\nname = till1\n[http]\nlisen = 127.0.0.1:0\n")
    check_refused(Edge(folder / "key", "--config", str(config)), "bad.conf", "4", "lisen")
    file = folder / "file"
    file.write_text("not a folder")
    check_refused(Edge(file, err_path=folder / "file.err"), file)


def not_writable(folder):
    """As a user without write permission."""
    if os.geteuid() != 0:
        data = folder / "locked"
        data.mkdir(mode=0o555)
        return check_refused(Edge(data), data)
    need_program("setpriv")
    # A place where that user can reach the program and the folder.
    folder.chmod(0o755)
    program = folder / "edge"
    shutil.copy(os.environ["TILLBOX_EDGE"], program)
    data = folder / "locked"
    data.mkdir(mode=0o555)
    prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        raise Skipped("setpriv may not change the user")

    class OtherUsersEdge(Edge):
        def command(self):
            words = super().command()
            words[len(self.prefix)] = str(program)
            return words

    return check_refused(OtherUsersEdge(data, prefix=prefix), data)


def frozen(folder):
    """SIGSTOP for 2 s under load: clients wait, then everything continues as before."""
    data = folder / "frozen"
    workers = [Worker(number, 19) for number in range(CLIENTS)]
    with Edge(data) as edge:
        load = Load(edge, workers)
        for _ in range(2):
            load.wait_for(load.answered + 100)
            edge.process.send_signal(signal.SIGSTOP)
            time.sleep(FROZEN_SECONDS)  # this is the fault itself, not a wait for something
            edge.process.send_signal(signal.SIGCONT)
        load.wait_for(load.answered + 100)
        load.join()
        check(all(worker.open_command is None and worker.in_doubt == 0 for worker in workers),
              "an answer was lost")
        count = check_promises(edge, workers)
        edge.stop()
    check(len(check_files(data)) == count, "the store has another count")


def main():
    with scratch() as folder:
        for part in (terms_under_load, answers_what_was_taken, second_signal, refused_starts,
                     not_writable, frozen):
            started = time.monotonic()
            part(folder)
            print(f"{part.__name__}: {time.monotonic() - started:.1f} s")


run(main)
