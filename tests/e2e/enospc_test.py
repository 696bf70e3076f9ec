"""A full disk: orders get 507 with Retry-After, nothing acknowledged is lost, and the daemon
continues when there is room again. Once the disk is full down to the daemon's reserve, once to the
last byte. The data folder is on a small tmpfs, so the test needs root.
"""
from small_disk import fill, small_disk
from tillbox_e2e import Edge, check, check_files, eventually, order_body, run, scratch
from workload import Load, Worker, check_promises, settle

DISK_BYTES = 32 << 20
RESERVE_BYTES = 8 << 20
CLIENTS = 4
SEED = 28


def place(edge, number):
    return edge.ask("POST", "/orders", order_body(number))


def check_refusal(reply):
    check(reply.status == 507, f"on a full disk: {reply}")
    check(int(reply.headers.get("retry-after", 0)) > 0, f"no Retry-After: {reply.headers}")
    check(reply.headers["content-type"] == "application/problem+json", f"{reply.headers}")


def work(edge, workers, commands):
    load = Load(edge, workers)
    load.wait_for(commands)
    load.join()
    settle(edge, workers)


def fill_while_working(edge, workers, ballast, leave):
    """Under load, so that the disk fills up in the middle of a transaction."""
    load = Load(edge, workers, looks=0)  # the view may not advance while the disk is full
    load.wait_for(50)
    fill(ballast, leave)
    refused = eventually(lambda: (reply := place(edge, 1)).status != 201 and reply,
                         "the disk is full")
    load.join()
    check_refusal(refused)


def one_round(edge, workers, ballast, leave):
    work(edge, workers, 200)
    fill_while_working(edge, workers, ballast, leave)
    check(edge.ask("GET", "/orders?limit=1").status == 200, "reading stopped with the disk full")
    check(edge.ask("GET", "/livez").status == 200, "not alive with the disk full")
    ballast.unlink()
    eventually(lambda: place(edge, 2).status == 201, "orders are taken again")
    settle(edge, workers)
    work(edge, workers, 200)


def main():
    workers = [Worker(number, SEED) for number in range(CLIENTS)]
    with scratch() as folder, small_disk(folder, DISK_BYTES) as disk:
        ballast, data = disk / "ballast", disk / "data"
        for reserve, leave in ((RESERVE_BYTES, RESERVE_BYTES // 2), (0, 0)):
            settings = {"TILLBOX_LIMITS_DISK_RESERVE": f"{reserve // 1024}KiB"}
            with Edge(data, err_path=folder / "edge.err", **settings) as edge:
                pid = edge.process.pid
                one_round(edge, workers, ballast, leave)
                # The test's own orders, which the workload does not know.
                workers[0].in_doubt += 1000
                count = check_promises(edge, workers)
                check(edge.process.pid == pid, "it was restarted")
                edge.stop()
            check(len(check_files(data)) == count, "the store has another count")
            print(f"reserve {reserve}: {count} orders intact")


run(main)
