"""`tillbox order import` with all kinds of files, a server that sometimes fails, and Ctrl-C."""
import collections
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from scripted import (DEADLINE_SECONDS, DROP, TILLBOX, Server, environment, ok, problem,
                      set_columns, tillbox, tillbox_on_terminal)

MIB = 1 << 20


class Till:
    """Places orders as an edge does: one for each key, and none with a negative quantity. planned: the
    answers to the next requests; None: the normal answer. planned_questions: the same for requests
    that ask whether a key was used."""

    def __init__(self):
        self.answers, self.lock = {}, threading.Lock()
        self.planned, self.planned_questions = collections.deque(), collections.deque()

    def __call__(self, request):
        with self.lock:
            if request.path != "/orders":
                return self.answer_question(request)
            if self.planned:
                plan = self.planned.popleft()
                if plan == "lost answer":  # carried out, but the response is lost
                    self.place(request)
                    return DROP
                if plan:
                    return plan
            return self.place(request)

    def answer_question(self, request):
        """A command for an order that does not exist."""
        plan = self.planned_questions.popleft() if self.planned_questions else None
        if plan:
            return plan
        if request.key in self.answers:
            return problem(422, "This key was used for another request.")
        return problem(404, "There is no such order.")

    def place(self, request):
        order = json.loads(request.body)
        if order["lines"][0]["quantity"] < 0:
            return problem(422, "1 fault", ("/lines/0/quantity", "must be above 0"))
        if request.key in self.answers:
            return ok(self.answers[request.key], 201, Idempotency_Replayed="true")
        self.answers[request.key] = {"orderId": f"o{len(self.answers)}"}
        return ok(self.answers[request.key], 201)

    def orders(self):
        return len(self.answers)


def line(quantity=1, **more):
    return json.dumps({"lines": [{"sku": "A", "quantity": quantity, "unitPriceMinor": 1}]} | more)


