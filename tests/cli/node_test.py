"""Every command of `tillbox` against an edge: what one command writes, another one reads."""
import contextlib
import json
import os
import pathlib
import select
import signal
import sqlite3
import subprocess
import tempfile
import unittest

from scripted import DEADLINE_SECONDS, TILLBOX, environment, tillbox

ADDRESS = ["--line1", "Lindenweg 4", "--city", "Kiel", "--country", "DE"]


class Node(unittest.TestCase):
    """An edge, started as users start it: `tillbox edge`."""

    @classmethod
    def start(cls):
        cls.edge = subprocess.Popen(
            [TILLBOX, "edge", "--data", str(pathlib.Path(cls.folder.name) / "node"), "--node",
             "till1", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=environment(), text=True)
        if not select.select([cls.edge.stdout], [], [], DEADLINE_SECONDS)[0]:
            raise AssertionError("the node says nothing")
        cls.url = cls.edge.stdout.readline().split()[-1]

    @classmethod
    def stop(cls):
        # `tillbox edge` has replaced itself by tillbox-edge, so the signal reaches that program directly.
        program = os.readlink(f"/proc/{cls.edge.pid}/exe")
        cls.edge.send_signal(signal.SIGTERM)
        status = cls.edge.wait(DEADLINE_SECONDS)
        cls.edge.stdout.close()
        assert (status, pathlib.Path(program).name) == (0, "tillbox-edge"), (status, program)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tillbox-cli-")
        cls.start()

    @classmethod
    def tearDownClass(cls):
        cls.stop()
        cls.folder.cleanup()

    def run_ok(self, *args, stdin=""):
        done = tillbox(*args, url=self.url, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def ask(self, *args, **more):
        return json.loads(self.run_ok(*args, "--json", **more))

    def refused(self, *args):
        done = tillbox(*args, url=self.url)
        self.assertEqual((done.returncode, done.stdout), (1, ""), args)
        return done.stderr

    def place(self, *args):
        return self.ask("order", "place", "--line", "TEA-1:2:350:Green tea", *args)["orderId"]

    def test_the_life_of_an_order(self):
        placed = self.ask("order", "place", "--line", "TEA-1:2:350:Green tea", "--customer", "L-1",
                          "--source", "POS", "--currency", "JPY")
        order = placed["orderId"]
        self.assertEqual((placed["totalMinor"], placed["version"]), (700, 1))
        self.assertEqual(self.ask("order", "address", order, *ADDRESS)["version"], 2)
        self.assertEqual(self.ask("order", "lines", order, "--line", "A:3:100", "--line",
                                  "B:1:50:b", "--if-match", "2")["totalMinor"], 350)
        self.assertIn("412", self.refused("order", "ship", order, "--if-match", "2"))
        self.assertEqual(self.ask("order", "ship", order)["status"], "SHIPPED")
        self.assertIn("409", self.refused("order", "cancel", order))
        seen = self.ask("order", "wait", order, "--version", "4", "--timeout", "30s")
        self.assertEqual((seen["status"], seen["totalMinor"], seen["shippingAddress"]["city"]),
                         ("SHIPPED", 350, "Kiel"))
        self.assertIn("total\t350\n", self.run_ok("order", "show", order))  # no digits in JPY
        self.assertEqual(self.run_ok("order", "list", "--customer", "L-1").split("\t")[1], order)

    def test_a_repeated_key_is_one_order(self):
        first = self.place("--idempotency-key", "again")
        self.assertEqual(self.place("--idempotency-key", "again"), first)
        self.assertNotEqual(self.place(), first)

    def test_cancelled_with_a_reason(self):
        order = self.place("--customer", "C-9")
        self.run_ok("order", "cancel", order, "--reason", "verschüttet")
        self.ask("order", "wait", order, "--version", "2", "--timeout", "30s")
        self.assertEqual(len(self.ask("order", "list", "--customer", "C-9", "--status",
                                      "CANCELLED")["orders"]), 1)

    def test_what_it_serves_is_what_it_stores(self):
        self.run_ok("order", "place", "--kind", "RETURN", "--line", "TEA-1:-1:350", "--currency", "JPY")
        self.run_ok("order", "cancel", self.place())
        result = self.ask("verify", "--self", "--wait", "30s")
        self.assertEqual((result["differences"], result["complete"]), ([], True))
        self.assertGreaterEqual(result["same"], 2)

    def test_sums_that_are_no_exact_number_are_texts(self):
        """Three orders as large as they may be. (query/view_conformance.c has 1,100.)"""
        lines = [{"sku": "A", "quantity": 10**9, "unitPriceMinor": 9007199},
                 {"sku": "B", "quantity": 254740991, "unitPriceMinor": 1}]
        order = json.dumps({"currency": "BHD", "lines": lines}) + "\n"
        done = self.ask("order", "import", "-", stdin=order * 3)
        self.assertEqual((done["imported"], done["refused"]), (3, 0))
        self.assertEqual(self.ask("verify", "--self", "--wait", "60s")["differences"], [])
        total = 3 * (2**53 - 1)
        stats = self.ask("stats", "--group-by", "day")
        for rows in (stats["totals"], [row for row in stats["groups"] if row["currency"] == "BHD"]):
            row = next(row for row in rows if row["currency"] == "BHD")
            self.assertEqual((row["orders"], row["totalMinor"], row["exact"]), (3, str(total), "string"))
        for row in stats["totals"]:
            self.assertEqual("exact" in row, row["currency"] == "BHD")
        text = f"{total // 1000}.{total % 1000:03}"  # a dinar has 1,000 fils
        self.assertIn(f"total\tBHD\t3\t0\t0\t{text}\n", self.run_ok("stats"))

    def change_view(self, sql, *values):
        self.stop()
        with contextlib.closing(sqlite3.connect(pathlib.Path(self.folder.name) / "node" / "view.db")) as view:
            self.assertEqual(view.execute(sql, values).rowcount, 1)
            view.commit()
        self.start()

    def test_what_lists_find_an_order_by_is_what_it_says(self):
        """One column of the view says something else than the order's document."""
        order = self.place("--source", "HERE")
        self.ask("order", "wait", order)
        self.change_view("UPDATE orders SET source = 'THERE' WHERE order_id = ?", order)
        self.assertEqual(self.ask("order", "list", "--source", "HERE")["orders"], [])
        done = tillbox("verify", "--self", "--wait", "0", "--json", url=self.url)
        found, = json.loads(done.stdout)["differences"]
        self.assertEqual((done.returncode, found["difference"], found["orderId"], found["reason"]),
                         (1, "different", order, "its lists have another source"))
        self.change_view("UPDATE orders SET source = 'HERE' WHERE order_id = ?", order)
        self.assertEqual(self.ask("verify", "--self", "--wait", "30s")["differences"], [])

    def test_every_error_is_printed(self):
        said = self.refused("order", "place", "--line", "A:-1:1", "--currency", "XXY")
        self.assertIn("/lines/0/quantity: ", said)
        self.assertIn("/currency: ", said)
        self.assertIn("404", self.refused("order", "show", "00000000-0000-7000-8000-000000000000"))
        self.assertIn("400", self.refused("order", "list", "--limit", "many"))

    def test_pages(self):
        for number in range(7):
            order = self.place("--source", "PAGES", "--placed-at", f"2024-01-0{number + 1}T12:00:00Z")
            self.ask("order", "wait", order)
        rows = self.run_ok("order", "list", "--source", "PAGES", "--limit", "3", "--all")
        dates = [row.split("\t")[6] for row in rows.splitlines()]
        self.assertEqual(dates, [f"2024-01-0{day}T12:00:00.000Z" for day in range(7, 0, -1)])
        rows = self.run_ok("order", "list", "--source", "PAGES", "--from", "2024-01-03", "--to",
                           "2024-01-05T00:00:00Z")
        self.assertEqual(len(rows.splitlines()), 2)

    def test_status_and_link(self):
        self.run_ok("link", "offline")
        self.assertEqual(self.ask("status")["link"], "forced-offline")
        order = self.place()
        waited = tillbox("order", "wait", order, "--timeout", "100ms", url=self.url)
        self.assertEqual(waited.returncode, 1)  # offline, the view gets no events
        self.run_ok("link", "auto")
        self.ask("order", "wait", order)
        self.assertNotEqual(self.ask("status")["link"], "forced-offline")
        self.assertIn("node\ttill1\n", self.run_ok("status"))

    def test_a_wrong_configuration_is_2(self):
        done = tillbox("edge", "--listen", "nowhere")
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
