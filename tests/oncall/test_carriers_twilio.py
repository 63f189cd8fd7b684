"""Twilio as people meet it: the real program and its webhooks against a strict Twilio that calls
back; forged, late and badly timed requests."""

import contextlib
import sqlite3
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from harness.fake_twilio import FakeTwilio, signature
from harness.oncall import DRILL, PEOPLE, outcomes, settle
from harness.ports import free_port, wait_until

FIRST, SECOND, THIRD = PEOPLE.values()
PACE = 0.2  # of what lasts in calls at the fake


@pytest.fixture
def twilio(oncall):
    """(fake, make): make(**options) is an on-call whose webhooks the fake reaches."""
    with FakeTwilio(pace=PACE) as fake:

        def make(more_carriers=None, slash="", **options):
            port = free_port()
            settings = {
                "kind": "twilio",
                "endpoint": fake.url,
                "account_sid": fake.account_sid,
                "auth_token_env": "TEST_TWILIO",
                "source_phone_number": "+815012345678",
                "public_url": f"http://127.0.0.1:{port}{slash}",
            }
            carriers = {"twilio": settings, **(more_carriers or {})}
            service = oncall(carriers=carriers, port=port, **options)
            return service.start({"TEST_TWILIO": fake.auth_token})

        yield fake, make
        # Twilio hangs up on what it does not understand, and after 15 s.
        late = [(w["url"], w["seconds"]) for w in fake.webhooks if w["seconds"] >= 1]
        wrong = [w["problem"] for w in fake.webhooks if "problem" in w]
        assert not late and not wrong, (late, wrong)


