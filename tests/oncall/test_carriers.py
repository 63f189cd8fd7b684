"""Amazon Connect as people meet it: the real program against a strict Connect, whose quotas, state
rules and contact flows are the real ones. Twilio and SIP have files of their own beside this."""

import json
import random
import re
import time

import pytest
from harness.fake_connect import FakeConnect
from harness.oncall import DRILL, PEOPLE, outcomes, settle
from harness.ports import wait_until

FIRST, SECOND, THIRD = PEOPLE.values()
ENV = {"TEST_CONNECT_KEY": "AKIDFAKECONNECT", "TEST_CONNECT_SECRET": "fake/connect+secret"}
PACE = 0.2  # of what lasts in calls at the fake


def seconds_between(earlier, later):
    def at(text):
        return float(re.search(r":(\d\d(\.\d+)?)Z?", text[16:])[1]) + 60 * int(text[14:16])

    return (at(later) - at(earlier)) % 3600


def connect_settings(fake, **more):
    return {
        "kind": "amazon-connect",
        "region": fake.region,
        "endpoint": fake.url,
        "instance_id": fake.instance_id,
        "contact_flow_id": fake.contact_flow_id,
        "source_phone_number": fake.source,
        "access_key_id_env": "TEST_CONNECT_KEY",
        "secret_access_key_env": "TEST_CONNECT_SECRET",
        **more,
    }


@pytest.fixture
def connect():
    with FakeConnect(pace=PACE) as fake:
        yield fake
        check_rate(fake)


def check_rate(fake):
    """Connect's quota per API: 2 a second, 5 at once. By the record: in no stretch of time more
    than the burst and 2 for each second of it."""
    for api in {request["api"] for request in fake.requests}:
        at = [request["at"] for request in fake.of(api)]
        for begin, first in enumerate(at):
            for end in range(begin, len(at)):
                allowed = 5 + 2 * (at[end] - first) + 0.1
                assert end - begin + 1 <= allowed, (api, [round(t - first, 2) for t in at[begin:]])


def test_connect_rings_in_order_and_voicemail_is_no_answer(oncall, connect):
    connect.persons = {FIRST: {"does": "answer"}, SECOND: {"does": "busy"}}  # third: no answer
    service = oncall(carriers={"connect": connect_settings(connect)}).start(ENV)
    service.raise_incident(text="disk full at db01")
    attempts = service.wait_for_ended(4, 90)
    assert outcomes(attempts) == [
        ("first", "connect", "no_key"),
        ("second", "connect", "busy"),
        ("third", "connect", "no_answer"),
        ("first", "connect", "no_key"),
    ]
    assert attempts[0]["answered_at"] and not attempts[2]["answered_at"]
    heard = connect.calls_to(FIRST)[0].spoken
    assert len(heard) == 3 and "db01" in heard[0]  # three times
    starts = [json.loads(r["body"]) for r in connect.of("StartOutboundVoiceContact")]
    assert [s["ClientToken"] for s in starts[:4]] == [a["attempt"] for a in attempts]
    assert [a["carrier_id"] for a in attempts] == list(connect.contacts)[:4]
    service.acknowledge("load/orders")


def test_connect_key_1_acknowledges(oncall, connect):
    connect.persons = {SECOND: {"does": "answer", "keys": [(4, "9"), (12, "1")]}}
    service = oncall(carriers={"connect": connect_settings(connect)}).start(ENV)
    service.raise_incident()
    shown = service.wait_for_state("load/orders", "acknowledged", 40)
    assert shown["acknowledged_by"] == "second"
    assert outcomes(shown["attempts"])[-1] == ("second", "connect", "acknowledged")
    assert shown["attempts"][-1]["key"] == "91"
    [call] = connect.calls_to(SECOND)
    assert len(call.spoken) >= 2  # key 9: once more
    wait_until(lambda: all(c.disconnected for c in connect.contacts.values()), 8)
    placed = len(connect.contacts)
    settle(2)
    assert len(connect.contacts) == placed


def test_connect_key_2_passes_to_the_next_person(oncall, connect):
    connect.persons = {
        FIRST: {"does": "answer", "keys": [(4, "2")]},
        SECOND: {"does": "answer", "keys": [(4, "1")]},
    }
    service = oncall(carriers={"connect": connect_settings(connect)}).start(ENV)
    service.raise_incident()
    attempts = service.wait_for_state("load/orders", "acknowledged", 40)["attempts"]
    assert outcomes(attempts) == [
        ("first", "connect", "passed"),
        ("second", "connect", "acknowledged"),
    ]


