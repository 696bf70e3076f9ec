"""A till's log and view are lost while it is stopped. /healthz fails until the view has all that the
store had at the start, and says what holds it up; /status shows how far it is, and goes on telling
what was lost after kill -9 in the middle.
"""
from tillbox_e2e import Edge, check, eventually, order_body, run, scratch

ORDERS = 1500


def sell(edge, count):
    with edge.client() as client:
        for number in range(count):
            reply = client.ask("POST", "/orders", order_body(number))
            check(reply.status == 201, reply)


def lose(edge, *names):
    for name in names:
        for suffix in ("", "-wal", "-shm"):
            (edge.data / f"{name}{suffix}").unlink(missing_ok=True)


def status(edge):
    return edge.ask("GET", "/status").json()


def refill_detail(edge):
    """Why health fails; "": it passes."""
    reply = edge.ask("GET", "/healthz")
    result = reply.json()["checks"]["snapshots"]
    check((reply.status == 200) == (result["status"] == "pass"), reply)
    return result.get("detail", "")


def recovered(edge):
    """The last reason for each file."""
    newest_first = status(edge).get("recoveries", [])
    return {each["file"]: each["reason"] for each in reversed(newest_first)}


def check_passes_when_whole(edge, count):
    eventually(lambda: refill_detail(edge) == "", "health passes")
    check(len(edge.orders()) == count, f"health passes, and the view has {len(edge.orders())}")
    check("catchingUp" not in status(edge) and "snapshots" not in status(edge), status(edge))


def whole_at_once(edge):
    """A start with a whole view has nothing to wait for."""
    edge.catch_up()
    edge.stop()
    edge.start()
    check(refill_detail(edge) == "", refill_detail(edge))
    check(recovered(edge) == {}, recovered(edge))
    check("view.catching-up" not in edge.diagnostics(), "it tells that the view lacks something")


def held_by_the_link(edge):
    check(edge.ask("PUT", "/link", {"state": "offline"}).status == 200, "not held")
    edge.stop()
    lose(edge, "log.db", "view.db")
    edge.start()  # it sells, and what the view has can be read
    check(refill_detail(edge) == f"the view is catching up: 0 of {ORDERS} events; it stands still, "
          "because the link is forced offline: `tillbox link auto`", refill_detail(edge))
    check(status(edge)["catchingUp"] == {"applied": 0, "total": ORDERS}, status(edge))
    check(f"the view lacks {ORDERS} events" in edge.diagnostics(), "the diagnostics do not tell it")
    sell(edge, 1)  # of later, so it is not waited for
    check(status(edge)["catchingUp"] == {"applied": 0, "total": ORDERS}, status(edge))
    check(edge.ask("PUT", "/link", {"state": "auto"}).status == 200, "still held")
    check_passes_when_whole(edge, ORDERS + 1)


def killed_in_the_middle(edge):
    edge.stop()
    lose(edge, "log.db", "view.db")
    for _ in range(5):
        edge.begin()
        check(recovered(edge).keys() >= {"log.db", "view.db"}, recovered(edge))
        edge.kill()
    edge.start()
    check(recovered(edge).keys() >= {"log.db", "view.db"}, recovered(edge))
    check_passes_when_whole(edge, ORDERS + 1)


def cut_to_nothing(edge):
    edge.stop()
    lose(edge, "view.db")
    (edge.data / "view.db").touch()
    edge.start()
    check(recovered(edge)["view.db"] == "it is empty", recovered(edge))
    check_passes_when_whole(edge, ORDERS + 1)


def test():
    with scratch() as folder, Edge(folder / "data") as edge:
        sell(edge, ORDERS)
        for part in (whole_at_once, held_by_the_link, killed_in_the_middle, cut_to_nothing):
            print(part.__name__)
            part(edge)
        edge.stop()


run(test)
