"""What `tillbox verify` compares and `tillbox nodes` prints, and their exit status, against scripted
servers."""
import json
import unittest
import urllib.parse

from scripted import Server, ok, problem, tillbox, tillbox_on_terminal


def order_id(number):
    return f"01a207ab-6d5e-71ec-b6c1-{number:012d}"


def digest(number, node="till1", version=1, status="PLACED", total=700, content="a", **more):
    return {"orderId": order_id(number), "node": node, "version": version, "status": status,
            "totalMinor": total, "currency": "EUR", "hash": content * 64, **more}


class Side:
    """A server with digests. node: the name of an edge; None: a central. letters: {order id: its dead
    letters}. change: called at each request for a single order."""

    def __init__(self, digests, node=None, letters=None, change=None):
        self.digests = {one["orderId"]: one for one in digests}
        self.node, self.letters, self.change = node, letters, change
        self.asked = self.busy = 0

    def answer(self, request):
        path, _, query = request.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        self.asked += 1
        if self.busy > 0:
            self.busy -= 1
            return problem(503, "Away.")
        if path == "/status":
            return ok({"node": self.node} if self.node else {"role": "central"})
        if path == "/dead-letters" and self.letters is not None:
            return ok({"deadLetters": self.letters.get(query["orderId"], [])})
        if path != "/orders/digests":
            return problem(404, "There is nothing at this path.")
        if self.change and query["limit"] == "1":
            self.change(self)
        return self.page(query)

    def page(self, query):
        ids = sorted(one for one in self.digests if one >= query.get("start", ""))
        limit = min(int(query["limit"]), 7)  # as if there were thousands
        body = {"digests": [self.digests[one] for one in ids[:limit]]}
        if len(ids) > limit:
            body["next"] = ids[limit]
        return ok(body)


def verify(central, *edges, flags=(), wait="0"):
    """Runs it; returns (exit status, its JSON, its standard error)."""
    servers = [Server(side.answer) for side in (central, *edges)]
    try:
        for server in servers:
            server.__enter__()
        args = [part for server in servers[1:] for part in ("--edge", server.url)]
        done = tillbox("verify", "--central", servers[0].url, *args, "--json", "--wait", wait, *flags)
    finally:
        for server in servers:
            server.__exit__()
    result = json.loads(done.stdout) if done.stdout else None
    return done.returncode, result, done.stderr


def kinds(result):
    return [(one["difference"], int(one["orderId"][-12:])) for one in result["differences"]]


