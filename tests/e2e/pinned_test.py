"""Another program's snapshots keep the WALs of a node on a small disk from being emptied, until
orders are refused with 507. Whatever happens then - the reader leaves, the disk is filled to its
last byte, the node is stopped or killed - the node starts, answers reads, and takes orders again by
itself once there is room; and nothing acknowledged is lost.
"""
import contextlib

from holder import holder
from small_disk import fill, free, small_disk
from tillbox_e2e import Edge, Skipped, check, check_files, eventually, order_body, run, scratch
from workload import Load, Worker, check_promises, settle

DISK_BYTES = 64 << 20
RESERVE_BYTES = 8 << 20
# Less than the checkpoints of a WAL that fills the disk write into the file.
SMALL_RESERVE_BYTES = 1 << 20
CLIENTS = 4
SEED = 31
# Whole commits and checkpoints on a slow machine.
RECOVER_SECONDS = 120


def place(edge):
    return edge.ask("POST", "/orders", order_body(1)).status


def sell_until_full(edge, workers):
    load = Load(edge, workers, looks=0)
    eventually(lambda: place(edge) == 507, "the disk is full", RECOVER_SECONDS)
    load.join()


def sells(edge):
    eventually(lambda: place(edge) == 201, "orders are taken again", RECOVER_SECONDS)


def reader(data, name="*.db"):
    return holder("BEGIN", *data.glob(name))


def reader_leaves(edge, workers, data, name="*.db"):
    """Nothing but the reader's end: no restart, no order that could be the first to be taken."""
    with reader(data, name):
        sell_until_full(edge, workers)
    sells(edge)
    settle(edge, workers)


def wal_gives_room(edge, workers, data, ballast):
    """Other data has the room that was left, and more. The WAL's own room is enough to sell in."""
    with reader(data, "store.db"):
        sell_until_full(edge, workers)
        fill(ballast, RESERVE_BYTES - (1 << 20))
    sells(edge)
    settle(edge, workers)
    ballast.unlink()


def restart_on_a_full_disk(edge, workers, data, ballast, how, reader_stays):
    with contextlib.ExitStack() as held:
        held.enter_context(reader(data))
        sell_until_full(edge, workers)
        fill(ballast, 0)
        if not reader_stays:
            held.close()
        edge.stop() if how == "stop" else edge.kill()
        fill(ballast, 0)  # what the end has freed
        for _ in range(2):
            edge.start()
            # What the start has copied out of the WALs may have made room again.
            has_room = free(data) > RESERVE_BYTES
            check(place(edge) == 507 or has_room, "an order was taken on a full disk")
            check(edge.ask("GET", "/orders?limit=1").status == 200, "reading stopped")
            edge.kill()
        edge.start()
    ballast.unlink()
    sells(edge)
    settle(edge, workers)


def start(folder, data, reserve):
    return Edge(data, err_path=folder / "edge.err",
                TILLBOX_LIMITS_DISK_RESERVE=f"{reserve // 1024}KiB")


def try_disk(kind):
    workers = [Worker(number, SEED) for number in range(CLIENTS)]
    with scratch() as folder, small_disk(folder, DISK_BYTES, kind) as disk:
        ballast, data = disk / "other-data", disk / "data"
        with start(folder, data, SMALL_RESERVE_BYTES) as edge:
            reader_leaves(edge, workers, data, "store.db")
            edge.stop()
        with start(folder, data, RESERVE_BYTES) as edge:
            reader_leaves(edge, workers, data)
            wal_gives_room(edge, workers, data, ballast)
            print(f"the reader left; {free(disk) >> 20} MiB are free")
            for how in ("stop", "kill"):
                for stays in (False, True):
                    restart_on_a_full_disk(edge, workers, data, ballast, how, stays)
                    print(f"{how}, the reader {'stays' if stays else 'leaves'}: it sells")
            workers[0].in_doubt += 100000  # the test's own orders, which the workload does not know
            count = check_promises(edge, workers)
            edge.stop()
        check(len(check_files(data)) == count, "the store has another count")
        print(f"{kind}: {count} orders intact")


def main():
    try_disk("tmpfs")
    try:
        try_disk("ext4")
    except Skipped as skipped:
        print(f"no ext4: {skipped}")


run(main)
