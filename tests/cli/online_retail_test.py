"""Real input: the invoices of a real shop are imported, summed up, and imported again.

Goal: no invoice is lost or counted twice, and the sums of each day are exact.
Method: runs the converter and `tillbox order import` against an edge, and compares `tillbox stats` with
a sum over the CSV that shares no code with either.
"""
import collections
import csv
import decimal
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

from scripted import DEADLINE_SECONDS, environment, tillbox

SOURCE = pathlib.Path(os.environ["SOURCE"])
SALES, RETURNS, REFUSED, NET = 1052, 156, 67, decimal.Decimal("476984.57")  # counted independently


def find_data():
    for folder in (SOURCE.parent / "shared", SOURCE / "shared"):
        if (folder / "data/online-retail-2010-12.csv").exists():
            return folder / "data/online-retail-2010-12.csv"
    return None


def check_equal(got, wanted, what):
    if got != wanted:
        sys.exit(f"FAILED: {what}: {got!r}, not {wanted!r}")


def sum_csv(path):
    """Returns, from the lines of the CSV, the sales, returns and money of each day, and the positions of
    the refused invoices in the file."""
    invoices = {}
    with open(path, encoding="latin-1", newline="") as file:
        for row in csv.reader(file):
            if row[0] != "InvoiceNo":
                invoices.setdefault(row[0], []).append(row)
    days, refused = collections.defaultdict(lambda: [0, 0, decimal.Decimal(0)]), []
    for place, (number, rows) in enumerate(invoices.items(), 1):
        taken_back = number[0] == "C"
        if not taken_back and any(row[3].startswith("-") for row in rows):
            refused.append(place)
            continue
        month, day, year = rows[0][4].split()[0].split("/")
        of_day = days[f"20{year}-{int(month):02}-{int(day):02}"]
        of_day[1 if taken_back else 0] += 1
        of_day[2] += sum(int(row[3]) * decimal.Decimal(row[5]) for row in rows)
    return {day: tuple(figures) for day, figures in days.items()}, refused


def stats(url):
    """Returns what `tillbox stats` prints in a pipe, by key."""
    done = tillbox("stats", "--group-by", "day", url=url)
    check_equal(done.returncode, 0, "stats: " + done.stderr)
    figures = {}
    for line in done.stdout.splitlines():
        key, currency, sales, returns, cancelled, total = line.split("\t")
        check_equal((currency, cancelled), ("GBP", "0"), line)
        figures[key] = (int(sales), int(returns), decimal.Decimal(total))
    return figures


def stats_when_ready(url):
    """Returns the stats once the view has all orders."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        figures = stats(url)
        count = sum(figures.get("total", (0, 0))[:2])
        if count >= SALES + RETURNS or time.monotonic() > deadline:
            return figures
        time.sleep(0.05)


def import_orders(url, orders, already_there, refused):
    done = tillbox("order", "import", str(orders), url=url)
    check_equal(done.returncode, 1, "exit status of the import: " + done.stderr)
    check_equal(done.stdout.splitlines()[-3:],
                [f"imported\t{SALES + RETURNS}", f"already there\t{already_there}",
                 f"refused\t{REFUSED}"], "summary")
    listed = re.findall(r"^line\t(\d+)\t(422 .*/lines/0/quantity: .*)$", done.stdout, re.M)
    check_equal([int(line) for line, _ in listed], refused, "refused lines")


def check_names(url):
    """Trailing blanks and quotes of a name are unchanged; a missing name is left out."""
    page = tillbox("order", "list", "--all", "--json", url=url).stdout
    names = {line.get("name") for text in page.splitlines()
             for order in json.loads(text)["orders"] for line in order["lines"]}
    check_equal(any(name and name.endswith(" ") for name in names), True, "trailing blanks")
    check_equal(any(name and '"' in name for name in names), True, "quotes")
    check_equal(None in names and "" not in names, True, "lines without a name")


def run(data, folder):
    orders = folder / "orders.jsonl"
    with orders.open("wb") as out:
        subprocess.run([sys.executable, str(SOURCE / "examples/online-retail/to_jsonl.py"),
                        str(data)], stdout=out, check=True)
    days, refused = sum_csv(data)
    check_equal((len(days), len(refused)), (11, REFUSED), "days and refused invoices of the CSV")
    wanted = dict(days)
    wanted["total"] = (SALES, RETURNS, NET)
    check_equal(tuple(sum(figures) for figures in zip(*days.values())), wanted["total"], "CSV")

    edge = subprocess.Popen(
        [os.environ["TILLBOX_EDGE"], "--data", str(folder / "node"), "--node", "till1",
         "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=(folder / "err").open("w"),
        env=environment(TILLBOX_NODE_TIMEZONE="Europe/London"), text=True)
    try:
        if not select.select([edge.stdout], [], [], DEADLINE_SECONDS)[0]:
            sys.exit("FAILED: the node says nothing")
        url = edge.stdout.readline().split()[-1]
        import_orders(url, orders, 0, refused)
        check_equal(stats_when_ready(url), wanted, "stats")
        import_orders(url, orders, SALES + RETURNS, refused)
        check_equal(stats(url), wanted, "stats after the second import")
        check_names(url)
        edge.send_signal(signal.SIGTERM)
        check_equal(edge.wait(DEADLINE_SECONDS), 0, "exit status of the node")
    finally:
        if edge.poll() is None:
            edge.kill()
            edge.wait()
            print((folder / "err").read_text()[-2000:])


def main():
    data = find_data()
    if not data:
        print("skipped: ../shared/data/online-retail-2010-12.csv is not here")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="tillbox-online-retail-") as folder:
        run(data, pathlib.Path(folder))
    print(f"{SALES} sales, {RETURNS} returns, {REFUSED} refused, net GBP {NET}")


if __name__ == "__main__":
    main()
