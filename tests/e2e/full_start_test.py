"""A till starts on a disk that is full but for a few KiB, of a file system with blocks of 1 KiB. There
SQLite makes a WAL-index with holes, and to fill one on a full disk would end the process with
SIGBUS. Whatever room there is, the till starts, or says which file has none.
"""
import os

from small_disk import fill, free, small_disk
from tillbox_e2e import Edge, check, order_body, run, scratch

DISK_BYTES = 24 << 20
STEP, MOST = 8192, 56 << 10


def leave(disk, room):
    """Fills the disk, but for `room` bytes."""
    full = disk / "full"
    full.unlink(missing_ok=True)
    for left in (1 << 16, 0, 0):  # the file system's own blocks come and go
        os.sync()
        fill(full, left)
    os.truncate(full, full.stat().st_size - room)
    os.sync()


def start(edge, room):
    """True: it has started."""
    (edge.data / "ballast").unlink(missing_ok=True)
    leave(edge.data.parent, room)
    line = edge.launch()
    if not line:
        edge.ended(1)
        last = edge.diagnostics().splitlines()[-1]
        check("edge.start" in last and ".db" in last, f"{room}: {last}")
        return False
    edge.port = int(line.rpartition(":")[2])
    check(edge.ask("POST", "/orders", order_body(1)).status in (201, 507), f"{room}")
    edge.stop()
    return True


def main():
    with scratch() as folder, small_disk(folder, DISK_BYTES, "ext4-1k") as disk:
        with Edge(disk / "data", err_path=folder / "edge.err",
                  TILLBOX_LIMITS_DISK_RESERVE="0KiB") as edge:
            check(edge.ask("POST", "/orders", order_body(1)).status == 201, "the first order")
            edge.stop()
            started = sum(start(edge, room) for room in range(0, MOST, STEP))
            (disk / "full").unlink()
            edge.start()
            check(edge.ask("POST", "/orders", order_body(1)).status == 201, "with room again")
            edge.stop()
        print(f"{started} of {MOST // STEP} starts had room enough")
        check(started < MOST // STEP, "the disk was never full")


run(main)