class Import(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / "orders.jsonl"
        self.till = Till()

    def run_import(self, text, *args, server, **env):
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tillbox("order", "import", str(self.file), *args, url=server.url, **env)

    def test_every_line_is_an_order_and_again_adds_nothing(self):
        """Equal lines are different orders; in the second run, all of them exist already."""
        text = "\n".join([line(), line(), "", line(2), "  ", line()]) + "\n"
        with Server(self.till) as server:
            done = self.run_import(text, server=server)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout, "imported\t4\nalready there\t0\nrefused\t0\n")
            self.assertEqual(self.till.orders(), 4)
            done = self.run_import(text, server=server)
            self.assertEqual(done.stdout, "imported\t4\nalready there\t4\nrefused\t0\n")
            self.assertEqual(self.till.orders(), 4)
            # Neither carriage returns nor a byte order mark belong to a line.
            done = self.run_import(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
                                   server=server)
            self.assertEqual(done.stdout, "imported\t4\nalready there\t4\nrefused\t0\n")
            self.assertEqual(json.loads(self.run_import(text, "--json", server=server).stdout),
                             {"refusals": [], "imported": 4, "alreadyThere": 4, "refused": 0,
                              "complete": True})

    def test_the_same_order_written_in_another_way_is_the_same_order(self):
        """Other blanks, other escapes, the members in another order, -0. Two of them in one file are two
        orders, as equal lines are. Another number, text or order of the elements is another order."""
        ways = ['{"lines":[{"quantity":1,"sku":"A","unitPriceMinor":0}],"source":"P\u00f6s/"}',
                ' {\t"source" : "P\\u00F6s\\/" , "lines" : [ {"unitPriceMinor":-0,"sku":"A", "quantity":1} ] } ']
        others = [ways[0].replace(*change) for change in [(':1', ':2'), ('"A"', '"a"'), ('Minor":0', 'Minor":0.0')]]
        two = '{"lines":[{"sku":"B","quantity":1},{"sku":"C","quantity":1}]}'
        turned = '{"lines":[{"sku":"C","quantity":1},{"sku":"B","quantity":1}]}'
        with Server(self.till) as server:
            self.imported([ways[0], two], server)
            self.assertEqual(self.imported([two.replace(":", ": "), ways[1]], server), 2)
            self.assertEqual(self.imported([*others, turned], server), 0)
            self.assertEqual(self.till.orders(), 6)
            self.assertEqual(self.imported(ways, server), 1)
            self.assertEqual(self.imported(ways[::-1], server), 2)
            self.assertEqual(self.till.orders(), 7)
            # One key stands for one body, to the byte.
            sent = collections.defaultdict(set)
            for request in server.requests:
                sent[request.key].add(request.body if request.path == "/orders" else b"")
            self.assertTrue(all(len(bodies - {b""}) < 2 for bodies in sent.values()))

    def imported(self, lines, server):
        """Imports the lines, and returns how many of them were there already."""
        done = self.run_import("\n".join(lines), server=server)
        return int(re.search(r"^already there\t(\d+)$", done.stdout, re.M)[1])

    def test_lines_may_be_added_removed_and_moved_between_runs(self):
        """The refused line is deleted, one is mended, the rest is shuffled; of three equal lines one
        goes, and then two more come."""
        orders = [line(n) for n in range(1, 301)]
        with Server(self.till) as server:
            self.imported(orders[:100] + [line(-1)] + orders[100:] + [line(-2)] + [line(999)] * 3, server)
            self.assertEqual(self.till.orders(), 303)
            second = orders[::-1] + [line(999)] * 2 + [line(2000)]
            self.assertEqual(self.imported(second, server), 302)
            self.assertEqual(self.till.orders(), 304)
            self.assertEqual(self.imported([line(999)] * 4 + second[:-3], server), 303)
            self.assertEqual(self.till.orders(), 305)

    def test_lines_that_an_earlier_build_has_keyed_by_their_bytes_count(self):
        """Whatever else stands in the file by now, and however many lines are before them."""
        lines = [line(n % 40 + 1) for n in range(200)]
        seen = collections.Counter()
        for text in lines:
            seen[text] += 1
            key = f"import-{hashlib.sha256(text.encode()).hexdigest()}-{seen[text]}"
            self.till.answers[key] = {"orderId": key}
        new = [line(n + 1000) for n in range(300)]
        with Server(self.till) as server:
            self.assertEqual(self.imported(new + lines[::-1], server), 200)
            self.assertEqual(self.till.orders(), 500)
            self.assertEqual(self.imported([line(41)] + lines + new, server), 500)
            # The server compares the bodies of a key: the old one has the line as it is.
            bodies = {request.body for request in server.requests if request.path == "/orders"}
            self.assertLess({text.encode() for text in lines}, bodies)

    def old_keys(self, lines, placed):
        """One of the first builds has placed these lines, given by their indexes."""
        for index in placed:
            digest = hashlib.sha256(lines[index].encode()).hexdigest()
            self.till.answers[f"import-{index + 1}-{digest}"] = {"orderId": f"old{index}"}

    def test_what_an_earlier_build_has_imported_counts(self):
        """It stopped anywhere: of the 63 lines behind the first unfinished one, some are placed, or only
        the last. Refused lines, of which many stand together, have no key."""
        lines = [line(-1) if n % 10 == 3 and n < 450 or 200 <= n < 350 else line(n % 50 + 1)
                 for n in range(600)]
        good = [index for index, text in enumerate(lines) if "-1" not in text]
        for end, step in [(0, 62), (0, 2), (1, 2), (4, 62), (63, 2), (130, 62), (400, 2), (400, 62), (500, 62),
                          (600, 2)]:
            behind = range(end + step, min(end + 64, 600), step)
            placed = [index for index in [*range(end), *behind] if index in good]
            with self.subTest(end=end, step=step), Server(self.till) as server:
                self.till.answers.clear()
                self.old_keys(lines, placed)
                self.assertEqual(self.imported(lines, server), len(placed))
                self.assertEqual(self.till.orders(), len(good))
                self.assertEqual(self.imported(lines, server), len(good))
                self.assertEqual(self.till.orders(), len(good))

    def test_what_the_first_builds_have_imported_is_added_again_where_it_has_moved(self):
        """Their keys hold the line's number. The help says so, and the way out."""
        lines = [line(n + 1) for n in range(20)]
        told = " ".join(tillbox("order", "import", "--help").stdout.split())
        self.assertIn("what they have imported is added again where it has moved: add lines to such a "
                      "file at its end, or import them from a file of their own", told)
        with Server(self.till) as server:
            self.old_keys(lines, range(20))
            self.assertEqual(self.imported(lines + [line(50)], server), 20)
            self.assertEqual(self.imported([line(51)], server), 0)
            self.assertEqual(self.till.orders(), 22)
            self.assertEqual(self.imported(lines[::-1], server), 0)
            self.assertEqual(self.till.orders(), 42)

    def test_only_the_beginning_of_a_new_file_is_asked_for_its_numbers(self):
        lines = [line(n + 1) for n in range(1000)]
        with Server(self.till) as server:
            self.imported(lines, server)
            asked = [request for request in server.requests if request.path != "/orders"]
            self.assertEqual(len(asked), 1000 + 128)
            self.assertEqual({(request.method, request.body) for request in asked}, {("POST", b"")})
            paths = {request.path for request in asked}
            self.assertRegex(paths.pop(), r"^/orders/[0-9a-f]{8}-[0-9a-f-]{27}/cancel$")
            self.assertEqual((paths, self.till.orders()), (set(), 1000))
        with Server(self.till) as server:  # refused lines do not change that
            self.imported([line(-1) if n % 50 == 7 else line(n + 2000) for n in range(1000)], server)
            self.assertLess(sum(request.path != "/orders" for request in server.requests), 1000 + 256)

    def test_a_question_is_repeated_until_it_is_answered(self):
        lines = [line(n + 1) for n in range(40)]
        self.old_keys(lines, range(20))
        self.till.planned_questions.extend([None, (503, {"Retry-After": "0"}, "{}"), DROP, None,
                                            (507, {"Retry-After": "0"}, "{}")])
        with Server(self.till) as server:
            self.assertEqual(self.imported(lines, server), 20)
            self.assertEqual(self.till.orders(), 40)

    def test_refused_lines_are_listed_in_order_and_the_rest_goes_on(self):
        lines = [line(-1) if n % 3 == 0 else line() for n in range(1, 301)]
        with Server(self.till) as server:
            done = self.run_import("\n".join(lines), server=server)
            self.assertEqual((done.returncode, self.till.orders()), (1, 200))
            listed = re.findall(r"^line\t(\d+)\t(.*)$", done.stdout, re.M)
            self.assertEqual([int(number) for number, _ in listed], list(range(3, 301, 3)))
            self.assertEqual({why for _, why in listed}, {
                "422 Refused: 1 fault; /lines/0/quantity: must be above 0"})
            summary = json.loads(self.run_import("\n".join(lines), "--json", server=server).stdout)
            self.assertEqual([one["line"] for one in summary["refusals"]], list(range(3, 301, 3)))
            self.assertEqual(summary["refusals"][0]["problem"]["errors"],
                             [{"pointer": "/lines/0/quantity", "detail": "must be above 0"}])
            self.assertEqual((summary["imported"], summary["alreadyThere"], summary["refused"]),
                             (200, 200, 100))

    def test_a_line_may_have_a_mebibyte(self):
        head, tail = line()[:-1] + ',"pad":"', '"}'
        largest = head + "x" * (MIB - len(head) - len(tail)) + tail
        with Server(self.till) as server:
            done = self.run_import("\n".join([largest, largest + " ", line()]), server=server)
            self.assertEqual((done.returncode, self.till.orders()), (1, 2))
            self.assertIn("line\t2\t413 Content Too Large: the line is longer than 1 MiB\n",
                          done.stdout)

    def test_few_connections_are_kept(self):
        with Server(self.till) as server:
            self.run_import("\n".join([line()] * 500), server=server)
            self.assertEqual(self.till.orders(), 500)
            self.assertLessEqual(len(server.connections), 16)

    def test_sixteen_requests_are_in_flight_at_once(self):
        """Each answer waits for fifteen other requests, so fewer in flight would hang."""
        together = threading.Barrier(16, timeout=DEADLINE_SECONDS)

        def answer(request):
            together.wait()
            return self.till(request)

        with Server(answer) as server:
            done = self.run_import("\n".join([line()] * 32), server=server)
            self.assertEqual((done.returncode, self.till.orders()), (0, 32))

    def test_failures_are_repeated_and_no_order_doubles(self):
        self.till.planned.extend([None] * 3 + [
            (503, {"Retry-After": "1"}, "{}"), "lost answer", (429, {}, ""), DROP,
            (507, {"Retry-After": "0"}, "{}"), "lost answer", (502, {}, ""), (408, {}, "")])
        with Server(self.till) as server:
            done = self.run_import("\n".join([line()] * 40), server=server)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(self.till.orders(), 40)
            self.assertIn("imported\t40\n", done.stdout)
            times = collections.Counter(request.key for request in server.requests
                                        if request.path == "/orders")
            self.assertEqual(len(times), 40)
            self.assertGreaterEqual(max(times.values()), 2)

    def test_give_up_after_ends_the_waiting(self):
        self.till.planned.extend([None] * 5 + [(503, {}, '{"detail":"full"}')] * 1000)
        with Server(self.till) as server:
            done = self.run_import("\n".join([line()] * 40), "--give-up-after", "0", server=server)
            self.assertEqual(done.returncode, 1)
            self.assertIn("503 Service Unavailable: full", done.stderr)
            self.assertIn("Running it again continues safely", done.stderr)
            self.assertIn("imported\t5\n", done.stdout)

    def test_no_server_is_3_at_once(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.file.write_text(line())
            done = tillbox("order", "import", str(self.file),
                           url=f"http://127.0.0.1:{taken.getsockname()[1]}")
            self.assertEqual(done.returncode, 3)
            self.assertIn("tillbox edge", done.stderr)
            self.assertIn("imported\t0\n", done.stdout)

    def test_a_server_that_takes_no_orders_is_reported_once(self):
        for status in (401, 403, 404, 405, 302):
            with Server(lambda request: (status, {}, "")) as server:
                done = self.run_import("\n".join([line()] * 1000), server=server)
                self.assertEqual(done.returncode, 1)
                self.assertIn("does not take orders", done.stderr)
                self.assertLessEqual(len(server.requests), 32)

    def test_a_missing_file(self):
        done = tillbox("order", "import", str(self.file), url="http://127.0.0.1:1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", done.stderr)
        self.assertEqual(tillbox("order", "import", "/").returncode, 1)

    def test_a_pause_of_the_pipe_does_not_delay_earlier_lines(self):
        """The first order is placed while the second is not written yet."""
        with Server(self.till) as server:
            process = subprocess.Popen([TILLBOX, "order", "import", "-"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env=environment(server.url))
            process.stdin.write(line().encode() + b"\n" + line().encode()[:10])
            process.stdin.flush()
            while self.till.orders() < 1:
                self.assertIsNone(process.poll())
            process.stdin.write(line().encode()[10:])
            out = process.communicate(timeout=DEADLINE_SECONDS)[0]
            self.assertEqual((process.returncode, self.till.orders()), (0, 2))
            self.assertIn(b"imported\t2\n", out)

    def test_ctrl_c_finishes_what_is_in_flight(self):
        """All requests in flight are answered and counted. Running it again places the rest, and no order
        twice."""
        asked, go_on = threading.Event(), threading.Event()

        def answer(request):
            result = self.till(request)
            if self.till.orders() >= 50:
                asked.set()
                go_on.wait(DEADLINE_SECONDS)
            return result

        self.file.write_text("\n".join([line()] * 400))
        with Server(answer) as server:
            process = subprocess.Popen([TILLBOX, "order", "import", str(self.file)],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                       env=environment(server.url))
            self.assertTrue(asked.wait(DEADLINE_SECONDS))
            process.send_signal(signal.SIGINT)
            # The handler is removed when the signal arrives (SA_RESETHAND).
            while self.catches(process.pid, signal.SIGINT):
                pass
            go_on.set()
            out, err = process.communicate(timeout=DEADLINE_SECONDS)
            self.assertEqual(process.returncode, 1)
            self.assertIn("Running it again continues safely", err)
            imported = int(re.search(r"^imported\t(\d+)$", out, re.M)[1])
            self.assertEqual(imported, self.till.orders())
            self.assertLess(imported, 400)
            done = self.run_import(self.file.read_text(), server=server)
            self.assertEqual(done.stdout,
                             f"imported\t400\nalready there\t{imported}\nrefused\t0\n")
            self.assertEqual(self.till.orders(), 400)

    @staticmethod
    def catches(pid, number):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) >> (number - 1) & 1

    def test_a_terminal_gets_a_progress_bar_a_pipe_does_not(self):
        self.file.write_text("\n".join([line(), line(-1)] * 100))
        with Server(self.till) as server:
            exit_status, shown = tillbox_on_terminal("order", "import", str(self.file),
                                                     url=server.url, NO_COLOR="1")
            self.assertEqual(exit_status, 1)
            self.assertRegex(shown, r"\[[#-]{10,}\] +\d+%  \d+ orders")
            self.assertTrue(shown.endswith(
                "imported 100 (of them 0 already there), refused 100\n"), shown[-200:])
            self.assertIn("line 2: 422", shown)
            # The bar is cleared before anything else is printed.
            self.assertEqual(re.findall(r"orders[^\r\n]*\n", shown), [])
            done = tillbox("order", "import", str(self.file), url=server.url)
            self.assertEqual(done.stderr, "")

    def test_the_progress_line_says_what_is_waited_for(self):
        self.file.write_text(line())
        self.till.planned.append((503, {"Retry-After": "1"}, '{"detail":"the queue is full"}'))
        with Server(self.till) as server:
            exit_status, shown = tillbox_on_terminal("order", "import", str(self.file),
                                                     url=server.url, columns=140)
            self.assertEqual(exit_status, 0)
            self.assertIn("waiting 1 s: 503 Service Unavailable: the queue is full", shown)

    def check_width(self, shown, columns):
        drawn = [line.split("\n")[0] for line in re.split(r"\r\x1b\[K", shown) if " orders" in line]
        self.assertTrue(drawn)
        self.assertLess(max(map(len, drawn)), columns, drawn[-1])
        return drawn

    def test_the_line_fits_the_terminal(self):
        """The server is busy and gives a reason that is longer than the line."""
        reason = json.dumps({"detail": "the database moves to another server, " * 5})
        for columns in (80, 40, 20):
            self.till.planned.extend([None, (503, {"Retry-After": "1"}, reason)])
            self.file.write_text("\n".join([line()] * 20))
            with Server(self.till) as server:
                _, shown = tillbox_on_terminal("order", "import", str(self.file), url=server.url,
                                               columns=columns, NO_COLOR="1")
            drawn = self.check_width(shown, columns)
            self.assertEqual(max(map(len, drawn)), columns - 1)  # the rest of it is cut
            self.assertEqual(re.findall(r"orders[^\r\n]*\n", shown), [])

    def test_the_line_fits_a_terminal_that_gets_narrower(self):
        narrow, seen = 30, []

        def resize(shown, terminal):
            if not seen and b"waiting" in shown:
                set_columns(terminal, narrow)
                seen.append(len(shown))

        self.till.planned.append((503, {"Retry-After": "2"}, '{"detail":"' + "x" * 200 + '"}'))
        self.file.write_text(line())
        with Server(self.till) as server:
            _, shown = tillbox_on_terminal("order", "import", str(self.file), url=server.url,
                                           columns=120, on_output=resize)
        drawn = re.split(r"\r\x1b\[K", shown)
        self.assertEqual(max(map(len, drawn)), 119)
        waiting = [part for part in drawn if "waiting" in part]
        self.assertEqual(len(waiting[-1]), narrow - 1, waiting[-1])

    def test_memory_does_not_grow_with_the_file(self):
        """70 MB of lines, half of them refused."""
        if os.environ.get("TB_SANITIZED"):
            self.skipTest("a sanitizer keeps freed memory")
        text = line(pad="x" * 100000) + "\n" + line(-1) + "\n"
        def answer(request):
            if request.path != "/orders":
                return problem(404, "none")
            return problem(422, "no") if b"-1" in request.body else ok({}, 201)

        with Server(answer) as server:
            process = subprocess.Popen([TILLBOX, "order", "import", "-"], stdin=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL, env=environment(server.url))
            for _ in range(700):
                process.stdin.write(text.encode())
            peak = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            process.communicate(timeout=DEADLINE_SECONDS)
            self.assertEqual(process.returncode, 1)
            self.assertLess(int(re.search(r"VmHWM:\s*(\d+)", peak)[1]), 40000)


if __name__ == "__main__":
    unittest.main()
