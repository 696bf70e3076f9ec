"""Another program that holds a lock, or a snapshot, of database files."""
import contextlib
import subprocess
import sys

from tillbox_e2e import check

# Prints a line once it holds what it is told to hold, and goes on until its input ends.
HOLDER = """
import sqlite3, sys
held = []
for path in sys.argv[2:]:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(sys.argv[1])
    if sys.argv[1] == "BEGIN":
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    held.append(db)
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holder(begin, *paths):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, begin, *map(str, paths)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        check(process.stdout.readline() == "held\n", "the other program holds nothing")
        yield process.pid
    finally:
        process.kill()
        process.wait()
