"""Odd things stand in the place of a stopped till's files. What is made from the store is set aside
and made anew; what is the store's is told by path with what to do; a program that keeps a file for
itself is named.
"""
import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys

from holder import holder
from tillbox_e2e import Edge, check, eventually, order_body, run, scratch

ORDERS = 30
MADE_ANEW = ("log.db", "view.db", "views.db")
SUFFIXES = ("", "-wal", "-shm")
# Keeps the file for itself until its input ends.
EXCLUSIVE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def sell(edge, count):
    with edge.client() as client:
        for number in range(count):
            reply = client.ask("POST", "/orders", order_body(number))
            check(reply.status == 201, reply)
    edge.catch_up()


def beside(path, suffix):
    return path.with_name(path.name + suffix)


def remove(path):
    for suffix in SUFFIXES:
        beside(path, suffix).unlink(missing_ok=True)


def lose_tables(path):
    """What is left says that it has them."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        owner, version = (db.execute(f"PRAGMA {name}").fetchone()[0]
                          for name in ("application_id", "user_version"))
    remove(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id={owner}")
        db.execute(f"PRAGMA user_version={version}")


def link_to_nothing(path):
    remove(path)
    path.symlink_to(path.with_name("away") / path.name)


def link_to_a_gone_neighbour(path):
    remove(path)
    path.symlink_to(path.with_name("away.db"))


def index_is_a_folder(path):
    beside(path, "-shm").unlink(missing_ok=True)
    beside(path, "-shm").mkdir()


FAULTS = (lose_tables, link_to_nothing, index_is_a_folder)


def made_anew(edge, name, fault):
    fault(edge.data / name)
    edge.start()
    sell(edge, 1)
    told = [each for each in edge.ask("GET", "/status").json()["recoveries"]
            if each["file"] == name]
    check(len(told) == 1 and os.path.lexists(told[0]["setAside"]), f"{fault.__name__}: {told}")
    count = len(edge.orders())
    edge.stop()
    return count


def told_by_path(edge, fault):
    store = edge.data / "store.db"
    fault(store)
    check(edge.launch() == "", f"{fault.__name__}: it has started")
    edge.ended(1)
    last = edge.diagnostics().splitlines()[-1]
    named = beside(store, "-shm") if fault is index_is_a_folder else store
    check(f"{named} is " in last and ("move" in last or "remove" in last), last)


def odd_files(folder):
    with Edge(folder / "data") as edge:
        sell(edge, ORDERS)
        for name in ("store.db", "store.db-wal", "store.db-shm", *MADE_ANEW):
            mode = stat.S_IMODE((edge.data / name).stat().st_mode)
            check(mode == 0o600, f"{name} has mode {mode:o}")
        edge.stop()
        shutil.copytree(edge.data, folder / "kept")
        for fault in FAULTS:
            for name in MADE_ANEW:
                shutil.rmtree(edge.data)
                shutil.copytree(folder / "kept", edge.data)
                check(made_anew(edge, name, fault) == ORDERS + 1, f"{fault.__name__} of {name}")
        # SQLite would begin an empty store where the last link leads.
        for fault in (*FAULTS, link_to_a_gone_neighbour):
            shutil.rmtree(edge.data)
            shutil.copytree(folder / "kept", edge.data)
            told_by_path(edge, fault)


def exclusive_lock(folder):
    """The error that ends the start names who has the file."""
    with Edge(folder / "data") as edge:
        sell(edge, 1)
        edge.stop()
        path = edge.data / "store.db"
        with subprocess.Popen([sys.executable, "-c", EXCLUSIVE, str(path)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            check(other.stdout.readline() == "held\n", "the other program holds nothing")
            check(edge.launch() == "", "it has started")
            edge.ended(1)
            last = edge.diagnostics().splitlines()[-1]
            check(f"(pid {other.pid}) has it locked" in last and str(path) in last, last)
            other.stdin.close()
        edge.start()
        sell(edge, 1)
        edge.stop()


def wal_is_cut(folder):
    """A snapshot stops a checkpoint, so that view.db needs its WAL; then the till is killed."""
    with Edge(folder / "data") as edge:
        sell(edge, 500)
        with holder("BEGIN", edge.data / "view.db"):
            sell(edge, 1500)
            index = beside(edge.data / "view.db", "-shm").read_bytes()
            copied = int.from_bytes(index[96:100], sys.byteorder)
            check(copied > 1, "no checkpoint has stopped at the snapshot")
            edge.kill()
            shutil.copytree(edge.data, folder / "kept")
        for frames in (1, copied // 2, copied - 1):
            shutil.rmtree(edge.data)
            shutil.copytree(folder / "kept", edge.data)
            os.truncate(beside(edge.data / "view.db", "-wal"), 32 + frames * (24 + 4096))
            edge.start()
            told = [each["reason"] for each in edge.ask("GET", "/status").json()["recoveries"]
                    if each["file"] == "view.db"]
            check(len(told) == 1 and "-wal was cut" in told[0], f"{frames}: {told}")
            eventually(lambda: len(edge.orders()) == 2000, "the view has all orders")
            edge.stop()


def main():
    for part in (odd_files, exclusive_lock, wal_is_cut):
        with scratch() as folder:
            part(folder)


run(main)
