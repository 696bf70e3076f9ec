"""Loses, swaps and damages the files of a stopped till. It starts again and sells on, the view has
exactly the orders of the store, /status names each file with the reason, and no order number is
given twice without a word.
"""
import contextlib
import pathlib
import shutil
import sqlite3
import subprocess

from lost_files import FIRST, MORE, check_view, find_recovery, go_on, is_whole, recoveries, sell
from tillbox_e2e import Edge, change_db, check, eventually, read_db, run, scratch

DELIVERED_ROWS_REMOVED = 250


def epoch(edge):
    with contextlib.closing(read_db(edge.data / "store.db")) as db:
        return db.execute("SELECT epoch FROM epochs ORDER BY first_row DESC").fetchone()[0]


def remove(data, name):
    for suffix in ("", "-wal", "-shm"):
        (data / f"{name}{suffix}").unlink(missing_ok=True)


def replace(data, name, source):
    remove(data, name)
    shutil.copy(source, data / name)


def log_missing(folder):
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        remove(edge.data, "log.db")
        change_db(edge.data / "store.db", "DELETE FROM outbox WHERE row <= ?",
                  DELIVERED_ROWS_REMOVED)
        edge.start()
        sell(edge, MORE)
        check(len(check_view(edge)) == FIRST + MORE, "orders are missing")
        find_recovery(edge, "log.db", "it is missing")
        go_on(edge)


