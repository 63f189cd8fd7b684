"""Gates that are starved or killed: who asked gets a clear error, others notice nothing."""

import re
import time

import psycopg
import pytest

from harness.recovery import healthy_and_equal

pytestmark = pytest.mark.slow


EATERS = [
    "SELECT sum(len(list_transform(range(0, 30000000), x -> repeat('x', 200)))) FROM range(20)",
    (
        "SELECT count(DISTINCT repeat('y', 300) || a.i || '-' || b.i) FROM range(200000) a(i),"
        " range(200000) b(i)"
    ),
    "SELECT string_agg(repeat('z', 100000), '') FROM range(100000)",
]


@pytest.mark.parametrize("eater", range(len(EATERS)))
def test_a_query_that_eats_all_memory(source, new_platform, eater):
    platform = new_platform()
    platform.configure("limits", gate_memory_mb=512)
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    roles = ("core", "worker", "web", "postgres", "gate")
    before = {role: set(platform.role_pids(role)) for role in roles}
    with platform.connect(options="-c statement_timeout=20000") as c, pytest.raises(psycopg.Error):
        c.execute(EATERS[eater])
    platform.ready(20)
    # A gate that is left without memory or address space refuses or dies a little later.
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert platform.query("SELECT count(DISTINCT i) FROM range(1000) t(i)") == [(1000,)]
        assert platform.query("SELECT count(*) FROM shop.t") == [(1000,)]
    healthy_and_equal(source, platform)
    assert before == {role: set(platform.role_pids(role)) for role in roles}
    # 512 MB, 768 MB more before large allocations are refused, 256 MB more before others are.
    peak = peak_mb(*before["gate"])
    assert peak < 2048, f"the gate took {peak} MB"


def peak_mb(pid):
    """The most real memory that a process ever had."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^VmHWM:\s*(\d+) kB", f.read(), re.M).group(1)) >> 10


def test_gate_killed_in_the_middle_of_a_query(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    # Not `with`: leaving it would send COMMIT into the query that is still running.
    c = platform.connect()
    c.pgconn.send_query(b"SELECT sum(a.i * b.i) FROM range(3000000) a(i), range(3000000) b(i)")
    time.sleep(0.3)
    assert platform.kill_role("gate")
    with pytest.raises(psycopg.OperationalError):
        c.execute("SELECT 1")
    c.close()
    started = time.monotonic()
    platform.ready(20)
    assert time.monotonic() - started < 10
    healthy_and_equal(source, platform)
