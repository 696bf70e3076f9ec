"""A till warns of a data folder in memory, and refuses one on a FUSE file system, where one folder
that is mounted twice would be taken by two tills. The second part needs root and bindfs.
"""
import contextlib
import subprocess

from tillbox_e2e import Edge, Skipped, check, need_program, need_root, order_body, run, scratch

ALLOWED = {"TILLBOX_NODE_ALLOW_ANY_FILESYSTEM": "yes"}


@contextlib.contextmanager
def mounted(folder, *command):
    folder.mkdir()
    result = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Skipped(f"{command[0]}: {result.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def sell(data, err_path, **settings):
    """Returns what the till said."""
    with Edge(data, err_path=err_path, **settings) as edge:
        check(edge.ask("POST", "/orders", order_body(1)).status == 201, "no order is taken")
        edge.stop()
    return err_path.read_text()


def check_refused(data, err_path):
    edge = Edge(data, err_path=err_path)
    check(edge.launch() == "", "a FUSE file system was taken")
    edge.ended(2)
    text = err_path.read_text()
    check("FUSE" in text and "node.allow_any_filesystem = yes" in text, text)


def test_memory(folder):
    with mounted(folder / "memory", "mount", "-t", "tmpfs", "tmpfs") as memory:
        said = sell(memory / "data", folder / "memory.err")
        check("nothing survives a power cut here" in said, said)


def test_fuse(folder):
    need_program("bindfs")
    origin = folder / "origin"
    origin.mkdir()
    with mounted(folder / "fuse", "bindfs", str(origin)) as fuse:
        check_refused(fuse / "data", folder / "refused.err")
        said = sell(fuse / "data", folder / "allowed.err", **ALLOWED)
        check("FUSE" in said, said)


def main():
    need_root("mounting")
    with scratch() as folder:
        test_memory(folder)
        test_fuse(folder)


run(main)