@pytest.mark.parametrize("answered", [False, True], ids=["ringing", "answered"])
def test_connect_call_ends_within_3_s_of_an_acknowledgement(oncall, connect, answered):
    connect.pace = 10.0  # calls last
    if answered:
        connect.persons = {FIRST: {"does": "answer", "after": 0.05}}
    service = oncall(carriers={"connect": connect_settings(connect)}).start(ENV)
    service.raise_incident()
    [call] = wait_until(lambda: connect.calls_to(FIRST), 20, what="the call")
    if answered:
        wait_until(lambda: service.attempts()[0]["answered_at"], 20, what="the answer")
    service.acknowledge("load/orders")
    wait_until(lambda: call.disconnected, 3, what="the end of the call")
    stops = connect.of("StopContact")
    wait_until(lambda: stops[0]["status"], 3, what="the answer to it")
    assert [r["status"] for r in connect.of("StopContact")] == [200]
    assert call.reason == ("OTHER" if answered else "TELECOM_ORIGINATOR_CANCEL")
    [attempt] = service.attempts()
    assert attempt["outcome"] == "cancelled"
    settle(2)
    assert len(connect.contacts) == 1


def test_connect_number_that_may_not_be_called_is_passed_over_at_once(oncall, connect):
    connect.persons = {
        FIRST: {"does": "not_allowed"},
        SECOND: {"does": "invalid", "after": 0.5},
        THIRD: {"does": "answer", "keys": [(2, "1")]},
    }
    # Another carrier could not call it either: it is not asked.
    carriers = {"connect": connect_settings(connect), "paper": DRILL}
    service = oncall(carriers=carriers).start(ENV)
    service.raise_incident()
    attempts = service.wait_for_state("load/orders", "acknowledged", 40)["attempts"]
    assert outcomes(attempts) == [
        ("first", "connect", "unknown_number"),
        ("second", "connect", "unknown_number"),
        ("third", "connect", "acknowledged"),
    ]
    assert seconds_between(attempts[0]["planned_at"], attempts[1]["planned_at"]) < 2
    assert "country" in attempts[0]["error"]


@pytest.mark.parametrize("how", ["500", "down", "blocked"])
def test_the_next_carrier_takes_over_for_the_same_person(oncall, connect, how):
    carriers = {"connect": connect_settings(connect), "paper": DRILL}
    service = oncall(carriers=carriers)
    if how == "500":
        connect.fail_next("StartOutboundVoiceContact", *[503] * 8)
    elif how == "down":
        connect.stop()
    else:
        connect.persons = {FIRST: {"does": "blocked"}}
    service.start(ENV)
    began = time.monotonic()
    service.raise_incident()
    attempts = service.wait_for_state("load/orders", "acknowledged", 40)["attempts"]
    assert outcomes(attempts) == [
        ("first", "connect", "carrier_failed"),
        ("first", "paper", "acknowledged"),
    ]
    assert time.monotonic() - began < 25 and attempts[0]["error"]


@pytest.mark.parametrize("fault", [429, "lose"])
def test_connect_refusals_and_lost_answers_make_one_call(oncall, connect, fault):
    connect.persons = {FIRST: {"does": "answer", "keys": [(2, "1")]}}
    connect.fail_next("StartOutboundVoiceContact", fault, fault)
    connect.fail_next("GetContactAttributes", 429, "lose", 500)
    carriers = {"connect": connect_settings(connect), "paper": DRILL}
    service = oncall(carriers=carriers).start(ENV)
    service.raise_incident()
    attempts = service.wait_for_state("load/orders", "acknowledged", 40)["attempts"]
    assert outcomes(attempts) == [("first", "connect", "acknowledged")]
    assert len(connect.contacts) == 1 and not service.placed()


def test_connect_quota_is_kept_with_many_calls_at_once(oncall, connect):
    teams = [f"team{i}" for i in range(6)]
    more = "".join(
        f'[team.{name}]\nmembers = [{{name = "m", phone = "+81900000010{i}"}}]\n'
        f"ring_seconds = 5\nround_pause_seconds = 0\n"
        for i, name in enumerate(teams)
    )
    for i in range(len(teams)):
        connect.persons[f"+81900000010{i}"] = {"does": "answer", "keys": [(20, "1")]}
    service = oncall(carriers={"connect": connect_settings(connect)}, team={"more": more})
    service.start(ENV)
    for name in teams:
        service.raise_incident(key=name, team=name)
    wait_until(
        lambda: len(service.incidents(state="acknowledged")) == len(teams), 90, what="all keys"
    )
    # Nothing was refused for being too much: we keep the quota, not Connect.
    assert 429 not in {r["status"] for r in connect.requests}
    assert len(connect.contacts) == len(teams)


