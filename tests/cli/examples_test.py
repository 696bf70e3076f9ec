"""The examples work as they are: the configuration, the orders, the quickstart script."""
import collections
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from scripted import tillbox

EXAMPLES = pathlib.Path(os.environ["SOURCE"]) / "examples"


class Configuration(unittest.TestCase):
    def test_it_has_every_key_and_every_line_of_it_is_right(self):
        """Without comment signs the file loads, agrees with `tillbox config`, and has every key."""
        text = (EXAMPLES / "tillbox.conf").read_text()
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tillbox.conf"
            file.write_text(re.sub(r"(?m)^#(\w+ =)", r"\1", text))
            done = tillbox("config", "--config", str(file), "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            keys = json.loads(done.stdout)
            self.assertEqual({key["key"] for key in keys if key["origin"] != "file"}, set())
            for key in keys:
                self.assertIn("# " + key["help"] + "\n", text)
            defaults = json.loads(tillbox("config", "--json", "--config", "/dev/null").stdout)
            self.assertEqual([key["value"] for key in keys[1:]],
                             [key["value"] for key in defaults[1:]])  # but for the node's name

    def test_a_wrong_value_is_2_with_file_and_line(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tillbox.conf"
            file.write_text("[node]\ncurrency = Euro\n")
            done = tillbox("config", "--config", str(file))
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("tillbox.conf:2", done.stderr)

    def test_origins(self):
        done = tillbox("config", "--node", "kiosk-1", TILLBOX_NODE_CURRENCY="GBP")
        self.assertRegex(done.stdout, r"(?m)^node\.name = kiosk-1\s+# flag")
        self.assertRegex(done.stdout, r"(?m)^node\.currency = GBP\s+# env")
        self.assertRegex(done.stdout, r"(?m)^log\.kind = inproc\s+# default")


class Orders(unittest.TestCase):
    def test_they_are_what_the_readme_says(self):
        """200, of several days, kinds and currencies, with and without customer and address."""
        orders = [json.loads(line) for line in (EXAMPLES / "orders.jsonl").read_text().splitlines()]
        self.assertEqual(len(orders), 200)
        seen = collections.Counter()
        for order in orders:
            seen.update([order["kind"], order["currency"], order["placedAt"][:10],
                         f"customer {'customerId' in order}",
                         f"address {'shippingAddress' in order}"])
            sign = -1 if order["kind"] == "RETURN" else 1
            self.assertTrue(all(line["quantity"] * sign > 0 for line in order["lines"]))
        for wanted in ("SALE", "RETURN", "EUR", "JPY", "customer True", "customer False",
                       "address True", "address False"):
            self.assertGreater(seen[wanted], 5, wanted)
        self.assertGreater(sum(key[:2] == "20" for key in seen), 4)


class Scripts(unittest.TestCase):
    def test_shells_can_read_them(self):
        for script in EXAMPLES.glob("*.sh"):
            done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_wrong_argument_is_2(self):
        done = subprocess.run(["sh", str(EXAMPLES / "quickstart.sh"), "--twice"],
                              capture_output=True)
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
