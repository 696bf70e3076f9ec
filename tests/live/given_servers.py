"""Servers that are already there: TILLBOX_TEST_KAFKA (a bootstrap list) and TILLBOX_TEST_MONGO (a
URI). On them every topic, group and database of a test has a name of its own. Without the variables
each test starts its own servers, and all names are those of the product.
"""
import contextlib
import fcntl
import functools
import os
import pathlib
import re
import tempfile
import uuid

from tillbox_e2e import Failed, Skipped, eventually

KAFKA, MONGO = (os.environ.get(f"TILLBOX_TEST_{name}", "") for name in ("KAFKA", "MONGO"))
PREFIX = "tillbox-test-"
RUN = f"{PREFIX}{uuid.uuid4().hex[:8]}-"
FIXED_TOPICS = ("node-status", "projection-ready")  # their names cannot be configured
TOPICS = "org.apache.kafka.tools.TopicCommand"


def kafka_name(name):
    """The name of this test's topic or group."""
    return RUN + name if KAFKA else name


def mongo_name(name):
    """The name of this test's database."""
    return RUN + name if MONGO else name


TOPIC, GROUP = kafka_name("order-events"), kafka_name("tillbox-central")
DATABASE = mongo_name("tillbox")


def part(function):
    """A part of a test without which the others go on: if it cannot be tried, it says why."""
    @functools.wraps(function)
    def wrapped(*args, **more):
        try:
            return function(*args, **more)
        except Skipped as skipped:
            print(f"left out: {function.__name__}: {skipped}")
    return wrapped


def hosts_of(uri):
    return re.split("[/?]", uri.partition("://")[2])[0].rpartition("@")[2]


def with_options(uri, options):
    """The URI with these options beside its own."""
    if "?" in uri:
        return f"{uri}&{options}"
    return f"{uri}{'' if '/' in uri.partition('://')[2] else '/'}?{options}"


@contextlib.contextmanager
def alone():
    """One test at a time: all use the topics with fixed names."""
    path = pathlib.Path(tempfile.gettempdir()) / f"{PREFIX}kafka-{os.getuid()}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def topics(kafka):
    return set(kafka.tool(TOPICS, "--list").split())


def remove_topics(kafka, names):
    if names:
        kafka.tool(TOPICS, "--delete", "--if-exists", "--topic", "|".join(map(re.escape, names)))
        eventually(lambda: not topics(kafka) & set(names), f"{names} are removed", pause=0.5)


def of_tests(names):
    return sorted(name for name in names if name.startswith(PREFIX))


def clear_kafka(kafka):
    """Removes what a killed test has left. The topics with fixed names are a test's if its events
    are there, too; otherwise somebody uses them."""
    found = topics(kafka)
    left = of_tests(found)
    fixed = sorted(found & set(FIXED_TOPICS))
    if fixed and not any(name.endswith("-order-events") for name in left):
        raise Failed(f"a tillbox uses this Kafka, or has used it: {', '.join(fixed)}. A test would "
                     "remove these topics: give it a cluster without them")
    remove_topics(kafka, fixed + left)


def leave_kafka(kafka):
    """The fixed ones first, so that those which show whose they are go last."""
    found = topics(kafka)
    remove_topics(kafka, sorted(found & set(FIXED_TOPICS)))
    remove_topics(kafka, of_tests(found))
    groups = of_tests(kafka.tool(kafka.GROUPS, "--list").split())
    if groups:
        kafka.tool(kafka.GROUPS, "--delete", *(part for name in groups
                                               for part in ("--group", name)))


def leave_mongo(mongo):
    names = mongo.command({"listDatabases": 1, "nameOnly": True}, "admin")[0]["databases"]
    for name in (one["name"] for one in names if one["name"].startswith(RUN)):
        mongo.command({"dropDatabase": 1}, name)