class Verify(unittest.TestCase):
    def test_equal_sides_are_equal(self):
        one = [digest(i, "till1") for i in range(0, 60, 2)]
        two = [digest(i, "till2") for i in range(1, 60, 2)]
        status, result, _ = verify(Side(one + two), Side(one, "till1"), Side(two, "till2"))
        self.assertEqual(status, 0)
        self.assertEqual(result, {"differences": [], "orders": 60, "same": 60, "pending": 0,
                                "missing": 0, "different": 0, "extra": 0, "foreign": 0,
                                "complete": True})

    def test_nothing_on_both_sides_is_equal(self):
        status, result, _ = verify(Side([]), Side([], "till1"))
        self.assertEqual((status, result["orders"]), (0, 0))

    def test_each_difference_is_listed(self):
        store = [digest(i) for i in range(20)]
        view = {i: digest(i) for i in range(20)}
        del view[3]                                   # missing
        store[4] = digest(4, version=2)               # behind
        view[5] = digest(5, status="SHIPPED")         # different
        view[6] = digest(6, total=701)
        view[7] = digest(7, content="b")
        view[8] = digest(8, version=2)                # the store was set back
        view[9] = digest(9, node="till9")             # another node claims it
        view[30] = digest(30)                         # extra
        view[31] = digest(31, node="till7")           # foreign
        status, result, _ = verify(Side(view.values()), Side(store, "till1"), flags=["--all"])
        self.assertEqual(status, 1)
        self.assertEqual(sorted(kinds(result), key=lambda one: one[1]),
                         [("missing", 3), ("missing", 4), ("different", 5), ("different", 6),
                          ("different", 7), ("different", 8), ("different", 9), ("extra", 30),
                          ("foreign", 31)])
        self.assertEqual((result["orders"], result["same"]), (22, 13))
        behind = result["differences"][[one["orderId"] for one in result["differences"]].index(
            order_id(4))]
        self.assertEqual((behind["edge"]["version"], behind["central"]["version"]), (2, 1))

    def test_each_single_difference_is_a_failure(self):
        for view in ([], [digest(1, version=2)], [digest(1, total=1)], [digest(1, status="X")],
                     [digest(1, content="c")], [digest(1), digest(2)],
                     [digest(1), digest(2, node="other")]):
            with self.subTest(view=view):
                self.assertEqual(verify(Side(view), Side([digest(1)], "till1"),
                                        flags=["--all"])[0], 1)

    def test_only_the_nodes_that_were_asked_are_judged(self):
        """One till of several is compared: the orders of the others are counted, but are no differences."""
        for flags in ([], ["--ignore-foreign"]):
            fleet = [digest(1), digest(2, node="till7"), digest(3, node="till8")]
            status, result, _ = verify(Side(fleet), Side([digest(1)], "till1"), flags=flags)
            self.assertEqual((status, result["foreign"], result["differences"]), (0, 2, []))
            status, result, _ = verify(Side(fleet + [digest(4)]), Side([digest(1)], "till1"),
                                     flags=flags)
            self.assertEqual((status, kinds(result)), (1, [("extra", 4)]))
        status, result, _ = verify(Side(fleet), Side([digest(1)], "till1"), flags=["--all"])
        self.assertEqual((status, kinds(result)), (1, [("foreign", 2), ("foreign", 3)]))
        self.assertEqual(verify(Side([]), Side([], "till1"),
                                flags=["--all", "--ignore-foreign"])[0], 2)

    def test_pending_orders_may_be_allowed(self):
        store = [digest(1, delivery="pending"), digest(2, version=3, delivery="pending"),
                 digest(3, delivery="delivered")]
        view = [digest(2, version=2), digest(3)]
        self.assertEqual(verify(Side(view), Side(store, "till1"))[0], 1)
        status, result, _ = verify(Side(view), Side(store, "till1"), flags=["--allow-pending"])
        self.assertEqual((status, result["pending"], result["same"]), (0, 2, 1))
        store[0]["parked"] = "too large"  # it will never be delivered
        status, result, _ = verify(Side(view), Side(store, "till1"), flags=["--allow-pending"])
        self.assertEqual((status, kinds(result)), (1, [("missing", 1)]))
        self.assertIn("too large", result["differences"][0]["reason"])

    def test_dead_letters_are_named(self):
        letters = {order_id(1): [{"reason": "tillbox.invalid", "message": "no lines"}]}
        status, result, _ = verify(Side([], letters=letters),
                                 Side([digest(1), digest(2)], "till1"))
        self.assertEqual(status, 1)
        reasons = {one["orderId"]: one.get("reason") for one in result["differences"]}
        self.assertEqual(reasons, {order_id(1): "dead letter, tillbox.invalid: no lines",
                                   order_id(2): None})

    def test_an_order_in_two_stores_is_listed(self):
        status, result, _ = verify(Side([digest(1)]), Side([digest(1)], "till1"),
                                 Side([digest(1)], "till2"))
        self.assertEqual((status, kinds(result)), (1, [("different", 1)]))
        self.assertEqual(result["differences"][0]["reason"], "both till1 and till2 have it")

    def test_an_order_on_its_way_is_waited_for(self):
        def arrive(side):
            if side.asked > 5:
                side.digests[order_id(1)] = digest(1)

        status, result, _ = verify(Side([], change=arrive), Side([digest(1)], "till1"), wait="60s")
        self.assertEqual((status, result["same"], result["missing"]), (0, 1, 0))

    def test_an_order_placed_meanwhile_is_not_extra(self):
        def place(side):
            side.digests[order_id(9)] = digest(9)

        status, result, _ = verify(Side([digest(9)]), Side([], "till1", change=place))
        self.assertEqual((status, result["same"], result["extra"]), (0, 1, 0))

    def test_many_differences_are_all_listed(self):
        status, result, _ = verify(Side([]), Side([digest(i) for i in range(1030)], "till1"))
        self.assertEqual((status, result["missing"], len(result["differences"])), (1, 1030, 1030))

    def test_a_busy_side_is_waited_for(self):
        central = Side([digest(1)])
        central.busy = 2
        self.assertEqual(verify(central, Side([digest(1)], "till1"))[0], 0)

    def test_an_answer_that_is_not_tillbox_s_is_refused(self):
        class Unsorted(Side):
            def page(self, query):
                return ok({"digests": [digest(2), digest(1)]})

        class Strange(Side):
            def page(self, query):
                return ok({"orders": []})

        for side, text in ((Unsorted([]), "order of their ids"), (Strange([]), "no digests")):
            status, _, complaint = verify(side, Side([digest(1)], "till1"))
            self.assertEqual(status, 1)
            self.assertIn(text, complaint)
        status, _, complaint = verify(Side([]), Side([]))  # a central in the place of an edge
        self.assertEqual(status, 1)
        self.assertIn("is no edge", complaint)

    def test_an_edge_twice_and_an_edge_as_central_are_usage_errors(self):
        edge = Side([digest(1)], "till1")
        status, result, complaint = verify(Side([digest(1)]), edge, edge)
        self.assertEqual((status, result), (2, None))
        self.assertIn("are the same edge, till1", complaint)
        status, result, complaint = verify(Side([digest(1)], "till2"), edge)
        self.assertEqual((status, result), (2, None))
        self.assertIn("is the edge till2, not a central", complaint)

    def test_no_server_is_3(self):
        with Server(Side([], "till1").answer) as edge:
            done = tillbox("verify", "--edge", edge.url, "--central", "http://127.0.0.1:1")
        self.assertEqual(done.returncode, 3)
        self.assertIn("127.0.0.1:1", done.stderr)

    def test_lines_in_a_pipe_and_a_table_on_a_terminal(self):
        central, edge = Side([digest(1)]), Side([digest(1), digest(2, total=-350)], "till1")
        with Server(central.answer) as there, Server(edge.answer) as here:
            args = ["verify", "--edge", here.url, "--central", there.url, "--wait", "0"]
            done = tillbox(*args)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stdout.splitlines(),
                             [f"missing\t{order_id(2)}\ttill1\t1 PLACED -3.50 EUR aaaaaaaa\tnone\t",
                              "same\t1", "pending\t0", "missing\t1", "different\t0", "extra\t0",
                              "foreign\t0"])
            status, shown = tillbox_on_terminal(*args, columns=160)
        self.assertEqual(status, 1)
        self.assertIn("difference", shown)
        self.assertIn("2 orders: 1 same, 1 missing", shown)


