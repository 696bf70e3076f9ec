"""Clients that place and change orders, and remember every acknowledged state.

Each worker owns its orders, so what an order must look like follows from the answers alone. A
broken connection leaves one command open per worker: it is repeated after the restart, guarded by
its idempotency key, by its order id (409: it is there) or by If-Match (412: it was applied).
Orders placed with none of these keep an unknown outcome; they are counted.
"""
import json
import random
import threading
import uuid

from tillbox_e2e import ADDRESS, Failed, Lost, check, order_body, total_of

# A worker changes its latest orders only.
OPEN_MAX = 6


class Order:
    def __init__(self, order_id, number, total):
        self.order_id, self.number, self.total = order_id, number, total
        self.version, self.status, self.city = 1, "PLACED", ADDRESS["city"]

    def matches(self, seen):
        return (seen["version"], seen["status"], seen["totalMinor"],
                seen["shippingAddress"]["city"]) == (self.version, self.status, self.total,
                                                     self.city)

    def __repr__(self):
        return f"{self.order_id} v{self.version} {self.status} {self.total} {self.city}"


class Command:
    """One request and what its success means. guard: "key", "id", "match", or None."""

    def __init__(self, method, path, body, guard, order=None, **change):
        self.method, self.path, self.body, self.guard = method, path, body, guard
        self.order, self.change, self.headers = order, change, {}
        if guard == "key":
            self.headers["idempotency_key"] = uuid.uuid4().hex
        if guard == "match":
            self.headers["if_match"] = f'"{order.version}"'

    def send(self, client):
        return client.ask(self.method, self.path, self.body, **self.headers)


class Worker:
    def __init__(self, number, seed):
        self.random = random.Random(f"{seed}/{number}")
        self.orders, self.changing, self.open_command = [], [], None
        self.touched = []  # since the test last looked
        self.in_doubt, self.answered = 0, 0

    def step(self, client, load=None):
        """Sends one command, or first repeats the one without an answer."""
        command = self.open_command or self.choose()
        repeated = command is self.open_command
        self.open_command = command
        reply = command.send(client)
        if load and load.unplugged:
            raise Lost("an answer from beyond the cut")
        if reply.status in (503, 507):
            return False
        self.open_command = None
        self.answered += 1
        self.learn(command, reply, repeated)
        return True

    def lost(self):
        """The connection broke before the answer to the open command."""
        if self.open_command and not self.open_command.guard:
            self.in_doubt += 1
            self.open_command = None

    def choose(self):
        dice = self.random.random()
        if not self.changing or dice < 0.5:
            return self.choose_place()
        order = self.random.choice(self.changing)
        guard = self.random.choice(["key", "match"])
        path = f"/orders/{order.order_id}"
        if dice < 0.65:
            city = f"Town {self.random.randrange(1000)}"
            return Command("PUT", path + "/address", ADDRESS | {"city": city}, guard, order,
                           city=city)
        if dice < 0.8:
            lines = order_body(self.random.randrange(10000))["lines"]
            return Command("PUT", path + "/lines", {"lines": lines}, guard, order,
                           total=total_of(lines))
        if dice < 0.9:
            return Command("POST", path + "/ship", None, guard, order, status="SHIPPED")
        return Command("POST", path + "/cancel", {"reason": "changed their mind"}, guard, order,
                       status="CANCELLED")

    def choose_place(self):
        guard = self.random.choice(["key", "key", "id", None])
        body = order_body(self.random.randrange(10000))
        if guard == "id":
            body["orderId"] = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        return Command("POST", "/orders", json.dumps(body).encode(), guard)

    def learn(self, command, reply, repeated):
        if command.order:
            self.learn_change(command, reply, repeated)
        else:
            self.learn_place(command, reply, repeated)

    def learn_place(self, command, reply, repeated):
        body = json.loads(command.body)
        if repeated and command.guard == "id" and reply.status == 409:
            order = Order(body["orderId"], None, total_of(body["lines"]))
        else:
            check(reply.status == 201, f"placing: {reply}")
            answer = reply.json()
            check(answer["version"] == 1 and answer["totalMinor"] == total_of(body["lines"]),
                  f"placed: {answer}")
            order = Order(answer["orderId"], answer["orderNumber"], answer["totalMinor"])
        check(order.order_id == body.get("orderId", order.order_id), f"another id: {order}")
        self.orders.append(order)
        self.changing = [*self.changing[1 - OPEN_MAX:], order]
        self.touched.append(order)

    def learn_change(self, command, reply, repeated):
        order = command.order
        applied_before = repeated and command.guard == "match" and reply.status in (409, 412)
        if not applied_before:
            check(reply.status == 200, f"changing {order}: {reply}")
            check(reply.json()["version"] == order.version + 1, f"after {order}: {reply}")
        order.version += 1
        for name, value in command.change.items():
            setattr(order, name, value)
        if order.status != "PLACED" and order in self.changing:
            self.changing.remove(order)
        self.touched.append(order)

    def look(self, client, load):
        """Reads an order as soon as the view has it, exactly as acknowledged."""
        if self.orders and not self.open_command:
            look_at(client, self.orders[-1], load)


