"""Which requests `tillbox` sends, what it prints, and its exit status, against a scripted server."""
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from scripted import DROP, TILLBOX, Server, environment, ok, problem, tillbox, tillbox_on_terminal

ID = "0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10"
PLACED = {"orderId": ID, "orderNumber": "till1-000042", "version": 1, "status": "PLACED",
          "kind": "SALE", "totalMinor": 700, "currency": "EUR",
          "placedAt": "2024-11-23T08:20:42.123Z", "businessDate": "2024-11-23",
          "delivery": "pending", "message": "Your order #till1-000042 has been placed."}
ORDER = PLACED | {"node": "till1", "source": "POS", "customerId": "C-1001",
                  "lines": [{"sku": "TEA-1", "name": "Grüner Tee", "quantity": 2,
                             "unitPriceMinor": 350}]}


class Exits(unittest.TestCase):
    """Promise: exit status 0 is done, 1 refused or failed, 2 wrong usage, 3 not reachable; the text says
    what to do."""

    def test_wrong_usage_is_2_and_sends_nothing(self):
        wrong = [
            [], ["nodes", "x"], ["dlq"], ["dlq", "mend"], ["reindex"], ["verify"], ["order"], ["order", "nod"],
            ["order", "place"], ["order", "place", "--line", "TEA-1"],
            ["order", "place", "--line", "TEA-1:2:3.50"], ["order", "place", "--line", ":1:1"],
            ["order", "place", "--line", "A:1e3:1"], ["order", "place", "a", "b"],
            ["order", "place", "a.json", "--line", "A:1:1"], ["order", "place", "--lin", "A:1:1"],
            ["order", "place", "--line", "A:1:1", "--idempotency-key", "a b"],
            ["order", "place", "--line", "A:1:1", "--idempotency-key", ""],
            ["order", "place", "--line", "A:1:1", "--idempotency-key", "k\r\nX: y"],
            ["order", "show"], ["order", "show", "a", "b"], ["order", "ship", ID, "--if-match", "x"],
            ["order", "wait", ID, "--timeout", "soon"], ["order", "wait", ID, "--version", "0"],
            ["order", "wait"], ["order", "wait", ID, "--timeout", "-1s"],
            ["order", "address", ID], ["order", "lines", ID], ["link"], ["link", "down"],
            ["link", "forget"], ["link", "forget", "kafka", "x"],
            ["resend"], ["resend", "--all", "--since", "2026-11-01"], ["resend", "x"],
            ["link", "parked", "x"], ["link", "unpark"], ["link", "unpark", ID, "--all"],
            ["stats", "--group-by"], ["stats", "x"], ["status", "--json=yes"],
            ["status", "--url", "ftp://x"], ["status", "--url", "nonsense://"],
            ["order", "import", "x", "--give-up-after", "later"], ["config", "--unknown"],
            ["verify", "--edge", "http://127.0.0.1:1"],
            ["verify", "--central", "http://127.0.0.1:1"],
            ["verify", "--edge", "http://a", "--central", "http://b", "--wait", "long"],
        ]
        with Server(lambda request: ok({})) as server:
            for args in wrong:
                with self.subTest(args=args):
                    done = tillbox(*args, url=server.url)
                    self.assertEqual(done.returncode, 2, done)
                    self.assertEqual(done.stdout, "")
                    self.assertNotEqual(done.stderr, "")
            self.assertEqual(server.requests, [])

    def test_config_fails_while_a_store_that_was_put_back_is_not_settled(self):
        with tempfile.TemporaryDirectory() as folder:
            done = tillbox("config", "--data", folder)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            note = pathlib.Path(folder) / "restored"
            note.write_text("2026-11-30T03:15:00.000Z orders till1-000301 to till1-000320 are lost\n")
            done = tillbox("config", "--data", folder, "--json")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("till1-000301", done.stderr)
            self.assertIn(f"remove {note}", done.stderr)
            self.assertTrue(json.loads(done.stdout))
            note.unlink()
            self.assertEqual(tillbox("config", "--data", folder).returncode, 0)

    def test_help_is_0_with_examples_everywhere(self):
        commands = [["order", name] for name in
                    "place show list address lines ship cancel wait import".split()]
        commands += [["dlq", name] for name in "list show replay drop".split()]
        commands += [["link", "forget"], ["link", "parked"], ["link", "unpark"]]
        commands += [[name] for name in "edge central stats status link resend nodes verify config".split()]
        for command in commands:
            with self.subTest(command=command):
                done = tillbox(*command, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("Usage: tillbox " + " ".join(command), done.stdout)
                self.assertIn("\nExamples:\n  ", done.stdout)
                self.assertEqual("lines of an order" in done.stdout, command == ["order", "lines"])
                self.assertLess(max(map(len, done.stdout.splitlines())), 120)
                self.assertIn(" ".join(command), tillbox("--help").stdout)
        self.assertEqual(tillbox("order", "--help").returncode, 0)
        group = tillbox("dlq", "--help")
        self.assertEqual((group.returncode, group.stdout.count("  dlq ")), (0, 4))
        self.assertRegex(tillbox("--version").stdout, r"^tillbox \d+\.\d+\.\d+\n$")

    def test_no_server_is_3(self):
        with socket.socket() as taken:  # bound but not listening: no other process gets this port
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            for args in (["status"], ["stats"], ["order", "list"], ["order", "show", ID],
                         ["order", "place", "--line", "A:1:1"], ["link", "auto"],
                         ["order", "wait", ID], ["order", "cancel", ID], ["dlq", "list"],
                         ["dlq", "show", "x-0-0"], ["dlq", "replay", "x-0-0"], ["dlq", "drop", "x-0-0"],
                         ["dlq", "replay", "--all"]):
                with self.subTest(args=args):
                    done = tillbox(*args, url=url)
                    self.assertEqual((done.returncode, done.stdout), (3, ""))
                    self.assertIn(url, done.stderr)
                    self.assertIn("tillbox edge", done.stderr)
                    self.assertNotIn("not known", done.stderr)  # nothing was sent, so the outcome is known

    def test_central_is_not_installed(self):
        with tempfile.TemporaryDirectory() as folder:  # it is looked for beside tillbox
            alone = shutil.copy(TILLBOX, folder)
            done = subprocess.run([alone, "central"], env=environment(), text=True,
                                  capture_output=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("tillbox-central is not installed", done.stderr)

    def test_a_refusal_is_1_with_every_fault(self):
        refusal = problem(422, "2 faults", ("/lines/0/quantity", "must be above 0"),
                          ("/currency", "unknown"))
        with Server(lambda request: refusal) as server:
            done = tillbox("order", "place", "--line", "A:-1:1", url=server.url)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("422 Refused: 2 faults\n", done.stderr)
            self.assertIn("  /lines/0/quantity: must be above 0\n", done.stderr)
            self.assertIn("  /currency: unknown\n", done.stderr)
            done = tillbox("order", "place", "--line", "A:-1:1", "--json", url=server.url)
            self.assertEqual((done.returncode, done.stdout), (1, refusal[2] + "\n"))
            self.assertEqual(len(server.requests), 2)  # a refusal is not tried again

    def test_an_answer_that_is_not_tillbox_s_is_1(self):
        with Server(lambda request: (200, {}, "<html>")) as server:
            for args in (["status"], ["stats"], ["order", "list"], ["order", "show", ID]):
                done = tillbox(*args, url=server.url)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn("not ours", done.stderr)
        with Server(lambda request: (404, {}, "<html>")) as server:
            done = tillbox("status", url=server.url)
            self.assertEqual(done.returncode, 1)
            self.assertIn("404 Not Found", done.stderr)


class Commands(unittest.TestCase):
    """Promise: a command is sent as it was given, and takes effect once."""

    def sent(self, *args, stdin="", answer=None):
        with Server(lambda request: answer or ok(PLACED, 201)) as server:
            done = tillbox(*args, url=server.url, stdin=stdin)
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(len(server.requests), 1)
            return server.requests[0]

    def test_place_from_flags(self):
        request = self.sent("order", "place", "--line", "TEA-1:2:350:Green: tea \"1\"", "--line",
                            "CUP:-1:0", "--customer", "C-1", "--source", "POS", "--kind", "SALE",
                            "--currency", "JPY", "--placed-at", "2024-01-01T00:00:00Z",
                            "--order-id", ID, "--idempotency-key", "k-1")
        self.assertEqual((request.method, request.path), ("POST", "/orders"))
        self.assertEqual(request.headers["Content-Type"], "application/json")
        self.assertEqual(request.key, "k-1")
        self.assertEqual(json.loads(request.body), {
            "orderId": ID, "customerId": "C-1", "source": "POS", "kind": "SALE",
            "currency": "JPY", "placedAt": "2024-01-01T00:00:00Z",
            "lines": [{"sku": "TEA-1", "name": "Green: tea \"1\"", "quantity": 2,
                       "unitPriceMinor": 350}, {"sku": "CUP", "quantity": -1,
                                                "unitPriceMinor": 0}]})

    def test_place_from_standard_input_as_it_is(self):
        request = self.sent("order", "place", "-", stdin="{ \"lines\" : [] }\n")
        self.assertEqual(request.body, b"{ \"lines\" : [] }\n")
        self.assertRegex(request.key, r"^[0-9a-f-]{36}$")

    def test_a_file_is_sent_with_every_byte(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"{\"lines\":[]}\0{}")
            file.flush()
            request = self.sent("order", "place", file.name)
            self.assertEqual(request.body, b"{\"lines\":[]}\0{}")
            request = self.sent("order", "lines", ID, file.name)
            self.assertEqual(request.body, b"{\"lines\":[]}\0{}")

    def test_the_body_s_members_keep_their_order(self):
        """A repeat with the same key must have the same bytes, also from an earlier version."""
        request = self.sent("order", "place", "--line", "A:1:2", "--placed-at",
                            "2026-11-01T00:00:00Z", "--currency", "EUR", "--kind", "SALE",
                            "--source", "POS", "--customer", "C", "--order-id", ID)
        self.assertEqual(list(json.loads(request.body)), ["orderId", "customerId", "source", "kind",
                                                          "currency", "placedAt", "lines"])

    def test_each_place_has_a_key_of_its_own(self):
        self.assertNotEqual(self.sent("order", "place", "--line", "A:1:1").key,
                            self.sent("order", "place", "--line", "A:1:1").key)

    def test_changes(self):
        changed = ok({"orderId": ID, "version": 2, "status": "PLACED"})
        for args, method, path, body in (
                (["ship", ID], "POST", "/ship", b""),
                (["cancel", ID], "POST", "/cancel", b""),
                (["cancel", ID, "--reason", "späť"], "POST", "/cancel",
                 "{\"reason\":\"späť\"}".encode()),
                (["address", ID, "--line1", "A 1", "--city", "B", "--country", "DE",
                  "--postal-code", "1", "--line2", "x"], "PUT", "/address",
                 b'{"line1":"A 1","line2":"x","city":"B","postalCode":"1","country":"DE"}'),
                (["lines", ID, "--line", "A:1:2"], "PUT", "/lines",
                 b'{"lines":[{"sku":"A","quantity":1,"unitPriceMinor":2}]}')):
            with self.subTest(args=args):
                request = self.sent("order", *args, "--if-match", "1", answer=changed)
                self.assertEqual((request.method, request.path), (method, f"/orders/{ID}{path}"))
                self.assertEqual(request.body, body)
                self.assertEqual(request.headers["If-Match"], '"1"')
                self.assertEqual("Content-Type" in request.headers, bool(body))
                self.assertIsNotNone(request.key)

    def test_an_id_stays_one_segment_of_the_path(self):
        self.assertEqual(self.sent("dlq", "drop", "../a b/?c%", answer=ok({})).path,
                         "/dead-letters/..%2Fa%20b%2F%3Fc%25")
        self.assertEqual(self.sent("dlq", "drop", "..", answer=ok({})).path, "/dead-letters/..")

    def test_a_malformed_order_id_is_named_and_not_sent(self):
        with Server(lambda request: ok(PLACED)) as server:
            for command in ("show", "wait", "ship", "cancel"):
                for order in ("nope", "..", ID[:-1], ID + "0", ID.replace("-", ""), "till1-000042"):
                    with self.subTest(command=command, order=order):
                        done = tillbox("order", command, order, url=server.url)
                        self.assertEqual((done.returncode, done.stdout), (2, ""))
                        self.assertIn(f"'{order}' is no order id", done.stderr)
            for command, args in (("lines", ["--line", "A:1:1"]), ("address", ["--city", "B"])):
                done = tillbox("order", command, "nope", *args, url=server.url)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertEqual(server.requests, [])
        self.assertEqual(self.sent("order", "ship", ID.upper(), answer=ok({})).path,
                         f"/orders/{ID}/ship")

    def test_link(self):
        request = self.sent("link", "offline", answer=ok({"link": "forced-offline"}))
        self.assertEqual((request.method, request.path, request.body),
                         ("PUT", "/link", b'{"state":"offline"}'))

    def test_link_forget(self):
        """It asks nothing, and prints what the log never got."""
        answer = ok({"log": "kafka", "forgotten": True, "events": 15, "parkedOrders": 1})
        request = self.sent("link", "forget", "kafka", answer=answer)
        self.assertEqual((request.method, request.path, request.body), ("DELETE", "/link/kafka", b""))
        self.assertEqual(self.sent("link", "forget", "a/b", answer=answer).path, "/link/a%2Fb")
        with Server(lambda request: answer) as server:
            done = tillbox("link", "forget", "kafka", url=server.url)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (
                0, "log\tkafka\nforgotten\ttrue\nevents\t15\nparkedOrders\t1\n", ""))
        with Server(lambda request: problem(409, "it is configured")) as server:
            done = tillbox("link", "forget", "kafka", url=server.url)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("409", done.stderr)

    def test_link_parked_and_unpark(self):
        order = {"orderId": ID, "orderNumber": "till1-000042", "parkedAt": "2026-11-01T00:00:00.000Z",
                 "bytes": 900000, "reason": "too large", "sending": False}
        with Server(lambda request: ok({"parked": [order]})) as server:
            done = tillbox("link", "parked", url=server.url)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout.strip().split("\t"),
                             [ID, "till1-000042", "900000", order["parkedAt"], "false", "too large"])
        request = self.sent("link", "unpark", ID, answer=ok({"orders": 1}, 202))
        self.assertEqual((request.method, request.path), ("POST", f"/link/unpark?orderId={ID}"))
        self.assertEqual(self.sent("link", "unpark", "--all", answer=ok({"orders": 2}, 202)).path,
                         "/link/unpark")

    def test_resend(self):
        request = self.sent("resend", "--all", answer=ok({"resend": "all"}, 202))
        self.assertEqual((request.method, request.path), ("POST", "/resend"))
        self.assertEqual(self.sent("resend", "--since", "2026-11-01", answer=ok({"resend": "since"}, 202)).path,
                         "/resend?since=2026-11-01")

    def test_a_command_with_unknown_outcome_is_repeated_with_the_same_key(self):
        answers = [DROP, (503, {"Retry-After": "1"}, "{}"), ok(PLACED, 201)]
        with Server(lambda request: answers.pop(0)) as server:
            done = tillbox("order", "place", "--line", "A:1:1", "--json", url=server.url)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(json.loads(done.stdout), PLACED)
            self.assertEqual(len(server.requests), 3)
            self.assertEqual(len({request.key for request in server.requests}), 1)
            self.assertEqual(len({request.body for request in server.requests}), 1)

    def test_repeating_ends_and_names_the_key(self):
        for answer, exit_status in ((DROP, 3), ((503, {}, "{}"), 1)):
            with self.subTest(answer=answer), Server(lambda request: answer) as server:
                done = tillbox("order", "cancel", ID, "--idempotency-key", "k-7", url=server.url)
                self.assertEqual(done.returncode, exit_status)
                self.assertIn("--idempotency-key k-7", done.stderr)
                self.assertEqual({request.key for request in server.requests}, {"k-7"})
                # libcurl itself may repeat a request once on a connection that was kept.
                self.assertGreaterEqual(len(server.requests), 4)
                self.assertLessEqual(len(server.requests), 8)


