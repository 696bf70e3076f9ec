#!/usr/bin/env python3
"""includes.py fails on what it is for: an upward include, a circle of folders, an unknown header."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def verdict(files, line='#include "@"'):
    """(exit status, output) of includes.py on a tree of {path: [included, ...]}."""
    with tempfile.TemporaryDirectory() as src:
        for path, included in files.items():
            os.makedirs(os.path.join(src, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(src, path), "w", encoding="utf-8") as file:
                file.write("".join(line.replace("@", header) + "\n" for header in included))
        run = subprocess.run([sys.executable, os.path.join(HERE, "includes.py"), src],
                             capture_output=True, text=True, check=False)
        return run.returncode, run.stdout


def expect(files, status, text="", line='#include "@"'):
    got, output = verdict(files, line)
    assert got == status and text in output, (files, got, output)


BASE = {"base/error.h": [], "base/mem/buf.h": ["base/error.h"]}
expect(BASE, 0)
expect({**BASE, "order/order.h": ["base/mem/buf.h"]}, 0)
# Upwards: base includes order, and the log includes the store.
expect({**BASE, "order/order.h": [], "base/error.c": ["order/order.h"]}, 1,
       "src/base may not include order/order.h")
expect({"store/store.h": [], "bridge/log/inproc/file.c": ["store/store.h"]}, 1,
       "src/bridge/log/inproc may not include store/store.h")
# One header of a folder is allowed, and no other.
expect({"store/outbox.h": [], "bridge/relay/relay.c": ["store/outbox.h"]}, 0)
expect({"store/store.h": [], "bridge/relay/relay.c": ["store/store.h"]}, 1,
       "src/bridge/relay may not include store/store.h")
# Inside a folder too: the room below it, and a room beside it.
expect({"api/ws/ws.h": [], "api/http/conn.c": ["api/ws/ws.h"]}, 1,
       "src/api/http may not include api/ws/ws.h")
# A circle that one row would allow: two folders that only the row of store holds for.
expect({"store/a/a.h": ["store/b/b.h"], "store/b/b.h": ["store/a/a.h"]}, 1,
       "folders include each other in a circle: store/a -> store/b -> store/a")
# Written otherwise, it is the same include.
expect({"store/store.h": [], "base/error.c": ["base/../store/store.h"]}, 1, "write the path from src/")
expect({"store/store_priv.h": [], "edge/main.c": ["store/store_priv.h"]}, 1,
       "store/store_priv.h is private to src/store")
expect({"base/error.c": ["base/gone.h"]}, 1, "no such header: base/gone.h")
expect({"order/x.h": [], "new/room.c": ["order/x.h"]}, 1, "no row of the table is for src/new")
UPWARD = {"store/store.h": [], "base/error.c": ["store/store.h"]}
expect(UPWARD, 1, "may not include store/store.h", "#include <@>")
expect(UPWARD, 1, "may not include store/store.h", '/* why */ #include "@"')
expect({"base/error.c": ["stdio.h"]}, 0, "", "#include <@>")
print("includes.py fails on each of them")