def look_at(client, order, load=None):
    reply = client.ask("GET", f"/orders/{order.order_id}?minVersion={order.version}&wait=20s")
    if reply.status != 200 and load and (load.trouble or load.unplugged):
        return  # refused or not there yet; but a 200 must be right
    check(reply.status == 200 and order.matches(reply.json()), f"promised {order}, read {reply}")


class Load:
    """Runs workers, a thread each, until they are stopped or lose the daemon. looks: how often a
    worker reads the order after a command. trouble: the daemon is about to stop, and may refuse
    reads. unplugged: the power is about to be cut. From then on answers do not count: without
    power no client would have got them."""

    def __init__(self, edge, workers, looks=0.05):
        self.edge, self.workers, self.looks = edge, workers, looks
        self.stopping, self.trouble, self.unplugged = False, False, False
        self.changed = threading.Condition()
        self.answered, self.broken = 0, None
        self.threads = [threading.Thread(target=self._work, args=(worker,), daemon=True)
                        for worker in workers]
        for thread in self.threads:
            thread.start()

    def _work(self, worker):
        try:
            with self.edge.client() as client:
                while not self.stopping:
                    done = worker.step(client, self)
                    if worker.random.random() < self.looks:
                        worker.look(client, self)
                    with self.changed:
                        self.answered += done
                        self.changed.notify_all()
        except Lost:
            worker.lost()
        except Exception as error:  # join() raises it in the main thread
            with self.changed:
                self.broken = self.broken or error
                self.changed.notify_all()

    def wait_for(self, count, seconds=30):
        """Waits until this many commands were answered."""
        with self.changed:
            there = self.changed.wait_for(lambda: self.answered >= count or self.broken, seconds)
        self.tell()
        check(there, f"only {self.answered} of {count} commands answered within {seconds} s")

    def tell(self):
        if self.broken:
            raise Failed(f"a worker: {self.broken!r}") from self.broken

    def join(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)
            check(not thread.is_alive(), "a worker hangs")
        self.tell()


def settle(edge, workers):
    """Repeats the commands without an answer until the outcome of each is known."""
    with edge.client() as client:
        for worker in workers:
            while worker.open_command:
                worker.step(client)


def check_promises(edge, workers):
    """The view has each acknowledged order exactly once, and no other but those with unknown
    outcome. Returns the number of orders."""
    edge.catch_up()
    seen = edge.orders()
    promised = [order for worker in workers for order in worker.orders]
    for order in promised:
        check(order.order_id in seen, f"lost: {order}")
        check(order.matches(seen[order.order_id]), f"promised {order}, see {seen[order.order_id]}")
    numbers = [order.number for order in promised if order.number]
    check(len(set(numbers)) == len(numbers), "an order number was promised twice")
    in_doubt = sum(worker.in_doubt for worker in workers)
    check(len(seen) - len(promised) <= in_doubt,
          f"{len(seen)} orders, {len(promised)} promised, only {in_doubt} in doubt")
    return len(seen)
