"""Goal: kill -9 anywhere neither loses nor doubles a call, and the order of people stays. Method:
the program with failpoints dies at a random hit of a random place, again and again; the drill
carrier's own record, which is outside the journal, says which calls were made."""

import os
import random
import urllib.error

import pytest
from harness.oncall import PEOPLE
from harness.ports import wait_until

PLACES = ["oncall.before_commit", "oncall.committed", "oncall.placed"]
KILLS = int(os.environ.get("MINATO_CHAOS_KILLS", "30"))


def check(service, promised):
    """Everything that must hold at any time while on-call runs."""
    attempts = service.attempts()
    placed = [p["attempt"] for p in service.placed()]
    assert len(placed) == len(set(placed)), "an attempt was placed twice"
    known = [a["attempt"] for a in attempts]
    assert set(placed) <= set(known), "a call that the journal does not know"
    # In the order in which they were planned, without a hole but at the end.
    assert placed == known[: len(placed)], "calls out of order"
    assert len(known) - len(placed) <= 1
    names = [a["person"] for a in attempts]
    circle = list(PEOPLE)
    for i, name in enumerate(names):
        assert name == circle[i % len(circle)], f"call {i} to {name}: {names}"
    assert [a["number"] for a in attempts] == list(range(1, len(attempts) + 1))
    keys = {i["key"] for i in service.incidents(limit=10_000)}
    assert promised <= keys, f"lost: {promised - keys}"


@pytest.mark.timeout(900)
def test_killed_at_every_step(oncall):
    seed = int(os.environ.get("MINATO_CHAOS_SEED", random.randrange(1 << 30)))
    print(f"MINATO_CHAOS_SEED={seed}")
    dice = random.Random(seed)
    service = oncall(failpoint_build=True, carriers={"paper": {"kind": "drill", "press": "2"}})
    promised = set()
    for run in range(KILLS):
        place = dice.choice(PLACES)
        hit = dice.randint(1, 8)
        service.start({"MINATO_FAILPOINTS": f"{place}=kill@{hit}"}, wait=False)
        number = 0

        def step():
            nonlocal number
            if not service.alive():
                return True
            key = f"run{run}/{number}"
            number += 1
            try:
                service.raise_incident(key=key)
                promised.add(key)
            except (OSError, urllib.error.URLError, ConnectionError):
                pass
            return False

        wait_until(step, 30, dice.uniform(0.02, 0.3), f"death at {place}@{hit} in run {run}")
        service.process.wait()
    # Nothing of it hinders the end: the call that was on its way goes on, and 1 ends the round.
    service.start()
    before = len(service.attempts())
    service.wait_for_attempts(before + 3, 30)
    check(service, promised)
    for incident in service.incidents(state="open", limit=10_000):
        service.acknowledge(incident["key"])
    wait_until(lambda: service.attempts()[-1]["state"] == "ended", 10, what="quiet")
    check(service, promised)


@pytest.mark.parametrize("place", PLACES)
def test_an_acknowledgement_that_was_answered_stays(oncall, place):
    """The answer 200 to an acknowledgement means that nobody is rung again for it."""
    for hit in (1, 2, 3):
        service = oncall(failpoint_build=True)
        service.start()
        service.raise_incident()
        service.wait_for_attempts(1)
        service.kill()
        service.start({"MINATO_FAILPOINTS": f"{place}=kill@{hit}"}, wait=False)
        acknowledged = False

        def try_it():
            nonlocal acknowledged
            if not service.alive():
                return True
            try:
                service.acknowledge("load/orders")
                acknowledged = True
            except (OSError, AssertionError):
                pass
            return acknowledged

        wait_until(try_it, 20, 0.02, "an answer or death")
        service.kill()
        service.start()
        state = service.incident("load/orders")["state"]
        if acknowledged:
            assert state == "acknowledged"
            wait_until(lambda: service.attempts()[-1]["state"] == "ended", 5, what="quiet")
        service.kill()


def test_a_journal_that_cannot_be_written_refuses_and_recovers(oncall):
    """An alarm is answered 2xx only when it is durable: errors of the journal are said, and what
    was refused is not half there."""
    service = oncall(failpoint_build=True)
    points = service.platform.directory / "points"
    points.write_text("")
    service.start({"MINATO_FAILPOINTS_FILE": str(points)})
    service.raise_incident(key="before")
    aside = points.with_suffix(".new")
    aside.write_text("oncall.before_commit=error")
    aside.rename(points)
    status, answer = service.request("POST", "/api/v1/incidents", {"key": "lost", "title": "x"})
    assert status == 503, answer
    assert service.request("GET", "/healthz")[0] == 503
    aside.write_text("")
    aside.rename(points)
    wait_until(lambda: service.request("GET", "/healthz")[0] == 200, 10)
    assert {i["key"] for i in service.incidents()} == {"before"}
    service.raise_incident(key="lost")
    service.wait_for_attempts(1)
