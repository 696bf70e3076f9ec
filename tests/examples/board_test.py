"""The Grafana dashboard and the alert rules use only metrics that the daemons export, and valid
PromQL. Skipped (77) without promtool. The names are searched for in the sources.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "examples/alerts.yml"
BOARD = ROOT / "examples/grafana/tillbox.json"
METRIC = re.compile(r"\b(?:tillbox|kafka|projection|process)_[a-z_]+")
SERIES_OF_A_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")


def exported():
    text = "".join(path.read_text() for path in (ROOT / "src").rglob("*.c"))
    return set(re.findall(r'"((?:tillbox|kafka|projection|process)_[a-z_]+)"', text))


def board_queries():
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$instance", ".*")


def rule_queries():
    for text in re.findall(r"expr: (>-(?:\n {10}.*)+|.*)", RULES.read_text()):
        yield "alerts.yml", text.removeprefix(">-")


def find_promtool():
    done = subprocess.run(["sh", pathlib.Path(__file__).with_name("promtool.sh")],
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print("promtool cannot be had (Debian: prometheus): the syntax was not looked at")
        sys.exit(77)
    return done.stdout.strip()


def promtool(tool, *words):
    done = subprocess.run([tool, *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"promtool {' '.join(map(str, words))}:\n{done.stdout}{done.stderr}")


def main():
    queries = list(board_queries()) + list(rule_queries())
    if len(queries) < 20:
        sys.exit(f"only {len(queries)} queries were found: this test looks in the wrong place")
    known = exported()
    for where, query in queries:
        for name in METRIC.findall(query):
            if name not in known and SERIES_OF_A_HISTOGRAM.sub("", name) not in known:
                sys.exit(f"{where}: nothing exports {name}")
    tool = find_promtool()
    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder, "board.yml")
        groups = [{"record": f"board:q{i}", "expr": query} for i, (_, query) in enumerate(queries)]
        rules.write_text(json.dumps({"groups": [{"name": "board", "rules": groups}]}))
        promtool(tool, "check", "rules", rules)
    promtool(tool, "check", "rules", RULES)
    promtool(tool, "test", "rules", ROOT / "tests/examples/alerts_test.yml")


main()
