"""Removes, moves, replaces and empties the files of a till that runs. Within about a second it
refuses orders, and says which file and what to do; what can be rescued is, nothing is made of a
hole, and what is lost is told by the next start.
"""
import contextlib
import pathlib
import sqlite3

from lost_files import FIRST, check_view, find_recovery, go_on, recoveries, sell
from tillbox_e2e import Edge, check, eventually, order_body, run, scratch


def store_removed_while_it_is_open(folder):
    """What is stored in a file without a name is gone with the process: it is not acknowledged."""
    with Edge(folder / "data") as edge:
        sell(edge, 10)
        check_view(edge)
        (edge.data / "store.db").rename(folder / "store.db")
        reply = edge.ask("POST", "/orders", order_body(1))
        check(reply.status == 503, reply)
        eventually(lambda: edge.ask("GET", "/readyz").status == 503, "it is not ready")
        check("put it back" in check_told(edge, "store", edge.data / "store.db"), "no way out")
        (folder / "store.db").rename(edge.data / "store.db")
        eventually(lambda: edge.ask("POST", "/orders", order_body(2)).status == 201, "it sells")
        check(len(check_view(edge)) == 11, "orders are missing")


def sell_until_refused(edge):
    """Returns how many orders were acknowledged, and the refusal."""
    placed = []

    def refusal():
        reply = edge.ask("POST", "/orders", order_body(len(placed)))
        if reply.status == 201:
            placed.append(reply.json()["orderNumber"])
        return reply.status == 503 and "restart the node" in reply.body.decode() and reply

    return placed, eventually(refusal, "orders are refused", pause=0.1)


def lost_lines(edge, path):
    return [line for line in edge.diagnostics().splitlines()
            if "edge.file_lost" in line and f"{path} was" in line]


def check_told(edge, check_name, *paths):
    def detail():
        found = edge.ask("GET", "/healthz").json()["checks"][check_name].get("detail", "")
        return all(str(path) in found for path in paths) and \
            "restart the node" in found and found

    found = eventually(detail, f"health tells {paths} and what to do")
    for path in paths:
        eventually(lambda: lost_lines(edge, path), f"the diagnostics tell {path}")
        check(len(lost_lines(edge, path)) == 1, lost_lines(edge, path))
    return found


def rows_without_wal(path):
    uri = f"file:{path}?immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        return db.execute("SELECT count(*) FROM orders").fetchone()[0]


def wal_removed_while_it_is_open(folder):
    """No acknowledged order is lost: the till brings them into the file and says what to do."""
    for number, change in enumerate((pathlib.Path.unlink,
                                     lambda path: path.rename(folder / "moved"),
                                     lambda path: (folder / "empty").rename(path))):
        (folder / "empty").write_bytes(b"")
        with Edge(folder / f"data{number}") as edge:
            sell(edge, FIRST)
            wal = edge.data / "store.db-wal"
            change(wal)
            placed, reply = sell_until_refused(edge)
            check(str(wal) in reply.json()["detail"], reply)
            check_told(edge, "store", wal)
            check(edge.ask("GET", "/readyz").status == 503, "it is ready")
            count = FIRST + len(placed)
            if number == 0:
                eventually(lambda: rows_without_wal(edge.data / "store.db") == count, "all is rescued")
                edge.kill()
            else:
                edge.stop()
            edge.start()
            check(len(check_view(edge)) == count, "orders are lost")
            check(not recoveries(edge), recoveries(edge))
            go_on(edge)


def wals_emptied_while_they_are_open(folder):
    """Nothing is made of the holes, and what is lost is told, although log and view lose the same."""
    for number, names in enumerate((["store.db"], ["store.db", "log.db", "view.db"])):
        with Edge(folder / f"data{number}") as edge:
            known = sell(edge, FIRST)
            edge.catch_up()
            edge.stop()
            edge.start()
            known += sell(edge, 20)
            edge.catch_up()
            for name in names:
                check((edge.data / f"{name}-wal").stat().st_size > 0, f"{name} has no WAL")
                (edge.data / f"{name}-wal").write_bytes(b"")
            placed, reply = sell_until_refused(edge)
            check(str(edge.data / "store.db-wal") in reply.json()["detail"], reply)
            check_told(edge, "store", edge.data / "store.db-wal")
            edge.stop()
            edge.start()
            check(len(check_view(edge)) == FIRST, "it is not what the file had")
            told = find_recovery(edge, "store.db", "it was put back in time")["reason"]
            check(f"orders {known[FIRST]} to {(known + placed)[-1]} are lost" in told, told)
            fresh = sell(edge, 1)
            check(not set(fresh) & set(known + placed), f"given twice: {fresh}")
            go_on(edge)