def test_connect_is_taken_up_again_after_kill_9(oncall, connect):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    pause = random.Random(seed)
    connect.pace = 1.0
    connect.persons = {FIRST: {"does": "answer", "after": 3, "keys": [(9, "1")]}}
    service = oncall(carriers={"connect": connect_settings(connect)}).start(ENV)
    service.raise_incident()
    for _ in range(3):
        settle(pause.uniform(0, 1.5))
        service.kill()
        service.start(ENV)
    attempts = service.wait_for_state("load/orders", "acknowledged", 40)["attempts"]
    assert outcomes(attempts) == [("first", "connect", "acknowledged")]
    assert len(connect.contacts) == 1


def test_connect_temporary_credentials_are_renewed_while_it_runs(oncall, connect):
    settings = connect_settings(connect)
    names = ("access_key_id", "secret_access_key", "session_token")
    for name in names:
        settings.pop(f"{name}_env", None)
        settings[f"{name}_file"] = f"secrets/connect-{name}"
    service = oncall(carriers={"connect": settings})

    def renew(*secrets):
        connect.session_token = secrets[2]
        connect.credentials = type(connect.credentials)(*secrets)
        for name, secret in zip(names, secrets):
            path = service.platform.directory / "secrets" / f"connect-{name}"
            path.write_text(secret + "\n")
            path.chmod(0o600)

    connect.persons = {FIRST: {"does": "answer", "keys": [(2, "1")]}}
    renew("ASIAFIRST", "secret/of+the first", "token of the first")
    service.start()
    service.raise_incident(key="load/first")
    service.wait_for_state("load/first", "acknowledged", 60)
    renew("ASIASECOND", "secret/of+the second", "token of the second")
    wait_until(
        lambda: "what=secrets" in service.platform.log.read_text(), what="the keys taken over"
    )
    service.raise_incident(key="load/second")
    attempts = service.wait_for_state("load/second", "acknowledged", 60)["attempts"]
    # Files are written one after the other: an attempt between them may have failed.
    assert outcomes(attempts)[-1] == ("first", "connect", "acknowledged")
    assert "token of the" not in service.platform.log.read_text()


def test_install_flow_creates_then_updates_and_the_flow_works(oncall, connect):
    settings = connect_settings(connect)
    for name in ("contact_flow_id", "access_key_id_env", "secret_access_key_env"):
        del settings[name]
    settings["access_key_id_file"] = "secrets/connect-id"
    settings["secret_access_key_file"] = "secrets/connect-key"
    service = oncall(carriers={"connect": settings})
    for name, secret in zip(("id", "key"), ENV.values()):
        path = service.platform.directory / "secrets" / f"connect-{name}"
        path.write_text(secret + "\n")
        path.chmod(0o600)
    shown = service.platform.call("oncall", "install-flow", "--json").stdout
    flow = json.loads(shown)["contact_flow_id"]
    assert flow in connect.flows and flow != connect.contact_flow_id
    again = service.platform.call("oncall", "install-flow").stdout
    assert f'contact_flow_id = "{flow}"' in again
    assert len(connect.of("CreateContactFlow")) == 1
    assert [r["status"] for r in connect.of("UpdateContactFlowContent")] == [200]
    service.platform.configure("oncall.carrier.connect", contact_flow_id=flow)
    connect.persons = {
        FIRST: {"does": "answer", "keys": [(2, "5"), (12, "9"), (18, "2")]},
        SECOND: {"does": "answer", "keys": [(8, "1")]},
    }
    service.start()
    service.raise_incident(text="<b>disk</b> & more")
    attempts = service.wait_for_state("load/orders", "acknowledged", 60)["attempts"]
    assert outcomes(attempts) == [
        ("first", "connect", "passed"),
        ("second", "connect", "acknowledged"),
    ]
    assert attempts[0]["key"] == "92"
    # What is not markup is read, not taken for it.
    assert "disk" in connect.calls_to(FIRST)[0].spoken[0]
