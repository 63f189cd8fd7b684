"""Real SIP calls: the real program's baresip rings another one on loopback, with sound and key
presses (RFC 4733). Method: what the telephone saw, what the journal says, which processes live."""

import contextlib
import os
import pathlib
import random
import signal

import pytest
from harness.oncall import DRILL, PEOPLE, outcomes, settle
from harness.ports import wait_until
from harness.sip_phone import SipPhone, loudness

FIRST, SECOND, THIRD = PEOPLE.values()


@pytest.fixture
def sip(oncall, tmp_path):
    """make(answer_after, **options): (a telephone for all people, an on-call that rings it)."""
    phones = []

    def make(answer_after=None, more_carriers=None, **options):
        phone = SipPhone(tmp_path / f"phone{len(phones)}", [p[1:] for p in PEOPLE.values()])
        phone.answer_after = answer_after
        phones.append(phone)
        phone.start()
        settings = {
            "kind": "sip",
            "account": "sip:minato@127.0.0.1",
            "target": f"sip:{{number}}@127.0.0.1:{phone.port}",
            "sip_listen": "127.0.0.1",
        }
        carriers = {"sip": settings, **(more_carriers or {})}
        return phone, oncall(carriers=carriers, **options).start()

    yield make
    for phone in phones:
        phone.kill()


def call_directory(service, attempt):
    return service.platform.directory / ".minato" / "oncall" / "sip" / attempt


def baresips(service):
    """{id: directory} of the callers that live."""
    mark = str(service.platform.directory / ".minato" / "oncall" / "sip")
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if entry.name.isdigit() and words[0].endswith("baresip") and words[2].startswith(mark):
                found[int(entry.name)] = words[2]
    return found


def log_of(service, attempt):
    return (call_directory(service, attempt) / "log").read_text(errors="replace")


def test_sip_call_with_sound_and_key_1(sip):
    phone, service = sip(answer_after=1)
    service.raise_incident(text="disk full at db01")
    call = phone.wait_for_answer(30)
    assert call["number"] == FIRST[1:]
    wait_until(lambda: service.attempts()[0]["answered_at"], 5, what="answered in the journal")
    settle(3)  # sound takes its time: so much of it must be heard
    phone.press("1")
    shown = service.wait_for_state("load/orders", "acknowledged", 5)
    assert shown["acknowledged_by"] == "first" and shown["attempts"][0]["key"] == "1"
    assert outcomes(shown["attempts"]) == [("first", "sip", "acknowledged")]
    wait_until(lambda: call["ended"], 10, what="the end of the call")
    wait_until(lambda: not baresips(service), 10, what="the end of baresip")
    hz, channels, rms, seconds = loudness(
        call_directory(service, shown["attempts"][0]["attempt"]) / "speech.wav"
    )
    assert (hz, channels) == (8000, 1) and rms > 300 and seconds >= 240
    # And it was heard at the other end.
    [heard] = phone.recordings()
    hz, _, rms, seconds = loudness(heard)
    assert hz == 8000 and rms > 300 and seconds > 2, (rms, seconds)
    settle(2)
    assert len(phone.calls) == 1


def test_sip_key_2_passes_and_key_9_repeats(sip):
    phone, service = sip(answer_after=0.5)
    service.raise_incident()
    first = phone.wait_for_answer(30)
    phone.press("9")
    attempt = service.attempts()[0]["attempt"]
    wait_until(
        lambda: log_of(service, attempt).count("loading input file") == 2, 5, what="once more"
    )
    phone.press("2")
    call = phone.wait_for_call(SECOND[1:], seconds=20)
    assert call["at"] and outcomes(service.attempts())[0] == ("first", "sip", "passed")
    assert service.attempts()[0]["key"] == "92"
    wait_until(lambda: first["ended"], 10, what="the end of the first call")
    wait_until(lambda: call["answered"], 5, what="the second answer")
    phone.press("1")
    assert service.wait_for_state("load/orders", "acknowledged", 5)["acknowledged_by"] == "second"


def test_sip_busy_and_no_answer(sip):
    phone, service = sip()
    phone.does[FIRST[1:]] = "reject"  # 486
    service.raise_incident()
    first = phone.wait_for_call(FIRST[1:])
    second = phone.wait_for_call(SECOND[1:])
    third = phone.wait_for_call(THIRD[1:])
    assert second["at"] - first["at"] < 4
    assert 4.5 < third["at"] - second["at"] < 12  # ring_seconds = 5
    attempts = service.wait_for_ended(3, 20)
    assert outcomes(attempts)[:2] == [("first", "sip", "busy"), ("second", "sip", "no_answer")]
    wait_until(lambda: first["ended"] and second["ended"], 3, what="the end of both")