def wals_of_log_and_view_removed(folder):
    """Orders are taken; the next start looks through the files and mends them."""
    for number, change in enumerate((pathlib.Path.unlink, lambda path: path.write_bytes(b""))):
        with Edge(folder / f"data{number}") as edge:
            sell(edge, FIRST)
            check_view(edge)
            paths = [edge.data / "log.db-wal", edge.data / "view.db-wal"]
            for path in paths:
                change(path)
            check_told(edge, "files", *paths)
            eventually(lambda: (edge.data / "damaged").exists(), "the next start looks")
            sell(edge, 20)
            edge.stop()
            edge.start()
            check(len(check_view(edge)) == FIRST + 20, "orders are lost")
            check(not (edge.data / "damaged").exists(), "the marker stays")
            go_on(edge)


def store_cut_while_it_is_open(folder):
    with Edge(folder / "data") as edge:
        known = sell(edge, FIRST)
        edge.stop()
        edge.start()
        known += sell(edge, 20)
        edge.catch_up()
        path = edge.data / "store.db"
        path.write_bytes(b"")
        placed, reply = sell_until_refused(edge)
        check(f"{path} was cut short" in reply.json()["detail"], reply)
        check_told(edge, "store", path)
        edge.stop()
        check(path.stat().st_size == 0, "pages were put into the hole")
        check(edge.launch() == "", "it starts beside a WAL with orders")
        check(f"{path} is missing or empty, and its -wal has orders" in edge.diagnostics(),
              edge.diagnostics())
        (edge.data / "store.db-wal").unlink()
        edge.start()
        told = find_recovery(edge, "store.db", "are lost")["reason"]
        check(f"orders {known[0]} to {(known + placed)[-1]} are lost" in told, told)


def put_into(path, copy):
    with contextlib.closing(sqlite3.connect(path)) as to, \
            contextlib.closing(sqlite3.connect(copy)) as source:
        source.backup(to)


def copies_put_into_open_files(folder):
    """`.restore` of the sqlite3 shell into a file that is open. Numbers do not come again."""
    for number, names in enumerate((["store.db"], ["log.db"], ["view.db"],
                                    ["store.db", "log.db", "view.db"])):
        with Edge(folder / f"data{number}") as edge:
            known = sell(edge, 30)
            check_view(edge)
            for name in names:
                put_into(folder / f"{number}-{name}", edge.data / name)
            known += sell(edge, 30)
            check_view(edge)
            for name in names:
                put_into(edge.data / name, folder / f"{number}-{name}")
            if names == ["store.db"]:
                eventually(lambda: edge.ask("GET", "/healthz").status == 503,
                           "it is noticed before the next order")
            if "store.db" in names:
                placed, reply = sell_until_refused(edge)
                check("store.db was overwritten by another program" in reply.json()["detail"],
                      reply)
                check(placed == [], placed)
                check_told(edge, "store", edge.data / "store.db")
            else:
                known += sell(edge, 5)
                check_told(edge, "files", edge.data / names[0])
            edge.stop()
            edge.start()
            rows = check_view(edge)
            check(len(rows) == (30 if "store.db" in names else 65), len(rows))
            fresh = sell(edge, 1)
            check(not set(fresh) & set(known), f"given twice: {fresh}")
            if "store.db" in names:
                told = find_recovery(edge, "store.db", "it was put back in time")["reason"]
                check(f"orders {known[30]} to {known[-1]} are lost" in told, told)
            go_on(edge)


def test():
    for part in (store_removed_while_it_is_open, wal_removed_while_it_is_open,
                 wals_emptied_while_they_are_open, wals_of_log_and_view_removed,
                 store_cut_while_it_is_open, copies_put_into_open_files):
        print(part.__name__)
        with scratch() as folder:
            part(folder)


run(test)