class Till(Side):
    """An edge whose answers from its view may differ from its store."""

    def __init__(self, store):
        super().__init__(store, "till1")
        self.view = Side(store)
        self.groups = {"": {}, "day": {}, "status": {}, "node": {}}
        for one in store:
            for group, key in (("", ""), ("day", one["businessDate"]), ("status", one["status"]),
                               ("node", one["node"])):
                sums = self.groups[group].setdefault((key, one["currency"]), [0, 0, 0, 0])
                sums[one["kind"] == "RETURN"] += 1
                sums[2] += one["status"] == "CANCELLED"
                sums[3] += one["totalMinor"] if one["status"] != "CANCELLED" else 0
        self.listed = [{"orderId": one["orderId"], "version": one["version"]} for one in store]
        self.readings = 0

    def stats(self, group):
        names = ("orders", "returns", "cancelled", "totalMinor")
        rows = [{"key": key, "currency": currency, **dict(zip(names, sums))}
                for (key, currency), sums in self.groups[group].items()]
        return ok({"groups" if group else "totals": rows})

    def answer(self, request):
        path, _, query = request.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        if path == "/orders/stats":
            return self.stats(query.get("groupBy", ""))
        if path == "/orders":
            self.readings += "cursor" not in query
            at = int(query.get("cursor", 0))
            more = {"next": str(at + 7)} if len(self.listed) > at + 7 else {}
            return ok({"orders": self.listed[at:at + 7], **more})
        if query.pop("of", "") == "view":
            return self.view.page(query)
        return super().answer(request)


