"""A disk of a few MiB that is really mounted, so it needs root: a tmpfs, or an ext4 in a file, of
blocks of 1 KiB if its kind is "ext4-1k".
"""
import contextlib
import errno
import os
import subprocess

from tillbox_e2e import Skipped, check, need_program, need_root


def must(*command):
    need_program(command[0])
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Skipped(f"{command[0]}: {result.stderr.strip()}")


def mount(kind, folder, mounted, size):
    if kind == "tmpfs":
        must("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mounted)
        return
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(size)
    blocks = ("-b", "1024") if kind == "ext4-1k" else ()
    must("mkfs.ext4", "-q", "-m", "0", *blocks, image)
    must("mount", "-o", "loop", image, mounted)


@contextlib.contextmanager
def small_disk(folder, size, kind="tmpfs"):
    need_root("mounting a disk")
    mounted = folder / "disk"
    mounted.mkdir()
    mount(kind, folder, mounted, size)
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=False)


def fill(ballast, leave):
    """Another program's data fills the disk until only this much is free."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while free(ballast.parent) > leave:
                file.write(b"x" * min(1 << 20, free(ballast.parent) - leave))
        except OSError as error:
            check(error.errno == errno.ENOSPC, f"filling the disk: {error}")


def free(folder):
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize
