#!/usr/bin/env python3
"""Checks which folder of src/ includes which: the table below is the architecture.

A folder may include itself and what its row names; a row holds for the folders below it too, unless
they have a row of their own. "X" allows the folder X without the rooms inside it that have a row,
"X/**" allows those too, and a name that ends with .h allows that one header.
Fails on an include that no row allows, on rows that allow a cycle, and on folders that include
each other in a circle, even inside one row.
Usage: includes.py [SRC]   (another tree than src/, to see it fail: tests/includes_test.py)
"""
import os
import re
import sys

MAY = {
    "base": [],
    "base/mem": ["base"],
    "base/time": ["base", "base/mem"],
    "base/thread": ["base", "base/mem", "base/time"],
    "base/json": ["base", "base/mem", "base/time"],
    "base/values": ["base", "base/mem", "base/time", "base/json"],
    "base/diag": ["base", "base/mem", "base/time", "base/json"],
    "base/config": ["base", "base/mem", "base/time", "base/json", "base/values"],
    "base/sqlite": ["base", "base/mem", "base/time", "base/thread"],
    "order": ["base/**"],
    "store": ["base/**", "order"],
    # Of the store the bridge sees the outbox, and the log nothing at all.
    "bridge/log": ["base/**"],
    "bridge/log/inproc": ["base/**", "bridge/log"],
    "bridge/log/kafka": ["base/**", "bridge/log"],
    "bridge/log/kafka/writer": ["base/**", "bridge/log", "bridge/log/kafka"],
    "bridge/log/kafka/reader": ["base/**", "bridge/log", "bridge/log/kafka"],
    "bridge/link": ["base/**"],
    "bridge/relay": ["base/**", "bridge/log", "bridge/link", "store/outbox.h"],
    "query/projection": ["base/**", "order", "bridge/log"],
    "query/dead_letters": ["base/**", "order", "bridge/log", "query/projection"],
    "query/consumer": ["base/**", "order", "bridge/log", "query/projection", "query/dead_letters"],
    "query/fleet": ["base/**", "order", "bridge/log", "query/projection"],
    "query/sqlite": ["base/**", "order", "bridge/log", "query/projection"],
    "query/rebuild": ["base/**", "order", "bridge/log", "query/projection", "query/dead_letters",
                      "query/consumer"],
    "query/rebuild/sqlite": ["base/**", "order", "bridge/log", "query/projection",
                             "query/consumer", "query/rebuild", "query/sqlite"],
    "query/rebuild/mongo": ["base/**", "order", "bridge/log", "query/projection", "query/consumer",
                            "query/rebuild", "query/mongo/driver", "query/mongo/view"],
    "query/mongo/driver": ["base/**", "bridge/log"],
    "query/mongo/dead_letters": ["base/**", "order", "bridge/log", "query/projection",
                                 "query/mongo/driver"],
    "query/mongo/sales": ["base/**", "order", "bridge/log", "query/projection",
                          "query/mongo/driver"],
    "query/mongo/fleet": ["base/**", "order", "bridge/log", "query/projection", "query/fleet",
                          "query/mongo/driver"],
    "query/mongo/view": ["base/**", "order", "bridge/log", "query/projection",
                         "query/mongo/driver", "query/mongo/dead_letters", "query/mongo/sales",
                         "query/mongo/fleet"],
    # The readers of the API ask the views and the store through their public headers.
    "api/http": ["base/**", "order"],
    "api/notify": ["base/**"],
    "api/work": ["base/**", "order", "store", "query/projection", "api/http"],
    "api/ws": ["base/**", "api/http", "api/notify"],
    "api/handlers": ["base/**", "order", "store", "bridge/log", "query/projection",
                     "query/dead_letters", "query/consumer", "query/fleet", "query/rebuild",
                     "api/http", "api/work", "api/notify"],
    "api": ["base/**", "order", "store", "bridge/log", "query/projection", "query/consumer",
            "query/fleet", "query/rebuild", "api/http", "api/work", "api/notify", "api/ws",
            "api/handlers"],
    "cli": ["base/**", "order"],
    "cli/http": ["base/**", "cli"],
    "cli/output": ["base/**", "order", "cli", "cli/http"],
    "cli/engine": ["base/**", "order", "cli", "cli/http", "cli/output"],
    "cli/commands": ["base/**", "order", "cli", "cli/engine", "cli/http", "cli/output"],
    # Only the mains know everything.
    "daemon": ["base/**", "order", "bridge/log", "query/**", "api"],
    "edge": ["base/**", "order", "store", "bridge/**", "query/**", "api/**", "daemon"],
    "central": ["base/**", "order", "bridge/**", "query/**", "api/**", "daemon"],
}

# Comments may stand in front, and a header of ours may be written in angle brackets.
INCLUDE = re.compile(r'^\s*(?:/\*.*?\*/\s*)*#\s*include\s*(["<])([^">]+)[">]')


def room_of(folder):
    """The longest row that holds for the folder; None: no row does."""
    while folder:
        if folder in MAY:
            return folder
        folder = os.path.dirname(folder)
    return None


def includes(src):
    """(file, line, included) of every include of ours below src."""
    for parent, _, names in sorted(os.walk(src)):
        for name in sorted(names):
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(parent, name)
            with open(path, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    match = INCLUDE.match(line)
                    ours = match and (match.group(1) == '"' or
                                      os.path.exists(os.path.join(src, match.group(2))))
                    if ours:
                        yield os.path.relpath(path, src), number, match.group(2)


def allows(row, included):
    room = room_of(os.path.dirname(included))
    for allowed in [row] + MAY[row]:
        if allowed == included or allowed == room:
            return True
        if allowed.endswith("/**") and (included + "/").startswith(allowed[:-2]):
            return True
    return False


def circle(edges):
    """One circle among the edges {from: {to, ...}}, as a list of names; None: there is none."""
    done, path = set(), []

    def walk(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for target in sorted(edges.get(node, ())):
            found = walk(target)
            if found:
                return found
        path.pop()
        done.add(node)
        return None

    for node in sorted(edges):
        found = walk(node)
        if found:
            return found
    return None


def rooms_allowed(row):
    """The rooms that a row allows, headers counted as their room."""
    for allowed in MAY[row]:
        if allowed.endswith(".h"):
            yield os.path.dirname(allowed)
        elif allowed.endswith("/**"):
            yield from (r for r in MAY if r == allowed[:-3] or r.startswith(allowed[:-2]))
        else:
            yield allowed


def faults(src):
    folders = {}
    for path, number, included in includes(src):
        folder, target = os.path.dirname(path), os.path.dirname(included)
        row = room_of(folder)
        if not os.path.exists(os.path.join(src, included)):
            yield f"src/{path}:{number}: no such header: {included}"
        elif row is None:
            yield f"src/{path}:{number}: no row of the table is for src/{folder}"
        elif ".." in included.split("/"):
            yield f"src/{path}:{number}: write the path from src/: {included}"
        elif included.endswith("_priv.h") and not (folder + "/").startswith(target + "/"):
            yield f"src/{path}:{number}: {included} is private to src/{target}"
        elif not allows(row, included):
            yield f"src/{path}:{number}: src/{row} may not include {included}"
        if folder != target:
            folders.setdefault(folder, set()).add(target)
    found = circle({row: set(rooms_allowed(row)) for row in MAY})
    if found:
        yield "the table allows a circle: " + " -> ".join(found)
    found = circle(folders)
    if found:
        yield "folders include each other in a circle: " + " -> ".join(found)


def main():
    src = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../src")
    found = list(faults(src))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
