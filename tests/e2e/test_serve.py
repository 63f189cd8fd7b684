"""`minato serve` as a supervisor: what it starts, what happens when that dies, who may start it,
and how it ends."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from harness.minato import Platform, alive, scratch
from harness.ports import wait_until


def health(platform):
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{platform.http_port}/healthz", timeout=5
        ) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def healthy(platform):
    return wait_until(lambda: health(platform)[0] == 200, 30, what="health")


@pytest.fixture
def served(new_platform):
    platform = new_platform()
    platform.serve()
    healthy(platform)
    return platform


def test_starts_and_answers_soon(new_platform):
    platform = new_platform()
    platform.serve()
    platform.stop()
    began = time.monotonic()
    platform.serve()
    took = time.monotonic() - began
    # 3 s on an idle machine; test machines are shared.
    assert took < 10, took
    assert platform.query("SELECT 1 + 1") == [(2,)]


@pytest.mark.parametrize("role", ["core", "worker", "gate", "web"])
def test_a_role_that_dies_is_back(served, role):
    before = set(served.role_pids(role))
    assert before
    began = time.monotonic()
    served.kill_role(role)
    wait_until(
        lambda: set(served.role_pids(role)) - before, 10, what="a new process of role " + role
    )
    assert time.monotonic() - began < 4
    served.ready(20)
    healthy(served)
    process = next(p for p in served.status()["processes"] if p["name"].startswith(role))
    assert process["restarts"] == 1 and process["up"]


def test_a_role_that_keeps_dying_is_an_incident(served):
    def failing():
        served.kill_role("worker")
        return [i for i in served.status()["incidents"] if i["key"] == "role.worker-1"]

    incident = wait_until(failing, 60, 0.1, "an incident")
    assert "worker-1" in incident[0]["title"] and "signal 9" in incident[0]["text"]
    assert health(served)[0] == 503
    served.ready(20)
    # It stays up: the incident is over by itself.
    wait_until(lambda: not served.status()["incidents"], 60, 0.5, "the end of the incident")
    healthy(served)


def test_a_gate_without_memory_is_back_and_says_why(new_platform):
    """Goal: when memory does not come back, only the gate's sessions are lost, and somebody learns
    why. Method: a failpoint tells the gate so, after more seconds than a process needs to count as
    healthy."""
    platform = new_platform(failpoint_build=True)
    platform.serve(env={"MINATO_FAILPOINTS": "gate.memory_gone=error@110"})
    before = set(platform.role_pids("gate"))
    wait_until(lambda: set(platform.role_pids("gate")) - before, 60, 0.02, "another gate")
    began = time.monotonic()
    platform.ready(20)
    assert time.monotonic() - began < 4  # a second or two, on an idle machine

    def incident():
        return [i for i in platform.status()["incidents"] if i["key"] == "end.gate"]

    assert "memory" in wait_until(incident, 10, what="an incident")[0]["title"]


def test_postgresql_killed(served):
    for _ in range(2):
        old = set(served.role_pids("postgres"))
        assert served.kill_role("postgres")
        wait_until(lambda o=old: set(served.role_pids("postgres")) - o, 20, what="PostgreSQL")
        served.ready(30)
        healthy(served)
        served.account_add("later", "later-pass-1")
        with served.connect(user="later", password="later-pass-1") as c:
            assert c.execute("SELECT 1").fetchone() == (1,)


def test_second_serve_is_refused(served):
    result = served.call("serve", check=False, timeout=30)
    assert result.returncode == 1
    assert str(served.process.pid) in result.stderr and "already" in result.stderr
    assert served.query("SELECT 1") == [(1,)]


@pytest.mark.parametrize("section", ["gate", "http"])
def test_port_in_use(new_platform, section):
    platform = new_platform(account=False)
    port = platform.gate_port if section == "gate" else platform.http_port
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        result = platform.call("serve", check=False, timeout=60)
    assert result.returncode == 1
    assert str(port) in result.stderr and f"[{section}]" in result.stderr, result.stderr
    assert not list(platform.pids())


def test_killed_supervisor_takes_all_along_and_starts_again(served):
    for _ in range(2):
        # Memory that takes its time to be freed: the gate holds its port for as long.
        served.query("SELECT count(DISTINCT md5(i::VARCHAR)) FROM range(3000000) t(i)")
        pids = set(served.pids())
        os.kill(served.process.pid, signal.SIGKILL)
        served.process.wait()
        served.process = None
        # At once, while the gate and PostgreSQL of the former run may still be ending.
        served.serve()
        wait_until(lambda p=pids: not [x for x in p if alive(x)], 20, what="the end of the former")
        healthy(served)


def test_clean_end(served):
    pids = set(served.pids())
    assert len(pids) >= 6
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 15
    assert not [pid for pid in pids if alive(pid)]
    result = served.call("status", check=False)
    assert result.returncode == 3 and "serve" in result.stderr
    assert served.call("sql", "SELECT 1", check=False).returncode == 3


def test_account_without_serve(new_platform):
    platform = new_platform(account=False)
    platform.account_add("clerk", "clerk-pass-1")
    listed = json.loads(platform.call("account", "list", "--json").stdout)
    assert [a["name"] for a in listed] == ["clerk"]
    assert not list(platform.pids()), "the private PostgreSQL ends with the command"
    platform.start()
    with wait_until(
        lambda: platform.connect(user="clerk", password="clerk-pass-1"), 60, what="the gate"
    ) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    platform.call("account", "remove", "clerk")

    def refused():
        try:
            platform.connect(user="clerk", password="clerk-pass-1").close()
        except Exception as error:
            return "authentication" in str(error) or "password" in str(error)

    wait_until(refused, 20, what="the removed account to be refused")


@pytest.mark.slow
def test_deep_and_private_directory():
    """The path is too long for a Unix socket, and only the owner may enter it."""
    base = scratch("mt")
    base.chmod(0o700)
    directory = base / ("d" * 60) / ("e" * 60) / "p"
    directory.parent.mkdir(parents=True)
    platform = Platform(directory)
    try:
        platform.init()
        platform.mart("m.one", "SELECT 1 AS a")
        platform.account_add()
        platform.serve()
        wait_until(lambda: platform.query("SELECT a FROM m.one") == [(1,)], 30)
        assert platform.stop() == 0
    finally:
        platform.kill_all()
        subprocess.run(["rm", "-rf", str(base)], check=True)


def test_metrics_page_and_reload(served):
    def get(path):
        with urllib.request.urlopen(
            f"http://127.0.0.1:{served.http_port}{path}", timeout=5
        ) as answer:
            return answer.read().decode()

    metrics = get("/metrics")
    for word in (
        "minato_postgres_up 1",
        'minato_role_up{role="core"} 1',
        "minato_role_memory_bytes",
    ):
        assert word in metrics, metrics
    assert "<title>Minato</title>" in get("/")
    workers = set(served.role_pids("worker"))
    served.configure("marts", workers=2)
    wait_until(lambda: len(set(served.role_pids("worker"))) == 2, 10, what="a second worker")
    assert workers < set(served.role_pids("worker"))
    served.configure("marts", workers=1)
    wait_until(lambda: set(served.role_pids("worker")) == workers, 20, what="one worker again")
    served.config.write_text(served.config.read_text() + "\n[gaet]\n")
    wait_until(lambda: any("gaet" in i["text"] for i in served.status()["incidents"]), 10)
    assert served.query("SELECT 1") == [(1,)]
    served.config.write_text(served.config.read_text().replace("\n[gaet]\n", ""))
    wait_until(lambda: not served.status()["incidents"], 10, what="the end of the incident")
