"""A till that once had Kafka is started without it: its events wait for Kafka, it says so with the
way out, and goes on selling, until Kafka is configured again or `tillbox link forget kafka`.
"""
from tillbox_e2e import Edge, check, eventually, order_body, run, scratch

NOBODY = ("--log", "kafka", "--kafka-brokers", "127.0.0.1:1")


def sell(edge, count):
    for number in range(count):
        reply = edge.ask("POST", "/orders", order_body(number))
        check(reply.status == 201, f"an order: {reply}")


def status(edge):
    return edge.ask("GET", "/status").json()


def check_waiting(edge, count):
    """Status, metrics, health: all count what waits for Kafka; the till is ready all the same."""
    shown = status(edge)
    check(shown["pending"] == count, f"pending: {shown}")
    log, = shown["unconfiguredLogs"]
    check((log["log"], log["pending"]) == ("kafka", count), f"the log: {shown}")
    check("oldestPendingAgeSeconds" in log, f"its age: {log}")
    check(f"{count} events wait for the log kafka" in log["problem"], log["problem"])
    check("`tillbox link forget kafka`" in log["problem"], log["problem"])
    health = edge.ask("GET", "/healthz")
    check(health.status == 503, f"health passes: {health}")
    check(health.json()["checks"]["delivery"]["detail"] == log["problem"], f"health: {health}")
    check(edge.ask("GET", "/readyz").status == 200, "not ready")
    metrics = edge.ask("GET", "/metrics").body.decode()
    check(f"\ntillbox_outbox_pending {count}\n" in metrics, metrics)
    check(f'\ntillbox_unconfigured_log_pending{{log="kafka"}} {count}\n' in metrics, metrics)


def sell_with_kafka(data):
    """Kafka is never reached."""
    with Edge(data, *NOBODY) as edge:
        sell(edge, 3)
        edge.stop()


def sell_without(data, err_path):
    with Edge(data, err_path=err_path) as edge:
        sell(edge, 2)
        check_waiting(edge, 5)
        reply = edge.ask("DELETE", "/link/inproc")
        check(reply.status == 409, f"the configured log: {reply}")
        edge.stop()
    check("3 events wait for the log kafka" in err_path.read_text(), "nothing is logged")


def start_with_kafka_again(data):
    with Edge(data, *NOBODY) as edge:
        shown = status(edge)
        check(shown["pending"] == 5 and "unconfiguredLogs" not in shown, f"configured: {shown}")
        eventually(lambda: edge.ask("GET", "/healthz").status == 200, "an offline till is healthy")
        reply = edge.ask("DELETE", "/link/kafka")
        check(reply.status == 409, f"the configured log: {reply}")
        edge.stop()


def forget(data):
    with Edge(data) as edge:
        check_waiting(edge, 5)
        reply = edge.ask("DELETE", "/link/kafka")
        check(reply.json() == {"log": "kafka", "forgotten": True, "events": 5, "parkedOrders": 0},
              f"forgotten: {reply}")
        check(edge.ask("DELETE", "/link/kafka").json()["forgotten"] is False, "forgotten twice")
        eventually(lambda: status(edge)["pending"] == 0, "nothing is pending")
        check("unconfiguredLogs" not in status(edge), "it is still remembered")
        eventually(lambda: edge.ask("GET", "/healthz").status == 200, "it is healthy")
        edge.stop()
    with Edge(data) as edge:
        check("unconfiguredLogs" not in status(edge), "it is remembered again")
        edge.stop()


def main():
    with scratch() as folder:
        data = folder / "till"
        sell_with_kafka(data)
        sell_without(data, folder / "edge.err")
        start_with_kafka_again(data)
        forget(data)


run(main)