@pytest.mark.parametrize("answered", [False, True], ids=["ringing", "answered"])
def test_sip_call_ends_within_3_s_of_an_acknowledgement(sip, answered):
    phone, service = sip(answer_after=0.2 if answered else None, team={"ring_seconds": 60})
    service.raise_incident()
    call = phone.wait_for_answer(30) if answered else phone.wait_for_call(FIRST[1:])
    wait_until(lambda: service.attempts()[0]["placed_at"], 10)
    service.acknowledge("load/orders")
    wait_until(lambda: call["ended"], 3, what="the end of the call")
    wait_until(lambda: not baresips(service), 5, what="the end of baresip")
    assert service.attempts()[0]["outcome"] == "cancelled"


def test_sip_call_is_taken_up_again_after_kill_9(sip):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    phone, service = sip(answer_after=0.5, team={"answer_seconds": 120})
    service.raise_incident()
    call = phone.wait_for_answer(30)
    for _ in range(2):
        settle(chance.uniform(0, 1))
        service.kill()
        settle(chance.uniform(0, 1))
        service.start()
    assert len(baresips(service)) == 1 and not call["ended"]
    phone.press("1")
    shown = service.wait_for_state("load/orders", "acknowledged", 10)
    assert outcomes(shown["attempts"]) == [("first", "sip", "acknowledged")]
    assert len(phone.calls) == 1
    wait_until(lambda: not baresips(service), 15, what="the end of baresip")


def test_sip_key_pressed_while_minato_was_dead_counts(sip):
    phone, service = sip(answer_after=0.5)
    service.raise_incident()
    phone.wait_for_answer(30)
    log = call_directory(service, service.attempts()[0]["attempt"]) / "log"
    service.kill()
    phone.press("1")
    wait_until(lambda: "received event: '1'" in log.read_text(), 5, what="the key at baresip")
    service.start()
    shown = service.wait_for_state("load/orders", "acknowledged", 10)
    assert outcomes(shown["attempts"]) == [("first", "sip", "acknowledged")]
    assert len(phone.calls) == 1


def test_sip_killed_while_it_is_placed_rings_once(sip):
    """kill -9 of Minato at a random moment between the alarm and the ringing, again and again."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    phone, service = sip(team={"ring_seconds": 120})
    service.raise_incident()
    for _ in range(4):
        settle(chance.uniform(0, 1))
        service.kill()
        service.start()
    phone.wait_for_call(FIRST[1:], seconds=30)
    settle(3)
    assert len(phone.calls) == 1 and len(service.attempts()) == 1, phone.calls
    assert len(baresips(service)) == 1
    service.acknowledge("load/orders")
    wait_until(lambda: not phone.living() and not baresips(service), 8, what="the end")


@pytest.mark.parametrize("answered", [False, True], ids=["ringing", "answered"])
def test_sip_caller_that_dies_is_a_carrier_that_failed(sip, answered):
    phone, service = sip(
        answer_after=0.5 if answered else None,
        more_carriers={"paper": DRILL},
        team={"ring_seconds": 60},
    )
    service.raise_incident()
    if answered:
        phone.wait_for_answer(30)
        wait_until(lambda: service.attempts()[0]["answered_at"], 5)
    else:
        phone.wait_for_call(FIRST[1:])
    [caller] = baresips(service)
    os.kill(caller, signal.SIGKILL)
    attempts = service.wait_for_state("load/orders", "acknowledged", 15)["attempts"]
    assert outcomes(attempts) == [
        ("first", "sip", "carrier_failed"),
        ("first", "paper", "acknowledged"),
    ]


def test_sip_telephone_that_vanishes_leaves_nothing_behind(sip):
    phone, service = sip(answer_after=0.2)
    service.raise_incident()
    phone.wait_for_answer(30)
    wait_until(lambda: service.attempts()[0]["answered_at"], 5)
    phone.kill()  # nobody says BYE, and nobody answers ours
    service.acknowledge("load/orders")
    wait_until(lambda: not baresips(service), 10, what="the end of baresip")
    assert service.attempts()[0]["outcome"] == "cancelled"


def test_sip_exchange_that_is_not_there(sip):
    phone, service = sip(more_carriers={"paper": DRILL}, team={"ring_seconds": 20})
    phone.kill()
    service.raise_incident()
    attempts = service.wait_for_state("load/orders", "acknowledged", 60)["attempts"]
    assert attempts[-1]["carrier"] == "paper"
    assert attempts[0]["carrier"] == "sip" and attempts[0]["outcome"] == "carrier_failed"
    assert attempts[-1]["person"] == "first"