def sold(number, **more):
    return digest(number, **{"kind": "SALE", "businessDate": f"2026-11-{number % 3 + 1:02}", **more})


def verify_self(till, *flags, wait="0"):
    with Server(till.answer) as server:
        done = tillbox("verify", "--self", "--json", "--wait", wait, *flags, url=server.url)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


class Self(unittest.TestCase):
    def setUp(self):
        self.till = Till([sold(i, total=100 + i) for i in range(20)] +
                         [sold(20, kind="RETURN", total=-350), sold(21, status="CANCELLED"),
                          sold(22, currency="JPY")])

    def differences(self, wait="0"):
        status, result, _ = verify_self(self.till, wait=wait)
        self.assertEqual(status, 1 if result["differences"] else 0)
        return result["differences"]

    def test_equal_is_equal(self):
        self.assertEqual(self.differences(), [])

    def test_an_order_that_differs_or_is_missing(self):
        self.till.view.digests[order_id(3)] = sold(3, total=1)
        del self.till.view.digests[order_id(4)]
        self.assertEqual([(one["difference"], one["orderId"]) for one in self.differences()],
                         [("different", order_id(3)), ("missing", order_id(4))])

    def test_what_the_lists_find_an_order_by_is_compared(self):
        self.till.view.digests[order_id(3)] = sold(3, total=103, columnDiffers="customerId")
        found, = self.differences()
        self.assertEqual((found["difference"], found["orderId"], found["reason"]),
                         ("different", order_id(3), "its lists have another customerId"))

    def test_each_sum_that_differs_is_named(self):
        self.till.groups["day"]["2026-11-02", "EUR"][3] += 1
        del self.till.groups[""]["", "JPY"]
        self.till.groups["status"]["SHIPPED", "EUR"] = [1, 0, 0, 5]
        self.till.groups["node"]["till1", "EUR"][0] += 1
        found = {(one["group"], one.get("key"), one["currency"]):
                 (one.get("store"), one.get("view")) for one in self.differences()}
        self.assertEqual(set(found), {("day", "2026-11-02", "EUR"), ("total", None, "JPY"),
                                      ("status", "SHIPPED", "EUR"), ("node", "till1", "EUR")})
        store, view = found["day", "2026-11-02", "EUR"]
        self.assertEqual(view["totalMinor"] - store["totalMinor"], 1)
        self.assertEqual((found["total", None, "JPY"][1], found["status", "SHIPPED", "EUR"][0]),
                         (None, None))

    def test_the_list_has_every_order_once(self):
        for change in (lambda listed: listed.pop(), lambda listed: listed.append(listed[0]),
                       lambda listed: listed[5].update(version=2)):
            till = self.till = Till([sold(i) for i in range(20)])
            change(till.listed)
            self.assertEqual([one["group"] for one in self.differences()], ["list"])

    def test_what_is_on_its_way_is_waited_for(self):
        kept = self.till.groups["day"].pop(("2026-11-01", "EUR"))

        def stats(group):
            if self.till.readings == 1:
                self.till.groups["day"]["2026-11-01", "EUR"] = kept
            return Till.stats(self.till, group)

        self.till.stats = stats
        self.assertEqual(self.differences(wait="30s"), [])
        self.assertEqual(self.till.readings, 2)

    def test_wrong_use_and_an_older_till(self):
        self.assertEqual(tillbox("verify", "--self", "--edge", "http://127.0.0.1:1").returncode, 2)
        status, _, complaint = verify_self(Till([sold(1, businessDate="")]))
        self.assertEqual(status, 1)
        self.assertIn("business date", complaint)

    def test_a_line_in_a_pipe(self):
        self.till.groups[""]["", "JPY"][0] = 3
        with Server(self.till.answer) as server:
            done = tillbox("verify", "--self", "--wait", "0", url=server.url)
        self.assertEqual(done.stdout.splitlines()[0],
                         "sums\ttotal\ttill1\t1 orders, 0 returns, 0 cancelled, 700 JPY\t"
                         "3 orders, 0 returns, 0 cancelled, 700 JPY\t")


