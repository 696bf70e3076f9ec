"""Starts the real servers of tests/services for one test, and reads the broker's topics."""
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from tillbox_e2e import Failed, Skipped  # noqa: E402

SCRIPT = HERE.parent / "services" / "service.sh"


class Service:
    """A server with a folder of its own. It can be restarted with its data at the same address."""
    kind = None

    def __init__(self, folder):
        self.folder, self.address = str(folder), None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.call("thaw", check=False)
        self.call("kill", check=False)

    def call(self, verb, *before, check=True):
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


class Damaged(Failed):
    """The server under the test is damaged: this says nothing about the product."""
    again = True


class Mongo(Service):
    kind = "mongo"
    killed = False

    @property
    def uri(self):
        return f"mongodb://{self.address}"

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

    def command(self, command, database="tillbox"):
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


def topic_ends(broker, topic):
    """The end of each partition; none if the topic is not there."""
    return {int(partition): int(end) for partition, end in topic_dump(broker, topic, "ends")}


class Kafka(Service):
    kind = "kafka"
    GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"

    def __init__(self, folder, properties=""):
        """properties: settings of the broker beside those of tests/services."""
        super().__init__(folder)
        if properties:
            pathlib.Path(folder).mkdir(parents=True)
            (pathlib.Path(folder) / "extra.properties").write_text(properties)

    def tool(self, java_class, *args):
        """Output of the broker's own command line tool."""
        done = subprocess.run(["sh", str(SCRIPT), "tool", java_class, "--bootstrap-server",
                               self.address, *args], stdout=subprocess.PIPE, text=True)
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