class Questions(unittest.TestCase):
    """Promise: --json prints the answer as it came, a pipe gets tabs, a terminal a table."""

    def test_json_is_passed_through(self):
        odd = '{"b":1.50,"a":{"z":[1, 2]},\n "b2":9007199254740993}'
        with Server(lambda request: (200, {}, odd)) as server:
            for args in (["status"], ["stats"], ["order", "show", ID], ["order", "wait", ID],
                         ["order", "list"], ["link", "auto"], ["order", "ship", ID]):
                with self.subTest(args=args):
                    self.assertEqual(tillbox(*args, "--json", url=server.url).stdout, odd + "\n")

    def test_show(self):
        with Server(lambda request: ok(ORDER)) as server:
            done = tillbox("order", "show", ID, url=server.url)
            fields = dict(line.split("\t", 1) for line in done.stdout.splitlines())
            self.assertEqual(fields["total"], "7.00")
            self.assertEqual(fields["orderId"], ID)
            self.assertEqual(fields["line"], "TEA-1\tGrüner Tee\t2\t3.50\t7.00")
            self.assertNotIn("\x1b", done.stdout)
            exit_status, shown = tillbox_on_terminal("order", "show", ID, url=server.url)
            self.assertEqual(exit_status, 0)
            self.assertRegex(shown, r"\ntotal +7\.00\n")
            self.assertIn("\x1b[1msku", shown)
            plain = tillbox_on_terminal("order", "show", ID, url=server.url, NO_COLOR="1")[1]
            self.assertNotIn("\x1b", plain)
            self.assertRegex(plain, r"\nsku +name +quantity +unitPrice +amount\n")

    def test_a_name_cannot_command_the_terminal(self):
        evil = ORDER | {"customerId": "\x1b[2J\x07\u009b31mC\nD\tE"}
        with Server(lambda request: ok(evil)) as server:
            shown = tillbox_on_terminal("order", "show", ID, url=server.url, NO_COLOR="1")[1]
            for char in "\x1b\x07\u009b\t":
                self.assertNotIn(char, shown)
            self.assertIn("31mC D E", shown)
        with Server(lambda request: problem(409, "a\x1b[2Jb", ("/\x1b", "\x1b"))) as server:
            self.assertNotIn("\x1b", tillbox("order", "show", ID, url=server.url).stderr)

    def test_stats_have_each_currency_s_digits(self):
        stats = {"asOf": "2024-11-23T00:00:00.000Z",
                 "totals": [{"currency": "EUR", "orders": 3, "returns": 1, "cancelled": 0,
                             "totalMinor": -1205},
                            {"currency": "JPY", "orders": 1, "returns": 0, "cancelled": 0,
                             "totalMinor": 1200}],
                 "groups": [{"key": "2024-11-22", "currency": "BHD", "orders": 1, "returns": 0,
                             "cancelled": 1, "totalMinor": 9007199254740991}]}
        with Server(lambda request: ok(stats)) as server:
            done = tillbox("stats", "--from", "2024-11-01", "--to", "2024-12-01T00:00:00+01:00",
                           "--group-by", "day", url=server.url)
            self.assertEqual(done.stdout, "2024-11-22\tBHD\t1\t0\t1\t9007199254740.991\n"
                             "total\tEUR\t3\t1\t0\t-12.05\ntotal\tJPY\t1\t0\t0\t1200\n")
            self.assertEqual(server.requests[0].path, "/orders/stats?from=2024-11-01"
                             "&to=2024-12-01T00%3A00%3A00%2B01%3A00&groupBy=day")
            shown = tillbox_on_terminal("stats", url=server.url, NO_COLOR="1")[1]
            self.assertRegex(shown, r"^key +currency +orders +returns +cancelled +total\n")
            self.assertIn("as of 2024-11-23", shown)

    def test_a_sum_beyond_2_to_the_53_is_exact(self):
        """The server then sends a decimal string."""
        total = {"currency": "EUR", "orders": 1, "returns": 0, "cancelled": 0,
                 "totalMinor": "-9007199254740993", "exact": "string"}
        with Server(lambda request: ok({"totals": [total]})) as server:
            self.assertEqual(tillbox("stats", url=server.url).stdout,
                             "total\tEUR\t1\t0\t0\t-90071992547409.93\n")
        with Server(lambda request: ok(total)) as server:
            self.assertIn("\ntotal\t-90071992547409.93\n",
                          tillbox("order", "show", ID, url=server.url).stdout)

    def test_list_passes_every_filter_and_follows_next(self):
        def answer(request):
            page = {"orders": [ORDER, ORDER | {"orderNumber": "n-2", "currency": "JPY"}]}
            return ok(page if "cursor=b" in request.path else page | {"next": "b&="})

        with Server(answer) as server:
            done = tillbox("order", "list", "--customer", "C 1", "--status", "PLACED", "--node",
                           "t", "--source", "POS", "--business-date", "2024-11-22", "--from",
                           "2024-01-01", "--to", "2025-01-01", "--limit", "2", "--cursor", "a",
                           url=server.url)
            self.assertEqual(done.stdout.splitlines()[0], "\t".join(
                ["till1-000042", ID, "PLACED", "SALE", "7.00", "EUR", ORDER["placedAt"],
                 "2024-11-23", "till1", "POS", "C-1001"]))
            self.assertEqual(done.stdout.splitlines()[1].split("\t")[4], "700")
            self.assertEqual(
                set(server.requests[0].path.removeprefix("/orders?").split("&")),
                {"customerId=C%201", "status=PLACED", "node=t", "source=POS", "limit=2",
                 "businessDate=2024-11-22", "from=2024-01-01", "to=2025-01-01", "cursor=a"})
            self.assertEqual(len(server.requests), 1)
            done = tillbox("order", "list", "--all", url=server.url)
            self.assertEqual(len(done.stdout.splitlines()), 4)
            self.assertEqual([request.path for request in server.requests[1:]],
                             ["/orders?limit=500", "/orders?limit=500&cursor=b%26%3D"])
            done = tillbox("order", "list", "--all", "--json", url=server.url)
            self.assertEqual([len(json.loads(line)["orders"]) for line in
                              done.stdout.splitlines()], [2, 2])
            self.assertIn("--cursor b&=", tillbox_on_terminal("order", "list", url=server.url)[1])

    def test_a_page_of_large_orders(self):
        lines = [{"sku": "A", "name": "]}\\\"", "quantity": 1, "unitPriceMinor": 1}] * 1000
        with Server(lambda request: ok({"orders": [ORDER | {"lines": lines}] * 50})) as server:
            done = tillbox("order", "list", url=server.url)
            self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 50))

    def test_wait(self):
        pending = ok({"status": "pending", "version": 1}, 202, Retry_After="1")
        away = (503, {"Retry-After": "1"}, "{}")
        answers = [pending, away, ok(ORDER)]
        with Server(lambda request: answers.pop(0)) as server:
            done = tillbox("order", "wait", ID, "--version", "2", "--timeout", "40s",
                           url=server.url)
            self.assertEqual(done.returncode, 0)
            self.assertIn("orderNumber\ttill1-000042\n", done.stdout)
            self.assertEqual(server.requests[0].path,
                             f"/orders/{ID}?minVersion=2&wait=30000ms")  # the server's most
            self.assertEqual(len(server.requests), 3)
        with Server(lambda request: pending) as server:
            done = tillbox("order", "wait", ID, "--timeout", "0", url=server.url)
            self.assertEqual(done.returncode, 1)
            self.assertIn("version 1 is not there yet", done.stderr)
            self.assertEqual(len(server.requests), 1)
        with Server(lambda request: ok(ORDER)) as server:
            done = tillbox("order", "wait", ID, "--json", url=server.url)
            self.assertEqual((done.returncode, json.loads(done.stdout)), (0, ORDER))
            self.assertEqual(server.requests[0].path, f"/orders/{ID}?minVersion=1&wait=30000ms")

    def test_a_refused_wait_ends_and_an_early_answer_is_no_busy_loop(self):
        for refusal in (problem(404, "No such order."), problem(503, "Never.")):
            with Server(lambda request: refusal) as server:
                done = tillbox("order", "wait", ID, url=server.url)
                self.assertEqual((done.returncode, len(server.requests)), (1, 1))
        # The server answers at once instead of waiting: tillbox pauses before it asks again.
        with Server(lambda request: ok({"status": "pending", "version": 0}, 202)) as server:
            done = tillbox("order", "wait", ID, "--timeout", "1200ms", url=server.url)
            self.assertEqual(done.returncode, 1)
            self.assertLessEqual(len(server.requests), 3)

    def test_status_is_flat(self):
        status = {"node": "till1", "disk": {"freeBytes": 5, "state": "ok"},
                  "partitions": [{"partition": 0, "lag": 7}], "lastDeliveredAt": None}
        with Server(lambda request: ok(status)) as server:
            self.assertEqual(tillbox("status", "--url", server.url + "/").stdout,
                             "node\ttill1\ndisk.freeBytes\t5\ndisk.state\tok\n"
                             "partitions.0.partition\t0\npartitions.0.lag\t7\nlastDeliveredAt\t\n")
            self.assertEqual(server.requests[0].path, "/status")

    def test_a_loopback_address_needs_no_proxy(self):
        with Server(lambda request: ok({"node": "till1"})) as server:
            done = tillbox("status", url=server.url, http_proxy="http://127.0.0.1:1")
            self.assertEqual(done.returncode, 0)

    def test_full_standard_output_is_a_failure(self):
        with Server(lambda request: ok(ORDER)) as server:
            with open("/dev/full", "w") as full:
                done = subprocess.run([TILLBOX, "order", "show", ID], stdout=full,
                                      stderr=subprocess.PIPE, env=environment(server.url))
            self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
