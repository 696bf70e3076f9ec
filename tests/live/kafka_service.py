"""Starts the real servers of tests/services for one test, or uses those that are given, and reads
the broker's topics.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from tillbox_e2e import Failed, Skipped  # noqa: E402

import given_servers  # noqa: E402
from given_servers import (DATABASE, GROUP, TOPIC, TOPICS, kafka_name,  # noqa: E402,F401
                           mongo_name, part, with_options)

SCRIPT = HERE.parent / "services" / "service.sh"


DONE = {"start": "is started", "stop": "is stopped", "kill": "is killed", "freeze": "is frozen",
        "thaw": "is thawed"}


class Service:
    """A server with a folder of its own. It can be restarted with its data at the same address.
    given: where there is one already, which the test can only use."""
    kind = given = None

    def __init__(self, folder):
        self.folder, self.address = str(folder), None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.call("thaw", check=False)
        self.call("kill", check=False)

    def must_be_own(self, what):
        if self.given:
            raise Skipped(f"{self.kind} {what}, and this one is not the test's own")

    def call(self, verb, *before, check=True):
        self.must_be_own(DONE[verb])
        done = subprocess.run(["sh", str(SCRIPT), verb, *before, self.folder],
                              stdout=subprocess.PIPE, text=True,
                              stderr=None if check else subprocess.DEVNULL)
        if done.returncode == 77:
            raise Skipped(f"no {self.kind} can be had here")
        if check and done.returncode != 0:
            raise Failed(f"service.sh {verb} ended with {done.returncode}")
        return done.stdout.strip()

    def start(self):
        self.address = self.call("start", self.kind).splitlines()[-1]

    def stop(self):
        self.call("stop")

    def kill(self):
        self.call("kill")

    def freeze(self):
        self.call("freeze")

    def thaw(self):
        self.call("thaw")


def as_far_as_possible(leave, server):
    try:
        leave(server)
    except (Failed, Skipped) as left:
        print(f"something stays in {server.kind}: {left}")


class Damaged(Failed):
    """The server under the test is damaged: this says nothing about the product."""
    again = True


class Mongo(Service):
    kind, given = "mongo", given_servers.MONGO
    killed = False

    def __enter__(self):
        if not self.given:
            return super().__enter__()
        self.address = given_servers.hosts_of(self.given)
        return self

    def __exit__(self, *error):
        if not self.given:
            return super().__exit__(*error)
        return as_far_as_possible(given_servers.leave_mongo, self)

    @property
    def uri(self):
        return self.given or f"mongodb://{self.address}"

    def kill(self):
        super().kill()
        self.killed = True

    def start(self):
        super().start()
        if self.killed:
            self.check_whole()
        self.killed = False

    def check_whole(self):
        """MongoDB's journal survives kill -9. The server of the tests stores documents and their
        indexes apart: killed in between, it has documents that no query by _id finds and that
        cannot be inserted again."""
        names = [one["name"] for one in self.command({"listCollections": 1})]
        for collection in (name for name in names if name.startswith(("orders", "sales_by_day"))):
            ids = [one["_id"] for one in self.command({"find": collection, "filter": {},
                                                       "projection": {"_id": 1}})]
            for at in range(0, len(ids), 500):
                some = ids[at:at + 500]
                found = {one["_id"] for one in self.command({
                    "find": collection, "filter": {"_id": {"$in": some}},
                    "projection": {"_id": 1}})}
                if found != set(some):
                    raise Damaged(f"the server of the tests lost the index of {collection}: "
                                  f"{sorted(set(some) - found)}")

    def command(self, command, database=DATABASE):
        """Runs a command; returns the documents of the answer."""
        done = subprocess.run([os.environ["TILLBOX_MONGO_COMMAND"], self.uri, database,
                               json.dumps(command)], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failed(f"mongo_command {command} ended with {done.returncode}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def topic_dump(*args):
    done = subprocess.run([os.environ["TILLBOX_TOPIC_DUMP"], *args], stdout=subprocess.PIPE,
                          text=True)
    if done.returncode != 0:
        raise Failed(f"topic_dump {args} ended with {done.returncode}")
    return [line.split(" ") for line in done.stdout.splitlines()]


def put_records(broker, topic, lines, *end):
    """Appends records, given as lines of put_records; end: "commit" or "abort", in a transaction.
    """
    done = subprocess.run([os.environ["TILLBOX_PUT_RECORDS"], broker, topic, *end],
                          input="".join(f"{line}\n" for line in lines), text=True)
    if done.returncode != 0:
        raise Failed(f"put_records {topic} {end} ended with {done.returncode}")


def topic_ends(broker, topic):
    """The end of each partition; none if the topic is not there."""
    return {int(partition): int(end) for partition, end in topic_dump(broker, topic, "ends")}


class Kafka(Service):
    kind, given = "kafka", given_servers.KAFKA
    GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"

    def __init__(self, folder, properties=""):
        """properties: settings of the broker beside those of tests/services."""
        super().__init__(folder)
        self.stack = contextlib.ExitStack()
        if properties:
            self.must_be_own(f"has to have {properties.strip()}")
            pathlib.Path(folder).mkdir(parents=True)
            (pathlib.Path(folder) / "extra.properties").write_text(properties)

    def __enter__(self):
        if not self.given:
            return super().__enter__()
        self.address = self.given
        with contextlib.ExitStack() as stack:
            stack.enter_context(given_servers.alone())
            given_servers.clear_kafka(self)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        if not self.given:
            return super().__exit__(*error)
        with self.stack:
            return as_far_as_possible(given_servers.leave_kafka, self)

    def tool(self, java_class, *args):
        """Output of the broker's own command line tool."""
        done = subprocess.run(["sh", str(SCRIPT), "tool", java_class, "--bootstrap-server",
                               self.address, *args], stdout=subprocess.PIPE, text=True)
        if done.returncode == 77:
            raise Skipped("Kafka's own tools need Java")
        if done.returncode != 0:
            raise Failed(f"{java_class} {args} ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def dump(self, topic):
        """Output of topic_dump for each record, each partition in order."""
        return topic_dump(self.address, topic)

    def records(self, topic):
        """(partition, offset, key, ce_id, version)"""
        return [(int(row[0]), int(row[1]), row[2], row[3], row[4]) for row in self.dump(topic)]

    def traces(self, topic):
        """The traceparent of each record, by its ce_id."""
        return {row[3]: row[5] for row in self.dump(topic)}
