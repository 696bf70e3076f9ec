"""Which requests `tillbox dlq` sends, what it prints, and its exit status: against a scripted server,
and against an edge with events in its outbox that cannot be applied."""
import contextlib
import json
import pathlib
import select
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from scripted import (DEADLINE_SECONDS, DROP, TILLBOX, Server, environment, ok, problem, tillbox,
                      tillbox_on_terminal)

ORDER = "0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10"


def letter(number, **more):
    return {"id": f"order-events-3-{number}", "orderId": ORDER, "version": 2,
            "type": "OrderShipped.v1", "reason": "tillbox.gap", "message": "version 1 is missing",
            "topic": "order-events", "partition": 3, "offset": number,
            "deadAt": "2026-11-25T10:00:00.000Z", "attempts": 1, "status": "open",
            "headers": {"ce_type": "OrderShipped.v1", "raw": {"base64": "/wA="}},
            "value": '{"orderId":1}\n'} | more


class Letters:
    """A server with `count` open dead letters, in pages. refuse: {id: the answer to its replay}."""

    def __init__(self, count, page=3, refuse=None):
        self.count, self.page, self.refuse = count, page, refuse or {}
        self.sent, self.times = [], []

    def __call__(self, request):
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if request.method == "GET" and url.path == "/dead-letters":
            start = int(query.get("cursor", "0"))
            end = min(start + self.page, self.count)
            body = {"deadLetters": [letter(number) for number in range(start, end)]}
            return ok(body | ({"next": str(end)} if end < self.count else {}))
        name = url.path.split("/")[2]
        if request.method == "POST":
            answer = self.refuse.get(name, ok({"sent": 1}, 202))
            if answer[0] == 202:
                self.sent.append(name)
                self.times.append(time.monotonic())
            return answer
        if request.method == "DELETE":
            return ok({"id": name, "status": "dropped"})
        return ok(letter(int(name.split("-")[-1])))


