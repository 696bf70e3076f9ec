#!/bin/sh
# Starts and stops a real Kafka broker, or a server that speaks MongoDB's protocol.
#
#   service.sh fetch kafka|mongo        fetches the jars into .cache/; installs Java and Maven
#   service.sh start kafka|mongo DIR    fetches, starts with its data in DIR, waits until it
#                                       answers, prints its address
#   service.sh stop|kill DIR            SIGTERM, or SIGKILL
#   service.sh freeze|thaw DIR          SIGSTOP, SIGCONT
#   service.sh address DIR              prints the address again
#   service.sh tool CLASS ARG...        runs one of Kafka's command line tools, by its Java class
#
# Started again in the same DIR, a server has its data and its address. Exit status 77 if Java cannot
# be installed, 1 on other failures, both with a message on standard error.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${TB_SERVICES_CACHE:-$here/../../.cache}
START_SECONDS=90 # on two loaded processors
STOP_SECONDS=20  # then SIGKILL

fail() {
    echo "service.sh: $1" >&2
    exit "${2:-1}"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo -n "$@"
    else
        return 1
    fi
}

need_java() {
    if command -v javac >/dev/null 2>&1 && command -v mvn >/dev/null 2>&1; then
        return
    fi
    command -v apt-get >/dev/null 2>&1 ||
        fail "a Java development kit (17 or later) and Maven are missing" 77
    echo "Installing default-jdk-headless and maven" >&2
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq >&2 || true
    as_root apt-get install -y -qq --no-install-recommends default-jdk-headless maven >&2 ||
        fail "Java and Maven cannot be installed: as root, apt-get install default-jdk-headless maven" 77
}

# Work that each start would otherwise repeat: it takes a second and a half of processor time for a
# broker, a second for a database.
prepare_kafka() {
    kafka_settings "$1/formatted" 1 2 >"$1/format.properties"
    java -cp "$1/lib/*" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg \
        -c "$1/format.properties" >"$1/format.log" 2>&1
}

prepare_mongo() {
    javac -d "$1/classes" -cp "$1/lib/*" "$here/mongo/MongoService.java" >&2
}

# home_of KIND: its folder in the cache, named by what it is made from: checkouts that share a cache
# may differ, and their servers run side by side.
home_of() {
    echo "$cache/$1-$(cat "$here/service.sh" "$here/$1/"* | cksum | cut -d' ' -f1)"
}

# The folder is renamed into place when it is complete.
fetch() {
    kind=$1
    [ -f "$here/$kind/pom.xml" ] || fail "no such service: $kind"
    need_java
    mkdir -p "$cache"
    home=$(home_of "$kind")
    (
        flock 9
        [ ! -d "$home" ] || exit 0
        rm -rf "$home.new"
        mvn -q -B -f "$here/$kind/pom.xml" dependency:copy-dependencies \
            -DoutputDirectory="$home.new/lib" >&2 || exit 1
        "prepare_$kind" "$home.new" || exit 1
        mv "$home.new" "$home"
    ) 9>"$cache/$kind.lock" || fail "the jars of $kind cannot be fetched" 77
}

# pid_of DIR: prints the process id, if the process is the one that was started
pid_of() {
    pid=$(cat "$1/pid" 2>/dev/null) || return 1
    [ "$(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" = "$(cat "$1/started")" ] || return 1
    echo "$pid"
}

kafka_settings() {
    cat <<SETTINGS
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$3
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$1/data
auto.create.topics.enable=false
num.partitions=6
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
SETTINGS
    # The test's own settings, such as retention or a smaller message limit.
    [ ! -f "$1/extra.properties" ] || cat "$1/extra.properties"
}

run_kafka() {
    dir=$1
    if [ ! -f "$dir/server.properties" ]; then
        # shellcheck disable=SC2046 # two words
        set -- "$dir" $(python3 "$here/answers.py" port 2)
        kafka_settings "$@" >"$dir/new.properties"
        cp -R "$home/formatted/data" "$dir/data"
        echo "127.0.0.1:$2" >"$dir/address"
        mv "$dir/new.properties" "$dir/server.properties"
    fi
    setsid java -Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        -cp "$home/lib/*" kafka.Kafka "$dir/server.properties" \
        >>"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
}

run_mongo() {
    dir=$1
    [ -f "$dir/address" ] ||
        echo "127.0.0.1:$(python3 "$here/answers.py" port 1)" >"$dir/address"
    setsid java -Xms32m -Xmx512m -XX:+UseSerialGC \
        -cp "$home/classes:$home/lib/*" MongoService \
        127.0.0.1 "$(cut -d: -f2 "$dir/address")" "$dir/data.h2" >>"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
}

start() {
    kind=$1
    mkdir -p "$2"
    dir=$(cd "$2" && pwd)
    command -v python3 >/dev/null 2>&1 || fail "python3 is missing" 77
    ! pid_of "$dir" >/dev/null || fail "$dir: it runs already"
    fetch "$kind"
    "run_$kind" "$dir"
    pid=$(cat "$dir/pid")
    cut -d' ' -f22 "/proc/$pid/stat" >"$dir/started" 2>/dev/null || true
    address=$(cat "$dir/address")
    if ! python3 "$here/answers.py" "$kind" "${address%:*}" "${address#*:}" "$START_SECONDS"; then
        kill -KILL "$pid" 2>/dev/null || true
        fail "$kind does not answer at $address: see $dir/log"
    fi
    echo "$address"
}

# A zombie has ended, too.
ended() {
    case $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) in
    '' | Z) return 0 ;;
    *) return 1 ;;
    esac
}

stop() {
    pid=$(pid_of "$1") || return 0
    kill -"$2" "$pid" 2>/dev/null || return 0
    kill -CONT "$pid" 2>/dev/null || true
    tenths=0
    while ! ended "$pid"; do
        [ "$tenths" -lt $((STOP_SECONDS * 10)) ] || kill -KILL "$pid" 2>/dev/null || true
        tenths=$((tenths + 1))
        sleep 0.1
    done
    rm -f "$1/pid"
}

# With little memory and few threads, because a test runs beside it.
tool() {
    fetch kafka
    exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$home/lib/*" "$@"
}

if [ "${1:-}" = tool ] && [ $# -gt 1 ]; then
    shift
    tool "$@"
fi
case "${1:-} $#" in
"fetch 2") fetch "$2" ;;
"start 3") start "$2" "$3" ;;
"stop 2") stop "$2" TERM ;;
"kill 2") stop "$2" KILL ;;
"freeze 2") kill -STOP "$(pid_of "$2")" || fail "$2: nothing runs there" ;;
"thaw 2") kill -CONT "$(pid_of "$2")" || fail "$2: nothing runs there" ;;
"address 2") cat "$2/address" ;;
*)
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
