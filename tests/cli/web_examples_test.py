"""The examples for web pages and Node.js, run by Node.js against an edge."""
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from scripted import DEADLINE_SECONDS, TILLBOX, environment, tillbox

SOURCE = pathlib.Path(os.environ["SOURCE"])
EXAMPLES = SOURCE / "examples"
WAIT = EXAMPLES / "wait_for_order.js"
ORIGIN = "http://localhost:8000"
WAYS = ["byAskingAgain", "byLongPoll", "byWebSocket"]


def node(*args):
    return subprocess.run(["node", *map(str, args)], capture_output=True, text=True,
                          timeout=DEADLINE_SECONDS)


class Web(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tillbox-web-")
        cls.edge = subprocess.Popen(
            [TILLBOX, "edge", "--data", str(pathlib.Path(cls.folder.name) / "node"), "--node",
             "till1", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
            env=environment(TILLBOX_HTTP_ALLOWED_ORIGINS=ORIGIN))
        if not select.select([cls.edge.stdout], [], [], DEADLINE_SECONDS)[0]:
            raise AssertionError("the node says nothing")
        cls.url = cls.edge.stdout.readline().split()[-1]

    @classmethod
    def tearDownClass(cls):
        cls.edge.send_signal(signal.SIGTERM)
        status = cls.edge.wait(DEADLINE_SECONDS)
        cls.edge.stdout.close()
        cls.folder.cleanup()
        assert status == 0, status

    def check_three_ways(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(re.findall(r"(?m)^(\w+): till1-\d{6} can be read [\d.]+ ms after its 201$",
                                    done.stdout), WAYS)

    def test_three_ways(self):
        self.check_three_ways(node(WAIT, self.url))

    def test_three_ways_with_the_platforms_websocket(self):
        """As in a browser. Node has a WebSocket from 22 on; some earlier versions have it with a flag."""
        flags = []
        if node("-p", "typeof WebSocket").stdout.strip() == "undefined":
            flags = ["--experimental-websocket"]
            if node(*flags, "-p", "1").returncode != 0:
                self.skipTest("this node has no WebSocket at all")
        self.check_three_ways(node(*flags, WAIT, self.url))

    def test_they_wait_while_the_view_does_not_move(self):
        tillbox("link", "offline", url=self.url)
        waiting = subprocess.Popen(["node", str(WAIT), self.url], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        try:
            counted = r'route="/orders/\{id\}",code="202"\} [1-9]'
            while not re.search(counted, self.metrics()):  # until one 202 was answered
                self.assertIsNone(waiting.poll())
            tillbox("link", "auto", url=self.url)
            out, err = waiting.communicate(timeout=DEADLINE_SECONDS)
        finally:
            waiting.kill()
        self.check_three_ways(subprocess.CompletedProcess([], waiting.returncode, out, err))

    def metrics(self):
        with urllib.request.urlopen(f"{self.url}/metrics") as reply:
            return reply.read().decode()

    def test_no_server_is_reported(self):
        done = node(WAIT, "http://127.0.0.1:1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertNotEqual(done.stderr.strip(), "")

    def test_kiosk(self):
        done = node(SOURCE / "tests" / "cli" / "kiosk_dom.js", EXAMPLES, self.url, ORIGIN)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        number = re.search(r"Your order #(till1-\d{6}) has been placed\.", done.stdout)[1]
        self.assertIn(f"{number}: will appear shortly\n", done.stdout)
        self.assertTrue(done.stdout.endswith(f"{number}: 6.40 EUR, PLACED\n"), done.stdout)

    def test_kiosk_of_an_origin_that_is_not_listed(self):
        done = node(SOURCE / "tests" / "cli" / "kiosk_dom.js", EXAMPLES, self.url,
                    "http://evil.example")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Is it listed in http.allowed_origins?", done.stdout)


if __name__ == "__main__":
    if not shutil.which("node"):
        print("skipped: node is not installed (Debian: nodejs)")
        sys.exit(77)
    unittest.main()