def webhook(service, fake, path, fields, token=None, signed=None):
    """As Twilio would send it; the status of the answer."""
    url = f"http://127.0.0.1:{service.port}{path}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if signed is None:
        signed = signature(token or fake.auth_token, url, list(fields.items()))
    if signed:
        headers["X-Twilio-Signature"] = signed
    data = urllib.parse.urlencode(fields).encode()
    try:
        request = urllib.request.Request(url, data=data, headers=headers)
        return urllib.request.urlopen(request, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("slash", ["", "/"], ids=["plain", "slash"])
def test_twilio_key_1_acknowledges_and_key_9_repeats(twilio, slash):
    fake, make = twilio
    fake.persons = {FIRST: {"does": "answer", "keys": [(3, "9"), (9, "1")]}}
    service = make(slash=slash)
    service.raise_incident(text="disk full at db01")
    shown = service.wait_for_state("load/orders", "acknowledged", 30)
    assert shown["acknowledged_by"] == "first"
    assert outcomes(shown["attempts"]) == [("first", "twilio", "acknowledged")]
    assert shown["attempts"][0]["key"].endswith("1")
    [call] = fake.calls_to(FIRST)
    assert "db01" in call.spoken[0] and call.spoken[0] == call.spoken[1]
    wait_until(lambda: call.status == "completed", 10)
    assert "確認" in call.spoken[-1]
    assert len(fake.calls) == 1


def test_twilio_what_people_do(twilio):
    fake, make = twilio
    fake.persons = {FIRST: {"does": "answer", "keys": [(3, "2")]}, SECOND: {"does": "busy"}}
    service = make(
        team={
            "people": {**PEOPLE, "fourth": "+819000000004", "fifth": "+819000000005"},
            "answer_seconds": 10,
        }
    )
    fake.persons[THIRD] = {"does": "switched_off"}
    fake.persons["+819000000004"] = {"does": "unknown"}
    fake.persons["+819000000005"] = {"does": "answer"}  # voicemail
    service.raise_incident()
    attempts = service.wait_for_ended(5, 90)
    assert outcomes(attempts) == [
        ("first", "twilio", "passed"),
        ("second", "twilio", "busy"),
        ("third", "twilio", "no_answer"),
        ("fourth", "twilio", "unknown_number"),
        ("fifth", "twilio", "no_key"),
    ]
    service.acknowledge("load/orders")
    wait_until(lambda: all(c.ended_at for c in fake.calls.values()), 10, what="the calls' end")


def test_twilio_that_fails_is_followed_by_the_next_carrier(twilio):
    fake, make = twilio
    fake.persons = {FIRST: {"does": "failed"}}  # SIP 503
    service = make(more_carriers={"paper": DRILL})
    service.raise_incident()
    attempts = service.wait_for_state("load/orders", "acknowledged", 40)["attempts"]
    assert outcomes(attempts) == [
        ("first", "twilio", "carrier_failed"),
        ("first", "paper", "acknowledged"),
    ]


def test_twilio_call_ends_within_3_s_of_an_acknowledgement(twilio):
    fake, make = twilio
    fake.pace = 5.0
    service = make()
    service.raise_incident()
    [call] = wait_until(lambda: fake.calls_to(FIRST), 20, what="the call")
    wait_until(lambda: call.status == "ringing" and service.attempts()[0]["placed_at"], 10)
    # An error of Twilio's does not leave it ringing.
    fake.fail_next("update", 500)
    service.acknowledge("load/orders")
    wait_until(lambda: call.status == "canceled", 3, what="the end of the call")
    assert service.attempts()[0]["outcome"] == "cancelled"


def test_twilio_forged_webhooks_change_nothing(twilio):
    fake, make = twilio
    fake.pace = 5.0
    service = make()
    service.raise_incident()
    attempt = service.wait_for_attempts(1)[0]["attempt"]
    [call] = wait_until(lambda: fake.calls_to(FIRST), 20, what="the call")
    path = f"/twilio/voice?a={attempt}"
    fields = {"CallSid": call.sid, "CallStatus": "in-progress", "Digits": "1"}
    other = signature(fake.auth_token, f"http://127.0.0.1:{service.port}/twilio/voice?a=other", [])
    for signed in ("", "A" * 28, other, "x" * 10_000):
        assert webhook(service, fake, path, fields, signed=signed) == 403
    assert webhook(service, fake, path, fields, token="another token") == 403
    # A signature of other fields: a key that was not pressed.
    genuine = dict(fields, Digits="9")
    url = f"http://127.0.0.1:{service.port}{path}"
    replayed = signature(fake.auth_token, url, list(genuine.items()))
    assert webhook(service, fake, path, fields, signed=replayed) == 403
    settle(3)
    shown = service.incident("load/orders")
    assert shown["state"] == "open" and shown["attempts"][0]["key"] is None
    assert "oncall.forged" in service.tail()
    # Signed, of an attempt that is not there: fine, and nothing happens.
    assert webhook(service, fake, "/twilio/voice?a=m-none", fields) == 200
    assert service.incident("load/orders")["state"] == "open"
    assert webhook(service, fake, path, fields) == 200
    assert service.wait_for_state("load/orders", "acknowledged", 5)["acknowledged_by"] == "first"


def test_twilio_callbacks_in_any_order(twilio):
    fake, make = twilio
    fake.pace = 5.0
    service = make(team={"people": {"first": FIRST, "second": SECOND}})
    service.raise_incident()
    first = service.wait_for_attempts(1)[0]["attempt"]
    [call] = wait_until(lambda: fake.calls_to(FIRST), 20, what="the call")
    path = f"/twilio/status?a={first}"

    def tell(status, **more):
        assert webhook(
            service, fake, path, {"CallSid": call.sid, "CallStatus": status, **more}
        ) in (
            200,
            204,
        )

    tell("busy", SipResponseCode="486")
    tell("ringing")  # late
    tell("initiated")
    service.wait_for_attempts(2, 10)
    settle(3)
    attempts = service.attempts()
    assert outcomes(attempts)[0] == ("first", "twilio", "busy") and len(attempts) == 2
    # A key whose webhook comes after the end of the call was told is too late for that attempt;
    # within a call that lives, order does not matter.
    second = attempts[1]["attempt"]
    [other] = wait_until(lambda: fake.calls_to(SECOND), 20, what="the second call")
    fields = {"CallSid": other.sid, "CallStatus": "in-progress", "Digits": "1"}
    assert webhook(service, fake, f"/twilio/voice?a={second}", fields) == 200
    status = {"CallSid": other.sid, "CallStatus": "ringing"}
    assert webhook(service, fake, f"/twilio/status?a={second}", status) == 204
    assert service.wait_for_state("load/orders", "acknowledged", 5)["acknowledged_by"] == "second"


@contextlib.contextmanager
def locked_journal(service):
    """Another program writes into the journal: on-call cannot."""
    path = service.platform.directory / ".minato" / "oncall" / "journal.db"
    journal = sqlite3.connect(path, isolation_level=None, timeout=10)
    journal.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        journal.execute("ROLLBACK")
        journal.close()


# 3 s: on-call waits for the journal; 8 s: it gives up in between (after 5 s) and comes back.
@pytest.mark.parametrize("lasts", [3, 8])
def test_twilio_key_pressed_while_the_journal_is_locked_is_not_lost(twilio, lasts):
    fake, make = twilio
    fake.pace = 0.5
    fake.persons = {FIRST: {"does": "answer", "after": 2, "keys": [(3, "1")]}}
    service = make()
    service.raise_incident()
    [call] = wait_until(lambda: fake.calls_to(FIRST), 20, what="the call")
    wait_until(lambda: call.spoken and service.attempts()[0]["answered_at"], 20, what="the speech")
    # Alarms that come meanwhile wait, and do not hold up the telephone.
    alarms = [
        threading.Thread(
            target=service.request,
            args=("POST", "/api/v1/incidents", {"key": f"k{i}", "title": "x", "severity": "info"}),
        )
        for i in range(12)
    ]
    with locked_journal(service):
        for alarm in alarms:
            alarm.start()
        settle(lasts)
    for alarm in alarms:
        alarm.join()
    pressed = [w for w in fake.webhooks if dict(w["fields"]).get("Digits") == "1"]
    assert pressed and pressed[0]["status"] == 200 and pressed[0]["seconds"] < 1
    assert b"Gather" in pressed[0]["body"]  # keys are taken on
    shown = service.wait_for_state("load/orders", "acknowledged", 20)
    assert outcomes(shown["attempts"]) == [("first", "twilio", "acknowledged")]
    assert len(fake.calls) == 1
