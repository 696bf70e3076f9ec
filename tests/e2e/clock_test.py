"""The wall clock jumps ten years ahead and back while orders arrive. Numbers, versions and events
are the same as without the jumps, nothing is removed too early, and no timeout fires. A small
preloaded library moves the daemon's clock; the machine's clock stays as it is.
"""
import os
import struct

from tillbox_e2e import Edge, Skipped, check, check_files, run, scratch
from workload import Load, Worker, check_promises

CLIENTS = 8
TEN_YEARS = 3652 * 24 * 3600
JUMPS = [0, TEN_YEARS, -TEN_YEARS, 3600, -3600, TEN_YEARS, 0]


def placed_at(edge):
    reply = edge.ask("POST", "/orders", {"lines": [{"sku": "TEA", "quantity": 1,
                                                    "unitPriceMinor": 1}]})
    check(reply.status == 201, f"placing: {reply}")
    return reply.json()["placedAt"]


def main():
    library = os.environ.get("TILLBOX_CLOCK_JUMP")
    if not library:
        raise Skipped("TILLBOX_CLOCK_JUMP names no library")
    workers = [Worker(number, 4) for number in range(CLIENTS)]
    with scratch() as folder:
        clock = folder / "clock"
        clock.write_bytes(struct.pack("q", 0))
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        with Edge(folder / "data", LD_PRELOAD=library, TEST_CLOCK_FILE=str(clock),
                  ASAN_OPTIONS=asan) as edge, clock.open("r+b", buffering=0) as file:
            load, years = Load(edge, workers), set()
            for jump in JUMPS:
                file.seek(0)
                file.write(struct.pack("q", jump))
                years.add(placed_at(edge)[:4])
                workers[0].in_doubt += 1  # that order's outcome is unknown
                load.wait_for(load.answered + 150)
            load.join()
            check(len(years) >= 3, f"the clock did not jump: {years}")
            check(all(worker.open_command is None for worker in workers), "an answer was lost")
            count = check_promises(edge, workers)
            edge.stop()
        check(len(check_files(folder / "data")) == count, "the store has another count")
        print(f"{count} orders in the years {sorted(years)}")


run(main)
