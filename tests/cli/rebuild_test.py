"""Which requests `tillbox rebuild` sends, what it prints, and its exit status, against a scripted
server."""
import json
import signal
import subprocess
import unittest

from scripted import (DEADLINE_SECONDS, TILLBOX, Server, environment, ok, problem, tillbox,
                      tillbox_on_terminal)

ORDER = "0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10"


def state(name, events=0, total=0, **more):
    return {"state": name, "events": events, "total": total, "ratePerSecond": 50,
            "differenceCount": 0, "differences": [], "generation": 1} | more


class Rebuild:
    """Answers the POST with `post`, and each GET with the next of the states; the last one repeats."""

    def __init__(self, *states, post=None):
        self.states, self.post, self.asked = list(states), post, 0

    def __call__(self, request):
        if request.method == "POST":
            return self.post or ok(state("building"), 202)
        answer = self.states[min(self.asked, len(self.states) - 1)]
        self.asked += 1
        return ok(answer)


DIFFERENCES = [
    {"difference": "total", "currency": "EUR",
     "served": {"orders": 2, "returns": 0, "cancelled": 0, "totalMinor": 150},
     "rebuilt": {"orders": 1, "returns": 0, "cancelled": 0, "totalMinor": 100}},
    {"difference": "sequences", "node": "till1", "epoch": "0123456789abcdef",
     "rebuilt": {"completeThrough": 7, "lastSequence": 9, "holes": 1}},
    {"difference": "missing", "orderId": ORDER,
     "served": {"version": 3, "status": "PLACED", "totalMinor": 50, "currency": "EUR",
                "hash": "0123456789abcdef" * 4}}]


