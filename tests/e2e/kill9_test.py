"""kill -9 under load, 50 times on one data folder: every acknowledged command is there exactly
once. 16 clients place, change, ship and cancel orders, and repeat with its key each command that a
kill left without an answer.
"""
import random

from tillbox_e2e import Edge, check, check_files, run, scratch
from workload import Load, Worker, check_promises, settle

ROUNDS = 50
CLIENTS = 16
SEED = 20261123


def main():
    chance = random.Random(SEED)
    workers = [Worker(number, SEED) for number in range(CLIENTS)]
    with scratch() as folder, Edge(folder / "data") as edge:
        for _ in range(ROUNDS):
            load = Load(edge, workers)
            load.wait_for(chance.randrange(1, 300))
            edge.kill()
            load.join()
            edge.start()
        settle(edge, workers)
        count = check_promises(edge, workers)
        edge.stop()
        stored = check_files(folder / "data")
        check(len(stored) == count, f"{len(stored)} orders stored, {count} seen")
        print(f"{ROUNDS} kills, {sum(worker.answered for worker in workers)} commands answered, "
              f"{count} orders, {sum(worker.in_doubt for worker in workers)} in doubt")


run(main)
