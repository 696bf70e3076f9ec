"""Another program takes the store's write lock: every command is refused, the node says that it is
not ready and names the program, and takes orders again by itself once the lock is gone.
"""
from holder import holder
from tillbox_e2e import Edge, check, eventually, order_body, run, scratch

def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()


def is_held_by(edge, pid):
    reply = edge.ask("GET", "/healthz")
    store = reply.json()["checks"]["store"]
    return reply.status == 503 and store.get("detail", "").find(f"{name_of(pid)} (pid {pid})") >= 0


def main():
    with scratch() as folder, Edge(folder / "data") as edge:
        store = folder / "data" / "store.db"
        check(edge.ask("POST", "/orders", order_body(1)).status == 201, "the first order")
        check(edge.ask("GET", "/readyz").status == 200, "not ready at first")

        # Nobody sells meanwhile, so only asking can find out.
        with holder("BEGIN IMMEDIATE", store) as pid:
            eventually(lambda: is_held_by(edge, pid), "the program is named in /healthz")
            check(edge.ask("GET", "/readyz").status == 503, "ready although nothing can be stored")
            held = edge.ask("GET", "/status").json()["heldUpBy"]
            check([(one["file"], one["pid"], one["holds"]) for one in held] ==
                  [("store.db", pid, "write-lock")], f"{held}")
            check(edge.ask("POST", "/orders", order_body(2)).status == 503, "an order was taken")
            check(edge.ask("GET", "/orders?limit=1").status == 200, "reading stopped")
        eventually(lambda: edge.ask("GET", "/readyz").status == 200, "ready again by itself")
        check(edge.ask("POST", "/orders", order_body(3)).status == 201, "the lock has gone")
        check(edge.ask("GET", "/status").json()["heldUpBy"] == [], "it is still named")


run(main)