class Scripted(unittest.TestCase):
    def run_on(self, answer, *args, status=0):
        with Server(answer) as server:
            done = tillbox("rebuild", *args, url=server.url)
        self.assertEqual(done.returncode, status, done)
        self.requests = [(request.method, request.path, request.body.decode())
                         for request in server.requests]
        return done

    def test_wrong_usage_sends_nothing(self):
        for args in (["x"], ["--accept", "--rollback"], ["--status", "--wait"],
                     ["--status", "--accept"], ["--status", "--cancel"], ["--cancel", "--accept"],
                     ["--cancel", "--rollback"]):
            with self.subTest(args=args):
                self.run_on(Rebuild(), *args, status=2)
                self.assertEqual(self.requests, [])

    def test_the_requests(self):
        for args, body in (([], ""), (["--accept"], '{"accept":true}')):
            with self.subTest(args=args):
                done = self.run_on(Rebuild(), *args)
                self.assertEqual(self.requests, [("POST", "/rebuild", body)])
                self.assertEqual(done.stdout, "building\t0\t0\t50\t\n")
        done = self.run_on(Rebuild(state("rolled-back")), "--rollback")
        self.assertEqual(self.requests[0], ("POST", "/rebuild", '{"rollback":true}'))
        self.assertEqual(done.stdout.split("\t")[0], "rolled-back")
        self.run_on(Rebuild(state("none")), "--status")
        self.assertEqual(self.requests, [("GET", "/rebuild", "")])

    def test_a_cancelled_one_is_waited_for(self):
        cancelled = state("cancelled", 20, 100, problem="it was cancelled")
        done = self.run_on(Rebuild(state("building", 20, 100, cancelling=True), cancelled),
                           "--cancel")
        self.assertEqual(self.requests[0], ("POST", "/rebuild", '{"cancel":true}'))
        self.assertEqual(done.stdout.splitlines()[-1].split("\t")[0], "cancelled")
        self.assertEqual(done.stderr, "")
        done = self.run_on(Rebuild(state("done")), "--cancel", status=1)
        self.assertIn("had ended before", done.stderr)
        done = self.run_on(Rebuild(post=problem(409, "no rebuild is under way")), "--cancel",
                           status=1)
        self.assertIn("no rebuild is under way", done.stderr)
        self.assertEqual(len(self.requests), 1)
        done = self.run_on(Rebuild(cancelled), "--wait", status=1)
        self.assertIn("it was cancelled", done.stderr)

    def test_lines_in_a_pipe(self):
        done = self.run_on(Rebuild(state("building", 10, 100, secondsLeft=2),
                                   state("building", 20, 100, secondsLeft=2),
                                   state("comparing", 100, 100, secondsLeft=0),
                                   state("done", 120, 120, secondsLeft=0)), "--wait")
        self.assertEqual(done.stdout, "building\t10\t100\t50\t2\ncomparing\t100\t100\t50\t0\n"
                         "done\t120\t120\t50\t0\n")
        self.assertEqual(done.stderr, "")

    def test_a_bar_on_a_terminal(self):
        with Server(Rebuild(state("building", 10, 100), state("building", 50, 100),
                            state("comparing", 100, 100), state("done", 100, 100))) as server:
            status, shown = tillbox_on_terminal("rebuild", "--wait", url=server.url)
        self.assertEqual(status, 0)
        self.assertIn(" 50%  50 events", shown)
        self.assertIn("comparing", shown)
        self.assertTrue(shown.endswith("done: 100 of 100 events\n"), shown)

    def test_an_error_does_not_stand_behind_the_bar(self):
        for args in ([], ["--json"]):
            answers = [ok(state("building", 10, 100))] * 2 + [problem(500, "broken")]

            def answer(request):
                return ok(state("building"), 202) if request.method == "POST" else answers.pop(0)

            with self.subTest(args=args), Server(answer) as server:
                status, shown = tillbox_on_terminal("rebuild", "--wait", *args, url=server.url,
                                                    NO_COLOR="1")
                self.assertEqual(status, 1)
                self.assertIn("10 events", shown)
                self.assertRegex(shown, r"(\r\x1b\[K|\n)tillbox: 500 Refused: broken\n")
                self.assertNotRegex(shown, r"events[^\r\n]*(tillbox|\{)")

    def test_differences_end_with_1(self):
        failed = state("failed", 5, 5, secondsLeft=0, differenceCount=2, differences=DIFFERENCES,
                       problem="2 differences")
        done = self.run_on(Rebuild(failed), "--wait", status=1)
        self.assertEqual(done.stdout.splitlines()[1:], [
            "total\tEUR\t2 orders 1.50\t1 orders 1.00",
            "sequences\ttill1\tnone\tcomplete to 7 of 9",
            f"missing\t{ORDER}\t3 PLACED 0.50 01234567\tnone"])
        self.assertIn("2 differences", done.stderr)
        done = self.run_on(Rebuild(failed), "--wait", "--json", status=1)
        self.assertEqual(json.loads(done.stdout), failed)

    def test_any_other_end_is_1(self):
        self.run_on(Rebuild(state("rolled-back")), "--rollback")
        done = self.run_on(Rebuild(state("none")), "--wait", status=1)
        self.assertIn("not known", done.stderr)
        self.run_on(Rebuild(state("\033[2J")), "--wait", status=1)
        self.run_on(lambda _: ok({"no": 1}), "--status", status=1)
        self.run_on(lambda _: problem(501, "cannot"), status=1)

    def test_a_running_rebuild_is_waited_for(self):
        busy = problem(409, "a rebuild is under way")
        self.run_on(Rebuild(state("done"), post=busy), "--wait")
        self.run_on(Rebuild(state("done"), post=busy), status=1)
        self.run_on(Rebuild(state("done"), post=busy), "--accept", "--wait", status=1)

    def test_an_interrupt_ends_the_waiting_only(self):
        with Server(Rebuild(state("building", 1, 9))) as server:
            process = subprocess.Popen([TILLBOX, "rebuild", "--wait"], env=environment(server.url),
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertTrue(process.stdout.readline().startswith("building"))
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=DEADLINE_SECONDS)
        self.assertEqual(process.returncode, 1)
        self.assertIn("the rebuild goes on", said)
        self.assertEqual([request.method for request in server.requests].count("POST"), 1)


if __name__ == "__main__":
    unittest.main()
