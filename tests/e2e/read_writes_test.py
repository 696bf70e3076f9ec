"""10,000 times: places an order, then reads it with minVersion. An answer is never older than
minVersion; while the view does not advance it is 202, not an old order. In the embedded edition
`link offline` stops the only relay.
"""
from read_writes import read_what_is_written
from tillbox_e2e import Edge, check_files, run, scratch


def test():
    with scratch() as folder:
        with Edge(folder / "data") as edge:
            read_what_is_written(edge, [edge], up_s=0.2, down_s=0.02)
            edge.catch_up()
            edge.stop()
        check_files(folder / "data")


if __name__ == "__main__":
    run(test)
