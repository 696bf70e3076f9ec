"""Power cuts on a real file system, 50 times under load: every order answered 201 is there afterwards.

A loop-mounted ext4 is shut down without flushing its journal (EXT4_IOC_SHUTDOWN): what was not
synced is gone, as when the plug is pulled. Needs root and loop devices.

The ioctl takes some milliseconds, and an fdatasync that is under way meanwhile may return 0 though
its data is gone (seen on Linux 6.18). A machine without power sends no answers, so only answers
from before the cut count.
"""
import contextlib
import fcntl
import os
import random
import shutil
import sqlite3
import struct
import subprocess

from tillbox_e2e import Edge, Skipped, check, check_files, need_program, need_root, run, scratch
from workload import Load, Worker, check_promises, look_at, settle

CUTS = 50
CLIENTS = 8
SEED = 125
IMAGE_BYTES = 512 << 20
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NOLOGFLUSH = struct.pack("I", 2)


def command(*words):
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Skipped(f"{' '.join(words)}: {result.stderr.strip()}")
    return result.stdout.strip()


class Disk:
    """An ext4 file system in a file, on a loop device, that can be shut down."""

    def __init__(self, folder):
        need_root("a loop-mounted file system")
        for name in ("losetup", "mkfs.ext4", "mount"):
            need_program(name)
        self.mounted = folder / "disk"
        self.mounted.mkdir()
        image = folder / "image"
        with image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        command("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", str(image))
        self.device = command("losetup", "--find", "--show", str(image))

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", str(self.mounted)], capture_output=True, check=False)
        subprocess.run(["losetup", "--detach", self.device], capture_output=True, check=False)

    def mount(self):
        command("mount", "-t", "ext4", self.device, str(self.mounted))

    def cut(self):
        root = os.open(self.mounted, os.O_RDONLY)
        try:
            fcntl.ioctl(root, EXT4_IOC_SHUTDOWN, NOLOGFLUSH)
        except OSError as error:
            raise Skipped(f"EXT4_IOC_SHUTDOWN: {error}") from error
        finally:
            os.close(root)

    def come_back(self):
        command("umount", str(self.mounted))
        self.mount()


def look_at_all(edge, workers):
    """Every command acknowledged since the last cut is there."""
    with edge.client() as client:
        for worker in workers:
            for order in worker.touched:
                look_at(client, order)
            worker.touched = []


def check_copy(data, folder):
    """The files as the cut left them, before the daemon recovers them."""
    copy = folder / "copy"
    shutil.copytree(data, copy)
    for name in ("store.db", "log.db", "view.db"):
        with contextlib.closing(sqlite3.connect(copy / name)) as db:
            result = [row[0] for row in db.execute("PRAGMA integrity_check")]
            check(result == ["ok"], f"after a cut, {name}: {result[:3]}")
    shutil.rmtree(copy)


def cut_and_come_back(disk, edge, workers, answers):
    load = Load(edge, workers)
    load.wait_for(answers)
    load.unplugged = True
    disk.cut()
    edge.kill()
    load.join()
    disk.come_back()


def main():
    chance = random.Random(SEED)
    workers = [Worker(number, SEED) for number in range(CLIENTS)]
    with scratch() as folder, Disk(folder) as disk:
        data = disk.mounted / "data"
        with Edge(data, err_path=folder / "edge.err") as edge:
            for number in range(CUTS):
                cut_and_come_back(disk, edge, workers, chance.randrange(1, 120))
                if number % 10 == 0:
                    check_copy(data, folder)
                edge.start()
                settle(edge, workers)
                look_at_all(edge, workers)
            count = check_promises(edge, workers)
            edge.stop()
            stored = check_files(data)
        check(len(stored) == count, f"{len(stored)} orders stored, {count} seen")
        print(f"{CUTS} cuts, {sum(worker.answered for worker in workers)} commands answered, "
              f"{count} orders, {sum(worker.in_doubt for worker in workers)} in doubt")


run(main)