NODES = {"nodes": [
    {"node": "till1", "state": "behind", "lastSeenAt": "2026-11-23T09:10:03.660Z",
     "completeThroughAt": "2026-11-23T09:10:03.000Z", "pending": 5, "clockOffsetMs": -12,
     "lateOrders": 2, "version": "0.1.0",
     "epochs": [{"epoch": "00112233445566aa", "completeThrough": 4, "lastSequence": 9,
                 "holes": [[5, 7], [9, 9]]}]},
    {"node": "till2", "state": "silent", "lateOrders": 0, "epochs": []},
    {"node": "till9", "state": "retired", "retiredAt": "2026-11-23T09:00:00.000Z", "lateOrders": 1,
     "epochs": []}]}


class Nodes(unittest.TestCase):
    def test_lines_table_and_json(self):
        with Server(lambda request: ok(NODES)) as server:
            self.assertEqual(tillbox("nodes", url=server.url).stdout,
                             "till1\tbehind\t2026-11-23T09:10:03.660Z\t2026-11-23T09:10:03.000Z\t"
                             "5\t-12\t2\t4\t1\t0.1.0\t\ntill2\tsilent\t\t\t\t\t0\t0\t0\t\t\n"
                             "till9\tretired\t\t\t\t\t1\t0\t0\t\t2026-11-23T09:00:00.000Z\n")
            self.assertEqual(json.loads(tillbox("nodes", "--json", url=server.url).stdout), NODES)
            status, shown = tillbox_on_terminal("nodes", url=server.url, columns=160)
        self.assertEqual(status, 0)
        self.assertIn("completeThroughAt", shown)

    def test_a_node_is_retired_and_put_back(self):
        with Server(lambda request: ok(NODES["nodes"][2])) as server:
            for verb in ("retire", "unretire"):
                done = tillbox("nodes", verb, "till 9", url=server.url)
                self.assertEqual(done.returncode, 0)
                self.assertIn("state\tretired\n", done.stdout)
                sent = server.requests[-1]
                self.assertEqual((sent.method, sent.path, sent.body),
                                 ("POST", f"/nodes/till%209/{verb}", b""))
            self.assertEqual(tillbox("nodes", "retire", url=server.url).returncode, 2)
        with Server(lambda request: problem(404, "Nothing has ever come from a node x.")) as server:
            done = tillbox("nodes", "retire", "x", url=server.url)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("Nothing has ever come from a node x.", done.stderr)

    def test_all_pages_are_shown_as_one(self):
        pages = {"": ("till1", "a"), "a": ("till2", "b+"), "b+": ("till3", None)}

        def answer(request):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
            self.assertEqual(query.get("state"), ["silent"])
            node, following = pages[query.get("cursor", [""])[0]]
            page = {"summary": {"nodes": 3, "silent": 3}, "nodes": [{"node": node, "state": "silent", "epochs": []}]}
            return ok(page | ({"next": following} if following else {}))

        with Server(answer) as server:
            lines = tillbox("nodes", "--state", "silent", url=server.url).stdout.splitlines()
            whole = json.loads(tillbox("nodes", "--state", "silent", "--json", url=server.url).stdout)
        self.assertEqual([line.split("\t")[0] for line in lines], ["till1", "till2", "till3"])
        self.assertEqual([node["node"] for node in whole["nodes"]], ["till1", "till2", "till3"])
        self.assertEqual(list(whole), ["summary", "nodes"])

    def test_an_edge_is_no_central(self):
        with Server(lambda request: problem(404, "There is nothing at this path.")) as server:
            done = tillbox("nodes", url=server.url)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("is no central", done.stderr)


if __name__ == "__main__":
    unittest.main()
