"""The disk fails during COMMIT: the client gets 503, and repeating the command with the same key
makes exactly one order. strace makes the Nth fdatasync or write of each thread fail with EIO. The
daemon continues or ends; after a start without faults all files must be sound. The daemon never
retries a failed fsync: the kernel has dropped the pages that it did not write.
"""
import subprocess
import uuid

from tillbox_e2e import (Edge, Lost, Skipped, check, check_files, eventually,
                         need_program, order_body,
                         request, run, scratch)

# Which call of each thread fails, with an existing data folder: most of these hit an order.
FAULTS = [("fdatasync", when) for when in ("1", "2", "3", "4", "7", "12", "3+5", "9+", "2..4")]
FAULTS += [("pwrite64", when) for when in ("1", "2", "3", "5", "9", "17", "33", "7+11", "30+")]
# With a new data folder: most of these hit the start.
FAULTS_NEW = [("fdatasync", "1"), ("fdatasync", "9"), ("fdatasync", "15"), ("pwrite64", "10")]
ORDERS = 12
# After this many refusals a repeat will not succeed any more.
REPEATS = 5


def need_strace():
    need_program("strace")
    probe = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO",
                            "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise Skipped(f"strace may not trace here: {probe.stderr.strip()}")


def under_strace(data, call, when):
    # LeakSanitizer cannot run under ptrace.
    return Edge(data, prefix=("strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e",
                              f"trace={call}", "-e", f"inject={call}:error=EIO:when={when}"),
                ASAN_OPTIONS="detect_leaks=0")


def send(edge, raw):
    """One request; None when the process ended during it."""
    try:
        with edge.client() as client:
            return client.exchange(raw)
    except Lost:
        return None


def place_with_faults(edge, keys):
    """Places each order and repeats commands with unknown outcome. Returns the answers and the
    number of 503s."""
    answers, refused = {}, 0
    for number, key in enumerate(keys):
        raw = request("POST", "/orders", order_body(number), idempotency_key=key)
        for _ in range(REPEATS):
            reply = send(edge, raw)
            if reply is None:
                return answers, refused
            check(reply.status in (201, 503), f"an I/O error is answered: {reply}")
            if reply.status == 201:
                answers[key] = reply.body
                break
            refused += 1
            check("retry-after" in reply.headers, f"503 without Retry-After: {reply.headers}")
    return answers, refused


def run_with_fault(data, call, when, keys):
    """Returns the answers, the number of 503s, and the exit status of the process."""
    edge = under_strace(data, call, when)
    line = edge.launch()
    if not line:
        check(edge.ended() != 0, f"{call} {when}: it did not start, and ended with 0")
        return {}, 0, "did not start"
    edge.port = int(line.rpartition(":")[2])
    answers, refused = place_with_faults(edge, keys)
    if edge.process.poll() is None:
        edge.process.terminate()
        edge.ended()
        return answers, refused, "went on"
    check(edge.ended() != 0, f"{call} {when}: it gave up, and ended with 0")
    return answers, refused, "gave up"


def one_fault(data, call, when):
    """Returns how often the fault was seen by a client."""
    keys = [uuid.uuid4().hex for _ in range(ORDERS)]
    answers, refused, state = run_with_fault(data, call, when, keys)
    with Edge(data) as edge:
        for number, key in enumerate(keys):
            reply = edge.ask("POST", "/orders", order_body(number), idempotency_key=key)
            check(reply.status == 201, f"{call} {when}: the repeat after a restart: {reply}")
            check(key not in answers or answers[key] == reply.body,
                  f"{call} {when}: answered {answers.get(key)}, now {reply}")
        edge.catch_up()
        check(len(edge.orders()) == ORDERS, f"{call} {when}: {len(edge.orders())} orders")
        edge.stop()
    check(len(check_files(data)) == ORDERS, f"{call} {when}: the store has another count")
    print(f"{call} {when}: {state}, {len(answers)} of {ORDERS} answered, {refused} times 503")
    return refused + (state != "went on")


def told_while_running(folder):
    """The WAL fails for good: the diagnostics and /healthz name it."""
    data = folder / "data"
    with Edge(data) as edge:
        edge.stop()
    wal = data.resolve() / "store.db-wal"
    edge = Edge(data, prefix=("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", str(wal), "-e",
                              "trace=pwrite64", "-e", "inject=pwrite64:error=EIO:when=6+"),
                ASAN_OPTIONS="detect_leaks=0")
    with edge:
        for number in range(ORDERS):
            if edge.ask("POST", "/orders", order_body(number)).status == 503:
                break
        store = eventually(lambda: failing_store(edge), "/healthz fails")
        check("store.db-wal" in store["detail"], f"{store}")
        told = [line for line in edge.diagnostics().splitlines() if '"store.failing"' in line]
        check(len(told) == 1 and "store.db-wal" in told[0], f"{told}")
        edge.process.terminate()
        edge.ended()


def failing_store(edge):
    store = edge.ask("GET", "/healthz").json()["checks"]["store"]
    return store if store["status"] == "fail" else None


def main():
    need_strace()
    with scratch() as folder:
        told_while_running(folder)
    seen = 0
    for call, when in FAULTS:
        with scratch() as folder:
            with Edge(folder / "data") as edge:
                edge.stop()
            seen += one_fault(folder / "data", call, when)
    check(seen >= len(FAULTS) // 2, f"only {seen} faults were seen: the others hit nothing")
    for call, when in FAULTS_NEW:
        with scratch() as folder:
            one_fault(folder / "data", call, when)


run(main)
