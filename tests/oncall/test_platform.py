"""On-call as a role of `minato serve`: it rings for Minato's own troubles, outlives the supervisor,
and its records can be queried in the lake."""

import os
import signal

from harness.minato import MARK
from harness.oncall import Oncall
from harness.ports import wait_until


def serving(new_platform, **options):
    """`minato serve` with on-call as its role."""
    platform = new_platform()
    service = Oncall(platform, extra="silence_seconds = 3", **options)
    platform.serve()
    wait_until(lambda: service.get("/healthz")["ok"], 20, what="on-call")
    return service


def oncall_pids(platform):
    """Of the role, found by its environment: it may have outlived its supervisor."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                environment = file.read()
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if f"{MARK}={platform.mark}".encode() in environment and b"oncall" in words:
            found.append(int(entry))
    return found


def test_rings_when_everything_else_died(new_platform):
    service = serving(new_platform)
    platform = service.platform
    (before,) = oncall_pids(platform)
    platform.process.kill()
    platform.process.wait()
    found = wait_until(lambda: service.incidents(state="open"), 20, what="the dead-man's incident")
    assert found[0]["key"] == "minato/roles" and "minato serve died" in found[0]["title"]
    assert oncall_pids(platform) == [before]
    assert service.wait_for_attempts(1)[0]["person"] == "first"
    # A new start takes over from the on-call that was left, and the round ends.
    platform.serve()
    wait_until(lambda: oncall_pids(platform) not in ([], [before]), 20, what="the new on-call")
    service.wait_for_state("minato/roles", "resolved", 30)
    wait_until(lambda: service.attempts()[-1]["state"] == "ended", 10)
    assert platform.stop() == 0
    wait_until(lambda: not oncall_pids(platform), 10, what="the end of on-call")


def test_a_failing_mart_rings_until_it_is_mended(new_platform):
    service = serving(new_platform)
    platform = service.platform
    mart = platform.directory / "marts" / "sales" / "broken.sql"
    mart.parent.mkdir(parents=True, exist_ok=True)
    mart.write_text("SELECT error('no such rate') AS rate")
    found = wait_until(
        lambda: [i for i in service.incidents(state="open") if i["source"] == "minato"],
        60,
        what="the mart's incident",
    )
    assert "sales.broken" in found[0]["title"] and found[0]["severity"] == "error"
    service.wait_for_attempts(1, 20)
    mart.write_text("SELECT 1 AS rate")
    service.wait_for_state(found[0]["id"], "resolved", 90)


def test_records_are_in_the_lake(new_platform):
    service = serving(new_platform, carriers={"paper": {"kind": "drill", "press": "1"}})
    incident = service.raise_incident(text="disk full", labels={"host": "db01"})
    service.wait_for_state(incident, "acknowledged", 20)
    query = service.platform.query

    def rows():
        return query(
            "SELECT i.key, i.state, i.acknowledged_by, a.person, a.outcome, a.key FROM"
            " minato.oncall_incidents i JOIN minato.oncall_attempts a ON a.team = i.team"
            " WHERE a.state = 'ended' AND i.state = 'acknowledged'"
        )

    assert wait_until(rows, 40, what="the records") == [
        ("load/orders", "acknowledged", "first", "first", "acknowledged", "1")
    ]
    assert "+819000000001" not in str(query("SELECT * FROM minato.oncall_attempts"))
    service.resolve(incident)
    wait_until(
        lambda: query("SELECT state FROM minato.oncall_incidents") == [("resolved",)],
        40,
        what="the change",
    )


def test_a_stopped_platform_rings_nobody(new_platform):
    service = serving(new_platform)
    os.kill(service.platform.process.pid, signal.SIGTERM)
    assert service.platform.process.wait(30) == 0
    service.start()
    assert service.incidents() == []
    service.stop()
