"""The wall clock jumps ten years ahead and back while orders arrive. Numbers, versions and events
are the same as without the jumps, nothing is removed too early, and no timeout fires. A small
preloaded library moves the daemon's clock; the machine's clock stays as it is.
"""
import os
import re
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


def check_latency(edge):
    """What the jumps made of the latencies is left out of the histogram, and counted apart."""
    text = edge.ask("GET", "/metrics").body.decode()
    figures = dict(re.findall(r"^(tillbox_end_to_end_\w+) (\S+)$", text, re.M))
    events = float(figures["tillbox_end_to_end_seconds_count"])
    unknown = float(figures["tillbox_end_to_end_unknown_total"])
    seconds = float(figures["tillbox_end_to_end_seconds_sum"])
    check(events > 0 and seconds < events * 24 * 3600, f"{events} events took {seconds} s")
    print(f"{events:.0f} events took {seconds:.3f} s, {unknown:.0f} are unknown")


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
            check_latency(edge)
            edge.stop()
        check(len(check_files(folder / "data")) == count, "the store has another count")
        print(f"{count} orders in the years {sorted(years)}")


run(main)