def log_older(folder):
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        shutil.copy(edge.data / "log.db", folder / "log.db")
        edge.start()
        sell(edge, MORE)
        check_view(edge)
        edge.stop()
        replace(edge.data, "log.db", folder / "log.db")
        edge.start()
        check_view(edge)
        told = find_recovery(edge, "log.db", "it ends at event")
        with contextlib.closing(read_db(told["setAside"])) as db:
            check(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", told)
        go_on(edge)


def log_and_view_damaged(folder):
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        for name in ("log.db", "view.db", "views.db"):
            path = edge.data / name
            if path.exists():
                path.write_bytes(b"damaged!" * 512)
        edge.start()
        check_view(edge)
        for name in ("log.db", "view.db", "views.db"):
            find_recovery(edge, name, "it is damaged")
        go_on(edge)


def only_the_store_is_there(folder):
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        for path in edge.data.iterdir():
            if path.name != "store.db":
                path.unlink()
        change_db(edge.data / "store.db", "DELETE FROM outbox WHERE row <= ?",
                  DELIVERED_ROWS_REMOVED)
        edge.start()
        check(len(check_view(edge)) == FIRST, "orders are missing")
        go_on(edge)


def store_put_back(folder):
    """What was changed before and after the restore, and what was placed meanwhile."""
    with Edge(folder / "data") as edge:
        numbers = sell(edge, FIRST)
        order_id = next(iter(check_view(edge)))
        edge.stop()
        shutil.copy(edge.data / "store.db", folder / "store.db")
        edge.start()
        check(edge.ask("POST", f"/orders/{order_id}/ship").status == 200, "not shipped")
        numbers += sell(edge, 20)
        check_view(edge)
        edge.stop()
        replace(edge.data, "store.db", folder / "store.db")
        edge.start()
        check(edge.ask("POST", f"/orders/{order_id}/cancel").status == 200, "not cancelled")
        fresh = sell(edge, MORE)
        check(not set(fresh) & set(numbers), f"given twice: {sorted(set(fresh) & set(numbers))}")
        check(check_view(edge)[order_id]["status"] == "CANCELLED", "the store's state did not win")
        told = find_recovery(edge, "store.db", "it was put back in time")["reason"]
        check(told in (edge.data / "restored").read_text(), "it is not noted for `tillbox config`")
        check(f"orders {numbers[FIRST]} to {numbers[-1]} are lost" in told and
              f"go on at {fresh[0]}" in told, told)
        go_on(edge)


def view_damaged_inside(folder):
    """The damage shows only when the view is written; then the next start makes it anew."""
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        with (edge.data / "view.db").open("r+b") as file:
            pages = file.seek(0, 2) // 4096
            for page in range(pages // 2, pages):
                file.seek(page * 4096)
                file.write(b"damaged!" * 512)
        edge.start()
        sell(edge, 10)
        eventually(lambda: (edge.data / "damaged").exists(), "the damage is found")
        eventually(lambda: edge.ask("GET", "/healthz").status == 503, "health fails")
        edge.stop()
        edge.start()
        check_view(edge)
        find_recovery(edge, "view.db", "it is damaged")
        check(not (edge.data / "damaged").exists(), "the marker stays")
        go_on(edge)


def any_page_damaged(folder):
    """One page after the other, in log and view: after a few starts everything is well."""
    with Edge(folder / "data") as edge:
        sell(edge, 40)
        check_view(edge)
        edge.stop()
        shutil.copytree(edge.data, folder / "good")
        for name in ("log.db", "view.db"):
            pages = (folder / "good" / name).stat().st_size // 4096
            for page in range(1, pages, 3):
                shutil.rmtree(edge.data)
                shutil.copytree(folder / "good", edge.data)
                with (edge.data / name).open("r+b") as file:
                    file.seek(page * 4096)
                    file.write(b"damaged!" * 512)
                eventually(lambda: is_well_after_a_start(edge), f"{name} is well, page {page}")


def is_well_after_a_start(edge):
    """The threads that write log and view find damage whenever they come to it, so wait until all is
    written or damage is found. /readyz reads the view, so it may be what finds it."""
    edge.begin()
    eventually(lambda: edge.is_ready() or (edge.data / "damaged").exists(),
               "it is ready, or finds the damage")
    sell(edge, 1)
    replies = [edge.ask("GET", path).status for path in
               ("/orders?limit=500", "/orders/stats?groupBy=day", "/orders?customerId=C-1")]
    well = replies == [200, 200, 200] and \
        eventually(lambda: is_whole(edge) or (edge.data / "damaged").exists(),
                   "it is whole, or finds the damage") and not (edge.data / "damaged").exists()
    if well:
        check_view(edge)
    edge.stop()
    return well


def everything_put_back(folder):
    """A backup of the whole folder, written over it: log and view agree with the store."""
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        subprocess.run(["cp", "-a", edge.data, folder / "backup"], check=True)
        edge.start()
        sell(edge, 20)
        before = epoch(edge)
        edge.stop()
        subprocess.run(["cp", "-a", f"{folder / 'backup'}/.", edge.data], check=True)
        edge.start()
        fresh = sell(edge, MORE)
        check(epoch(edge) != before, "events of two histories are numbered alike")
        told = find_recovery(edge, "store.db", "it is a copy")["reason"]
        check(f"go on at {fresh[0]}, and that or a higher number may have been given" in told, told)
        check(len(check_view(edge)) == FIRST + MORE, "orders are missing")
        go_on(edge)
        edge.stop()
        (edge.data / "identity").unlink()  # as good as another file
        edge.start()
        check(len([each for each in recoveries(edge) if "it is a copy" in each["reason"]]) == 2,
              recoveries(edge))


def numbers_go_on(edge, last, words):
    """Numbers that were given and are lost do not come again, and it is told."""
    fresh = sell(edge, 5)
    check(fresh[0] > last, f"{fresh[0]} comes after {last}")
    told = find_recovery(edge, "store.db", words)["reason"]
    check(f"to {last} are lost here" in told, told)


def databases_written_over(folder):
    """A backup of the databases alone, written over them: the files keep their inodes."""
    with Edge(folder / "data") as edge:
        sell(edge, 20)
        check_view(edge)
        edge.stop()
        shutil.copytree(edge.data, folder / "backup")
        edge.start()
        last = sell(edge, 30)[-1]
        edge.stop()
        for path in (folder / "backup").glob("*.db"):
            (edge.data / path.name).write_bytes(path.read_bytes())
        edge.start()
        numbers_go_on(edge, last, "are lost here")  # what log and view had, or the note
        check(len(check_view(edge)) == 25, "orders are missing")
        go_on(edge)


def store_restored_by_sqlite(folder):
    """`sqlite3 store.db '.restore backup'` writes into the file, as VACUUM INTO and cp do not."""
    with Edge(folder / "data") as edge:
        sell(edge, 20)
        check_view(edge)
        edge.stop()
        with contextlib.closing(read_db(edge.data / "store.db")) as db, \
                contextlib.closing(sqlite3.connect(folder / "backup.db")) as backup:
            db.backup(backup)
        edge.start()
        last = sell(edge, 30)[-1]
        check_view(edge)
        edge.stop()
        with contextlib.closing(sqlite3.connect(edge.data / "store.db")) as db, \
                contextlib.closing(sqlite3.connect(folder / "backup.db")) as backup:
            backup.backup(db)
        edge.start()
        numbers_go_on(edge, last, "it was put back in time")
        check(len(check_view(edge)) == 25, "orders are missing")
        go_on(edge)


def all_databases_lost(folder):
    """What is left of the folder tells that there was a store."""
    with Edge(folder / "data") as edge:
        last = sell(edge, 20)[-1]
        edge.stop()
        for name in ("store.db", "log.db", "view.db"):
            remove(edge.data, name)
        edge.start()
        numbers_go_on(edge, last, "it was missing")
        check(len(check_view(edge)) == 5, "orders are missing")
        go_on(edge)


def copies_of_one_run_put_back(folder):
    """Taken while the till ran, and put into the files after a kill: what it had reached since is
    in the file `heartbeat`, which it writes every few seconds."""
    names = ("store.db", "log.db", "view.db")
    with Edge(folder / "data") as edge:
        sell(edge, 30)
        check_view(edge)
        for name in names:
            with contextlib.closing(read_db(edge.data / name)) as db, \
                    contextlib.closing(sqlite3.connect(folder / name)) as copy:
                db.backup(copy)
        last = sell(edge, 20)[-1]
        note, number = edge.data / "heartbeat", str(int(last.split("-")[-1]))
        eventually(lambda: note.exists() and number in note.read_text().split(),
                   "the position is noted")
        edge.kill()
        for name in names:
            with contextlib.closing(sqlite3.connect(edge.data / name)) as db, \
                    contextlib.closing(sqlite3.connect(folder / name)) as copy:
                copy.backup(db)
        edge.start()
        numbers_go_on(edge, last, "it was put back in time")
        check(len(check_view(edge)) == 35, "orders are missing")
        go_on(edge)


def store_lost_beside_its_wal(folder):
    """Orders that only the WAL has are not written over."""
    with Edge(folder / "data") as edge:
        sell(edge, 20)
        edge.kill()
        path, wal = edge.data / "store.db", edge.data / "store.db-wal"
        content = wal.read_bytes()
        check(content, "the WAL is empty")
        path.rename(folder / "kept")
        for is_empty in (False, True):
            if is_empty:
                path.write_bytes(b"")
            check(edge.launch() == "", "it starts")
            check(edge.ended() != 0, "the exit status is 0")
            check(f"{path} is missing or empty, and its -wal has orders" in edge.diagnostics(),
                  edge.diagnostics())
            check(wal.read_bytes() == content, "the WAL was changed")
        shutil.copyfile(folder / "kept", path)
        edge.start()
        check(len(check_view(edge)) == 20, "orders are missing")


def value_damaged(folder):
    """A value that SQLite's check takes for whole: the file is made anew by the next start."""
    for number, (name, change) in enumerate((
            ("view.db", "UPDATE orders SET doc = replace(doc, '\"kind\"', '\"kinx\"')"),
            ("log.db", "UPDATE records SET headers = x'ffffffff'"))):
        with Edge(folder / f"data{number}") as edge:
            sell(edge, 10)
            check_view(edge)
            edge.stop()
            change_db(edge.data / name, change)
            if name == "log.db":
                remove(edge.data, "view.db")
            edge.start()
            with edge.client() as client:
                for order_id in list(edge.orders())[:1] if name == "view.db" else []:
                    client.ask("POST", f"/orders/{order_id}/ship", {})
            eventually(lambda: (edge.data / "damaged").exists(), "the damage is found")
            eventually(lambda: "restart the node" in edge.ask("GET", "/healthz").body.decode(),
                       "health tells the way out")
            edge.stop()
            edge.start()
            check_view(edge)
            find_recovery(edge, name, "a value in it could not be read")
            go_on(edge)


def permissions_changed(folder):
    with Edge(folder / "data") as edge:
        sell(edge, 5)
        edge.stop()
        for path in edge.data.iterdir():
            path.chmod(0o640)
            path.touch()
        edge.start()
        check(recoveries(edge) == [], recoveries(edge))


def store_damaged(folder):
    with Edge(folder / "data") as edge:
        sell(edge, 10)
        edge.stop()
        (edge.data / "store.db").write_bytes(b"damaged!" * 512)
        check(edge.launch() == "", "it starts")
        check(edge.ended() != 0, "the exit status is 0")
        check(f"{edge.data / 'store.db'} is damaged: put back a copy" in edge.diagnostics(),
              edge.diagnostics())


def store_damaged_inside(folder):
    """A page that the start does not read: whoever meets it tells the page and the way out."""
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        path = edge.data / "store.db"
        with contextlib.closing(read_db(path)) as db:
            page = db.execute("SELECT pageno FROM dbstat WHERE name = 'orders' AND"
                              " pagetype = 'leaf' LIMIT 1 OFFSET 2").fetchone()[0]
        with path.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"damaged!" * 512)
        edge.start()
        edge.ask("GET", "/orders/digests")
        health = eventually(lambda: f"page {page}:" in (got := edge.ask("GET", "/healthz")).body
                            .decode().lower() and got, "health names the page")
        check(health.status == 503, health)
        store = health.json()["checks"]["store"]["detail"]
        check(f"{path} is damaged" in store and "put back a copy" in store, store)
        check(store in edge.diagnostics(), "the diagnostics do not tell it")
        check(not (edge.data / "damaged").exists(), "log and view are taken for damaged")


def copy_beside_a_foreign_wal(folder):
    """kill -9 leaves a WAL, and a copy is put over the database file."""
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        shutil.copytree(edge.data, folder / "good")
        edge.start()
        sell(edge, FIRST)
        check_view(edge)
        sell(edge, 20)
        edge.kill()
        for name in ("log.db", "view.db"):
            check((edge.data / f"{name}-wal").stat().st_size > 0, f"{name} has no WAL")
            shutil.copyfile(folder / "good" / name, edge.data / name)
        edge.start()
        check_view(edge)
        for name in ("log.db", "view.db"):
            told = find_recovery(edge, name, "its -wal is of another copy")
            check(pathlib.Path(told["setAside"] + "-wal").exists(), f"no WAL beside {told}")
        sell(edge, 20)
        edge.kill()
        path, wal = edge.data / "store.db", edge.data / "store.db-wal"
        check(wal.stat().st_size > 0, "the store has no WAL")
        shutil.copyfile(folder / "good" / "store.db", path)
        files = path.read_bytes(), wal.read_bytes()
        check(edge.launch() == "", "it starts")
        check(edge.ended() != 0, "the exit status is 0")
        check(f"move it away; or put back the file that it is of: cannot open {path}: its -wal is "
              "of another copy of it" in edge.diagnostics(), edge.diagnostics()[-600:])
        check(files == (path.read_bytes(), wal.read_bytes()), "a file was changed")
        wal.unlink()
        edge.start()
        check(len(check_view(edge)) == FIRST, "it is not the copy")
        find_recovery(edge, "store.db", "it was put back in time")
        go_on(edge)


def log_cannot_be_opened(folder):
    """The till sells all the same, after some tries."""
    with Edge(folder / "data") as edge:
        sell(edge, FIRST)
        check_view(edge)
        edge.stop()
        remove(edge.data, "log.db")
        (edge.data / "log.db").mkdir()
        edge.start()
        check("trying again" in edge.diagnostics(), "it gives up at once")
        check_view(edge)
        told = find_recovery(edge, "log.db", "it cannot be read")
        check(pathlib.Path(told["setAside"]).is_dir(), told)
        go_on(edge)


def test():
    for part in (log_missing, log_older, log_and_view_damaged, only_the_store_is_there,
                 store_put_back, view_damaged_inside, everything_put_back,
                 databases_written_over, store_restored_by_sqlite, all_databases_lost,
                 copies_of_one_run_put_back, store_lost_beside_its_wal, value_damaged,
                 permissions_changed, any_page_damaged, store_damaged, store_damaged_inside,
                 copy_beside_a_foreign_wal,
                 log_cannot_be_opened):
        print(part.__name__)
        with scratch() as folder:
            part(folder)


run(test)