class Scripted(unittest.TestCase):
    def run_on(self, answer, *args, status=0, **more):
        with Server(answer) as server:
            done = tillbox("dlq", *args, url=server.url, **more)
        self.assertEqual(done.returncode, status, done)
        self.requests = server.requests
        return done

    def test_wrong_usage_sends_nothing(self):
        for args in (["list", "x"], ["show"], ["show", "a", "b"], ["drop"], ["replay"],
                     ["replay", "a", "b"], ["replay", "a", "--all"], ["replay", "a", "--rate", "1"],
                     ["replay", "--type", "A"], ["replay", "--all", "--value", "f"],
                     ["replay", "--all", "--rate", "0"], ["replay", "--all", "--rate", "fast"],
                     ["replay", "a", "--order", ORDER], ["show", "a", "--payload", "--json"]):
            with self.subTest(args=args):
                done = self.run_on(Letters(1), *args, status=2)
                self.assertEqual((done.stdout, self.requests), ("", []))

    def test_filters_go_into_the_query(self):
        self.run_on(Letters(0), "list", "--order", ORDER, "--type", "A&B", "--reason", "gap",
                    "--since", "2026-11-01", "--limit", "7", "--cursor", "0")
        self.assertEqual(self.requests[0].path, f"/dead-letters?orderId={ORDER}&type=A%26B&"
                         "reason=gap&since=2026-11-01&status=open&limit=7&cursor=0")
        self.run_on(Letters(0), "list", "--status", "any")
        self.assertEqual(self.requests[0].path, "/dead-letters")
        self.run_on(Letters(0), "list", "--status", "dropped", "--all")
        self.assertEqual(self.requests[0].path, "/dead-letters?status=dropped&limit=500")
        self.run_on(Letters(0), "replay", "--all", "--reason", "apply")
        self.assertEqual(self.requests[0].path,
                         "/dead-letters?reason=apply&status=open&limit=500")

    def test_a_row_in_a_pipe(self):
        done = self.run_on(Letters(7), "list", "--all")
        self.assertEqual(len(done.stdout.splitlines()), 7)
        self.assertEqual(done.stdout.splitlines()[4], "\t".join([
            "order-events-3-4", "open", "tillbox.gap", "OrderShipped.v1", ORDER, "2", "1",
            "2026-11-25T10:00:00.000Z", "version 1 is missing"]))
        self.assertEqual(len(self.run_on(Letters(7), "list").stdout.splitlines()), 3)
        pages = self.run_on(Letters(7), "list", "--all", "--json").stdout.splitlines()
        self.assertEqual([len(json.loads(page)["deadLetters"]) for page in pages], [3, 3, 1])

    def test_a_table_on_a_terminal(self):
        with Server(Letters(4)) as server:
            status, shown = tillbox_on_terminal("dlq", "list", url=server.url, NO_COLOR="1")
        self.assertEqual(status, 0)
        self.assertRegex(shown, r"^id +status +reason +type +order +version +attempts +died +message\n")
        self.assertIn("More: --cursor 3, or --all\n", shown)

    def test_control_characters_do_not_leave_their_cells(self):
        hostile = letter(0, message="a\tb\nc\033[2J", type="\u009b31m")
        done = self.run_on(lambda _: ok({"deadLetters": [hostile]}), "list")
        self.assertEqual(done.stdout.count("\n"), 1)
        self.assertEqual(done.stdout.count("\t"), 8)
        self.assertNotIn("\033", done.stdout)

    def test_show(self):
        done = self.run_on(Letters(9), "show", "order-events-3-5")
        self.assertIn("reason\ttillbox.gap\n", done.stdout)
        self.assertIn("headers.ce_type\tOrderShipped.v1\n", done.stdout)
        self.assertIn("headers.raw.base64\t/wA=\n", done.stdout)
        done = self.run_on(Letters(9), "show", "order-events-3-5", "--payload")
        self.assertEqual(done.stdout, '{"orderId":1}\n')  # to the byte
        done = self.run_on(Letters(9), "show", "order-events-3-5", "--json")
        self.assertEqual(json.loads(done.stdout), letter(5))
        self.run_on(lambda _: ok({}), "show", "a/../b c", "--json")
        self.assertEqual(self.requests[0].path, "/dead-letters/a%2F..%2Fb%20c")
        binary = letter(0, valueBase64="/wA=")
        del binary["value"]
        done = self.run_on(lambda _: ok(binary), "show", "x", "--payload", status=1)
        self.assertIn("base64", done.stderr)
        done = self.run_on(lambda _: problem(404, "none"), "show", "x", "--payload", status=1)
        self.assertIn("404", done.stderr)

    def test_a_mended_value_goes_byte_for_byte(self):
        text = '{"a": 1.50,\n "ü": "\\u0000"}\n'
        done = self.run_on(Letters(1), "replay", "order-events-3-0", "--value", "-", stdin=text)
        self.assertEqual(done.stdout, "sent\t1\n")
        self.assertEqual((self.requests[0].method, self.requests[0].path),
                         ("POST", "/dead-letters/order-events-3-0/replay"))
        self.assertEqual(json.loads(self.requests[0].body), {"value": text})
        self.run_on(Letters(1), "replay", "order-events-3-0")
        self.assertEqual(self.requests[0].body, b"")
        self.run_on(Letters(1), "replay", "order-events-3-0", "--value", "/nowhere", status=1)
        self.assertEqual(self.requests, [])
        self.run_on(Letters(1), "replay", "order-events-3-0", "--value", "-", stdin="")
        self.assertEqual(json.loads(self.requests[0].body), {"value": ""})  # refused there

    def test_all_are_sent_in_order_once(self):
        letters = Letters(8)
        done = self.run_on(letters, "replay", "--all")
        self.assertEqual(letters.sent, [f"order-events-3-{number}" for number in range(8)])
        self.assertEqual(done.stdout, "sent\t8\nrefused\t0\n")
        done = self.run_on(Letters(0), "replay", "--order", ORDER, "--json")
        self.assertEqual(json.loads(done.stdout),
                         {"refusals": [], "sent": 0, "refused": 0, "complete": True})

    def test_a_refused_letter_is_listed_and_the_others_are_sent(self):
        refuse = {"order-events-3-1": problem(409, "it has no value"),
                  "order-events-3-2": problem(404, "gone")}
        letters = Letters(4, refuse=refuse)
        done = self.run_on(letters, "replay", "--all", status=1)
        self.assertEqual(letters.sent, ["order-events-3-0", "order-events-3-3"])
        self.assertEqual(done.stdout, "letter\torder-events-3-1\t409 Refused: it has no value\n"
                         "letter\torder-events-3-2\t404 Refused: gone\nsent\t2\nrefused\t2\n")
        done = self.run_on(letters, "replay", "--all", "--json", status=1)
        said = json.loads(done.stdout)
        self.assertEqual([(r["id"], r["status"]) for r in said["refusals"]],
                         [("order-events-3-1", 409), ("order-events-3-2", 404)])
        self.assertEqual((said["sent"], said["refused"], said["complete"]), (2, 2, True))

    def test_a_log_that_takes_nothing_ends_the_replay(self):
        """The third letter is refused with a status that the others would get, too. The first one is
        refused by itself, so it does not count among those that were not sent."""
        letters = Letters(6, refuse={"order-events-3-0": problem(409, "it has no value"),
                                     "order-events-3-2": problem(403, "no")})
        done = self.run_on(letters, "replay", "--all", status=1)
        self.assertEqual(letters.sent, ["order-events-3-1"])  # nothing overtakes the third
        self.assertIn("4 of 6 were not sent", done.stderr)
        done = self.run_on(letters, "replay", "--all", "--json", status=1)
        said = json.loads(done.stdout)
        self.assertEqual((said["sent"], said["refused"], said["complete"]), (1, 2, False))

    def test_a_log_that_is_away_ends_the_replay(self):
        letters = Letters(3, refuse={"order-events-3-1": problem(503, "away")})
        done = self.run_on(letters, "replay", "--all", status=1)
        self.assertIn("2 of 3 were not sent", done.stderr)

    def test_a_busy_server_is_asked_again(self):
        letters, answers = Letters(1), [problem(503, "later"), DROP]

        def answer(request):
            if request.method == "POST" and answers:
                return answers.pop(0)
            return letters(request)
        self.assertEqual(self.run_on(answer, "replay", "--all").stdout, "sent\t1\nrefused\t0\n")
        self.assertEqual(answers, [])

    def test_a_dry_run_sends_nothing(self):
        for args in (["--all"], ["order-events-3-0"]):
            done = self.run_on(Letters(1), "replay", *args, "--dry-run")
            self.assertEqual(done.stdout.split("\t")[0], "order-events-3-0")
            self.assertEqual({request.method for request in self.requests}, {"GET"})
            done = self.run_on(Letters(1), "replay", *args, "--dry-run", "--json")
            self.assertEqual(json.loads(done.stdout), {"wouldSend": ["order-events-3-0"]})
        self.assertEqual(len(self.run_on(Letters(7), "replay", "--all", "--dry-run")
                             .stdout.splitlines()), 7)
        done = self.run_on(lambda _: ok(letter(0, status="replayed")), "replay", "x", "--dry-run",
                           status=1)
        self.assertIn("needed no more", done.stderr)

    def test_the_rate_is_kept(self):
        letters = Letters(6)
        self.run_on(letters, "replay", "--all", "--rate", "20")
        # Never sooner than the rate allows; on a busy machine it may be later.
        self.assertGreaterEqual(letters.times[-1] - letters.times[0], 5 / 20 - 0.1)

    def test_progress_on_a_terminal(self):
        with Server(Letters(12)) as server:
            status, shown = tillbox_on_terminal("dlq", "replay", "--all", "--rate", "8",
                                                url=server.url, NO_COLOR="1")
        self.assertEqual(status, 0)
        self.assertRegex(shown, r"\[#*-*\] +\d+%  \d+ letters")
        self.assertIn("sent 12, refused 0\n", shown)

    def test_drop(self):
        done = self.run_on(Letters(1), "drop", "order-events-3-0")
        self.assertEqual(done.stdout, "id\torder-events-3-0\nstatus\tdropped\n")
        self.assertEqual((self.requests[0].method, self.requests[0].path),
                         ("DELETE", "/dead-letters/order-events-3-0"))
        self.run_on(lambda _: problem(409, "was replayed"), "drop", "x", status=1)

    def test_an_answer_that_is_not_tillbox_s(self):
        for args in (["list"], ["show", "x"], ["replay", "--all"], ["replay", "x"]):
            done = self.run_on(lambda _: (200, {}, "<html>"), *args, status=1)
            self.assertIn("not ours", done.stderr)


class Node(unittest.TestCase):
    """An edge whose outbox is damaged before delivery."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tillbox-dlq-")
        self.addCleanup(self.folder.cleanup)
        self.data = pathlib.Path(self.folder.name) / "node"
        self.start()
        self.addCleanup(self.stop)

    def start(self):
        self.edge = subprocess.Popen(
            [TILLBOX, "edge", "--data", str(self.data), "--node", "till1", "--listen",
             "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(), text=True)
        if not select.select([self.edge.stdout], [], [], DEADLINE_SECONDS)[0]:
            raise AssertionError("the node says nothing")
        self.url = self.edge.stdout.readline().split()[-1]

    def stop(self):
        """Stops the edge; returns its standard error."""
        if self.edge.stdout.closed:
            return ""
        self.edge.send_signal(signal.SIGTERM)
        _, said = self.edge.communicate(timeout=DEADLINE_SECONDS)
        self.assertEqual(self.edge.returncode, 0, said)
        return said

    def run_ok(self, *args, stdin=""):
        done = tillbox(*args, url=self.url, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def ask(self, *args, **more):
        return json.loads(self.run_ok(*args, "--json", **more))

    def place(self):
        return self.ask("order", "place", "--line", "TEA-1:2:350:Green tea")["orderId"]

    def until(self, count, *args):
        """Waits until a list has so many rows, and returns them."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            rows = [row.split("\t") for row in self.run_ok("dlq", "list", *args).splitlines()]
            if len(rows) == count:
                return rows
            self.assertLess(time.monotonic(), deadline, rows)

    def spoil(self, order, version):
        with contextlib.closing(sqlite3.connect(self.data / "store.db")) as db, db:
            changed = db.execute("UPDATE outbox SET payload = substr(payload, 2) "
                                 "WHERE order_id = ? AND version = ?", (order, version))
            self.assertEqual(changed.rowcount, 1)

    def test_from_the_alarm_to_the_mended_order(self):
        self.run_ok("link", "offline")
        broken, sound = self.place(), self.place()
        self.run_ok("order", "address", broken, "--line1", "Lindenweg 4", "--city", "Kiel",
                    "--country", "DE")
        self.run_ok("order", "ship", broken)
        self.stop()
        self.spoil(broken, 1)
        self.start()
        self.run_ok("link", "auto")
        self.ask("order", "wait", sound, "--timeout", "60s")  # it need not wait for the broken one

        rows = self.until(3, "--order", broken)
        self.assertEqual([(row[2], row[5]) for row in rows],
                         [("tillbox.decode", "1"), ("tillbox.gap", "2"), ("tillbox.gap", "3")])
        dead = rows[0][0]
        self.assertEqual(self.ask("status")["deadLetters"], 3)
        payload = self.run_ok("dlq", "show", dead, "--payload")
        self.assertTrue(payload.startswith('"orderId"'), payload)
        self.assertIn("headers.ce_type\tOrderPlaced.v2\n", self.run_ok("dlq", "show", dead))
        would = self.ask("dlq", "replay", "--order", broken, "--dry-run")["wouldSend"]
        self.assertEqual(would, [row[0] for row in rows])
        # Sent unchanged, they become the same dead letters again, with one more attempt.
        self.assertEqual(self.ask("dlq", "replay", "--all")["sent"], 3)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while [row[6] for row in self.until(3)] != ["2", "2", "2"]:
            self.assertLess(time.monotonic(), deadline)

        mended = pathlib.Path(self.folder.name) / "event.json"
        mended.write_text("{" + payload)
        self.run_ok("dlq", "replay", dead, "--value", str(mended))
        seen = self.ask("order", "wait", broken, "--version", "3", "--timeout", "60s")
        self.assertEqual((seen["status"], seen["shippingAddress"]["city"]), ("SHIPPED", "Kiel"))
        self.until(0)
        self.assertEqual([row[1] for row in self.until(3, "--status", "any")], ["replayed"] * 3)
        refused = tillbox("dlq", "replay", dead, url=self.url)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("409", refused.stderr)
        self.assertIn(f"{dead} of order {broken} was replayed, asked for by 127.0.0.1",
                      self.stop())

    def test_dead_letters_are_deleted_after_the_retention(self):
        self.run_ok("link", "offline")
        order = self.place()
        self.stop()
        self.spoil(order, 1)
        self.start()
        self.run_ok("link", "auto")
        self.until(1)
        for days, left in ((89, 1), (91, 0)):
            self.stop()
            with contextlib.closing(sqlite3.connect(self.data / "view.db")) as db, db:
                db.execute("UPDATE dead_letters SET kept_from = kept_from - ?",
                           (days * 86400000,))
            self.start()
            self.until(left, "--status", "any")
        self.assertEqual(self.ask("status")["deadLetters"], 0)

    def test_a_dropped_letter_counts_no_more(self):
        self.run_ok("link", "offline")
        order = self.place()
        self.stop()
        self.spoil(order, 1)
        self.start()
        self.run_ok("link", "auto")
        (dead, *_), = self.until(1)
        self.run_ok("dlq", "drop", dead)
        self.until(0)
        self.assertEqual(self.ask("status")["deadLetters"], 0)
        # Later events of the order still wait for the dropped one, and a replay applies them all.
        self.run_ok("order", "ship", order)
        self.assertEqual([row[2] for row in self.until(1)], ["tillbox.gap"])
        payload = self.run_ok("dlq", "show", dead, "--payload")
        self.run_ok("dlq", "replay", dead, "--value", "-", stdin="{" + payload)
        self.ask("order", "wait", order, "--version", "2", "--timeout", "60s")
        self.until(0)
        self.assertIn(f"{dead} of order {order} was dropped, asked for by 127.0.0.1", self.stop())


if __name__ == "__main__":
    unittest.main()
