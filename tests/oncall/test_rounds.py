"""The round as people meet it: who is rung in which order, what ends it, what the API and the
command line tell. The drill carrier plays the telephones; test_carriers.py has real ones."""

import contextlib
import json

from harness.oncall import PEOPLE, TOKEN, settle
from harness.ports import wait_until
from harness.s3 import ACCESS_KEY, SECRET_KEY, S3


def people_of(attempts):
    return [a["person"] for a in attempts]


def test_round_after_round_until_somebody_acknowledges(oncall):
    service = oncall().start()
    incident = service.raise_incident(text="disk full")
    attempts = service.wait_for_attempts(4, 40)
    assert people_of(attempts)[:4] == ["first", "second", "third", "first"]
    assert [a["lap"] for a in attempts[:4]] == [1, 1, 1, 2]
    assert {a["outcome"] for a in attempts[:3]} == {"no_answer"}
    service.acknowledge("load/orders")
    done = wait_until(
        lambda: (found := service.attempts())[-1]["state"] == "ended" and found, 3, what="the end"
    )
    assert done[-1]["outcome"] == "cancelled"
    settle(2)
    assert len(service.attempts()) == len(done)
    shown = service.incident(incident)
    assert shown["state"] == "acknowledged" and shown["acknowledged_by"] == "api"
    assert [h["what"] for h in shown["history"]] == ["opened", "acknowledged"]
    assert people_of(shown["attempts"]) == people_of(done)
    # What the carrier was asked is what the journal says.
    assert [p["attempt"] for p in service.placed()] == [a["attempt"] for a in done]


def test_key_1_acknowledges_and_key_2_passes(oncall):
    service = oncall(carriers={"paper": {"kind": "drill", "press": "1"}}).start()
    service.raise_incident()
    shown = service.wait_for_state("load/orders", "acknowledged", 20)
    assert shown["acknowledged_by"] == "first"
    assert shown["attempts"][0]["outcome"] == "acknowledged" and shown["attempts"][0]["key"] == "1"

    service = oncall(carriers={"paper": {"kind": "drill", "press": "92"}}).start()
    service.raise_incident()
    attempts = service.wait_for_attempts(3, 30)
    assert people_of(attempts)[:3] == ["first", "second", "third"]
    assert attempts[0]["outcome"] == "passed" and attempts[0]["key"] == "92"


def test_recovery_ends_the_round(oncall):
    service = oncall().start()
    service.raise_incident()
    service.wait_for_attempts(1)
    service.resolve("load/orders")
    wait_until(lambda: service.attempts()[-1]["outcome"] == "cancelled", 3, what="the end")
    assert service.incident("load/orders")["state"] == "resolved"
    # The same key later is a new incident.
    again = service.raise_incident()
    assert again != service.incidents(state="resolved")[0]["id"]


def test_repeats_join_and_worse_ones_ring_again(oncall):
    service = oncall().start()
    first = service.raise_incident(severity="error")
    service.wait_for_attempts(1)
    assert service.raise_incident(severity="error") == first
    assert service.incident(first)["occurrences"] == 2
    service.acknowledge("load/orders")
    service.raise_incident(severity="error")
    settle(1)
    assert service.incident(first)["state"] == "acknowledged"
    service.raise_incident(severity="critical")
    assert service.incident(first)["state"] == "open"
    wait_until(lambda: len(service.attempts()) == 2, 10, what="the second call")


def test_ten_thousand_alarms_are_one_group(oncall):
    service = oncall(carriers={"paper": {"kind": "drill", "press": "1"}}).start()
    # 200 in one message, as Alertmanager sends them, many messages.
    for page in range(20):
        alerts = [
            {
                "status": "firing",
                "labels": {
                    "alertname": "down",
                    "instance": f"db{page}-{i}",
                    "severity": "critical",
                },
                "annotations": {"summary": "no answer"},
                "fingerprint": f"{page:04x}{i:04x}",
            }
            for i in range(500)
        ]
        service.post("/webhooks/alertmanager", {"version": "4", "alerts": alerts}, expect=(202,))
    wait_until(lambda: not service.incidents(state="open", limit=1), 60, what="all acknowledged")
    attempts = service.attempts()
    # A call, and one more for what came while it was on its way (per second of regrouping).
    assert len(attempts) <= 6, [a["planned_at"] for a in attempts]
    assert len(service.incidents(state="acknowledged", limit=20000)) == 10_000
    assert "他に" in service.placed()[-1]["speech"] or "ほか" in service.placed()[-1]["speech"]


def test_max_rounds_and_a_hook_that_is_told(oncall):
    service = oncall()
    told = service.platform.directory / "told"
    hook = service.platform.directory / "hook.sh"
    hook.write_text(f"#!/bin/sh\ncat >> {told}\n")
    hook.chmod(0o755)
    service.write_team(people={"first": "+819000000001"}, max_rounds=2, notify_command=[str(hook)])
    service.start()
    service.raise_incident()
    wait_until(lambda: told.exists() and told.read_text().endswith("\n"), 40, what="the hook")
    note = json.loads(told.read_text().splitlines()[0])
    assert note["event"] == "nobody_answered" and note["incidents"][0]["key"] == "load/orders"
    settle(2)
    assert len(service.attempts()) == 2
    # Something new rings again.
    service.raise_incident(key="load/other")
    wait_until(lambda: len(service.attempts()) == 3, 10, what="a new round")


def test_second_ring_to_the_same_person(oncall):
    service = oncall(team={"double_call": True}).start()
    service.raise_incident()
    attempts = service.wait_for_attempts(3, 40)
    assert people_of(attempts)[:3] == ["first", "first", "second"]


def test_carriers_take_over_from_each_other(oncall):
    # A carrier that cannot write its record fails as a carrier.
    carriers = {"broken": {"kind": "drill"}, "paper": {"kind": "drill", "press": "1"}}
    service = oncall(carriers=carriers)
    (service.platform.directory / ".minato" / "oncall" / "broken.log").mkdir(parents=True)
    service.start()
    service.raise_incident()
    attempts = service.wait_for_state("load/orders", "acknowledged", 20)["attempts"]
    assert [(a["person"], a["carrier"], a["outcome"]) for a in attempts] == [
        ("first", "broken", "carrier_failed"),
        ("first", "paper", "acknowledged"),
    ]


def test_tokens_and_bad_input(oncall):
    service = oncall().start()
    for token in (None, "wrong", TOKEN + "x"):
        assert service.request("GET", "/api/v1/incidents", token=token)[0] == 401
    for body, word in (
        ("{", "JSON"),
        ([], "object"),
        ({"title": "x"}, "`key`"),
        ({"key": "x"}, "`title`"),
        ({"key": "x", "title": "y", "severity": "hot"}, "critical"),
        ({"key": "x", "title": "y", "sverity": "critical"}, "sverity"),
        ({"key": "x" * 600, "title": "y"}, "512"),
    ):
        status, answer = service.request("POST", "/api/v1/incidents", body)
        assert status == 400 and word in answer["error"], (body, status, answer)
    assert service.request("POST", "/api/v1/incidents/none/acknowledge", {})[0] == 404
    assert service.request("GET", "/nothing")[0] == 404
    # A text of 1 MB with everything in it is taken, cut, and spoken.
    nasty = ('<&>"\x01\x02\ufffe' + "港" * 10) * 25_000
    service.raise_incident(key="big", text=nasty)
    call = wait_until(lambda: service.placed(), 10, what="the call")[0]
    assert len(call["speech"]) < 7000 and "\x01" not in call["speech"]
    # What is too large is refused before it was read to its end.
    with contextlib.suppress(OSError):
        assert service.request("POST", "/api/v1/incidents", b"x" * 5_000_000)[0] == 413
    assert service.get("/healthz")["ok"]


def test_rota_files_with_mistakes_change_nothing(oncall):
    service = oncall().start()
    service.write("teams.toml", '[team.data]\nmembers = [{name = "first", phone = "090-1"}]\n')
    found = wait_until(
        lambda: service.incidents(key="minato/oncall.files"), 10, what="the incident"
    )
    assert "E.164" in found[0]["text"] and "teams.toml:2" in found[0]["text"]
    assert [m["name"] for m in service.get("/api/v1/teams")["teams"][0]["members"]] == list(PEOPLE)
    service.write_team(people={"third": "+819000000003"})
    wait_until(lambda: not service.incidents(key="minato/oncall.files", state="open"), 10)
    service.raise_incident()
    assert service.wait_for_attempts(1)[0]["person"] == "third"
    # Through the API: refused with the line, taken over when good.
    status, answer = service.request("PUT", "/api/v1/teams.toml", "[team.data]\nmembrs = []\n")
    assert status == 400 and any("membrs" in p for p in answer["problems"])
    good = '[team.data]\nmembers = [{name = "second", phone = "+819000000002"}]\n'
    assert service.request("PUT", "/api/v1/teams.toml", good)[0] == 200
    wait_until(lambda: service.get("/api/v1/who")["people"][0]["name"] == "second", 10)


def test_check_finds_mistakes_before_the_night(oncall):
    service = oncall()
    check = service.platform.call
    assert check("check").returncode == 0
    service.write_team(people={"first": "+819000000001"}, fallbak=["first"])
    said = check("check", check=False)
    assert said.returncode != 0
    assert "oncall/teams.toml:6" in said.stdout + said.stderr
    assert "fallback" in said.stdout + said.stderr
    hours = 'days = ["mon-fri"]\nfrom = "09:00"\nto = "18:00"\nmembers = ["first"]\n'
    shift = "[[team.data.shift]]\n" + hours
    service.write_team(more=shift)
    said = check("check")
    assert "Fri 18:00" in said.stderr and "fallback" in said.stderr


def test_absence_and_cover(oncall):
    service = oncall().start()
    change = {"team": "data", "person": "first", "from": "2020-01-01", "to": "2099-01-01"}
    covered = service.post("/api/v1/changes", {**change, "instead_by": "third"})
    names = [p["name"] for p in service.get("/api/v1/who")["people"]]
    assert names == ["third", "second"]
    assert service.request("DELETE", f"/api/v1/changes/{covered['id']}")[0] == 200
    service.post("/api/v1/changes", change)
    assert [p["name"] for p in service.get("/api/v1/who")["people"]] == ["second", "third"]
    shown = service.platform.call("oncall", "who", "--json").stdout
    assert [p["name"] for p in json.loads(shown)["people"]] == ["second", "third"]
    assert PEOPLE["second"] not in shown
    service.raise_incident()
    assert service.wait_for_attempts(1)[0]["person"] == "second"


def test_numbers_are_masked_everywhere(oncall):
    service = oncall().start()
    service.raise_incident()
    service.wait_for_attempts(2, 20)
    everything = [
        json.dumps(service.get("/api/v1/attempts")),
        json.dumps(service.get("/api/v1/teams")),
        str(service.get("/metrics")),
        service.platform.call("oncall", "attempts").stdout,
        service.platform.call("oncall", "rota").stdout,
        service.platform.log.read_text(),
    ]
    for text in everything:
        for phone in PEOPLE.values():
            assert phone not in text


def test_log_drop_once_each_also_after_a_new_start(oncall):
    drop = '[[oncall.log_drop]]\nname = "monitor"\nplace = "error-logs"\nseverity = "info"\n'
    service = oncall(extra=drop)
    place = service.platform.directory / "error-logs"
    (place / "2026").mkdir(parents=True)
    (place / "2026" / "a.log").write_text("ORA-00600 at db01\n")
    service.start()
    wait_until(lambda: len(service.incidents()) == 1, 15, what="the first object")
    service.kill()
    (place / "b.log").write_text("disk full at db02\n")
    service.start()
    wait_until(lambda: len(service.incidents()) == 2, 15, what="the second object")
    settle(3)
    found = service.incidents()
    assert sorted(i["title"] for i in found) == ["2026/a.log", "b.log"]
    assert {i["text"].strip() for i in found} == {"ORA-00600 at db01", "disk full at db02"}


def test_log_drop_in_a_bucket(oncall, tmp_path):
    with contextlib.ExitStack() as ends:
        store = S3(tmp_path).make_bucket("logs").start()
        ends.callback(store.stop)
        drop = (
            '[[oncall.log_drop]]\nname = "monitor"\nplace = "s3://logs/errors"\nseverity = "info"\n'
            f'endpoint = "http://127.0.0.1:{store.port}"\naccess_key_env = "DROP_KEY"\n'
            'secret_key_env = "DROP_SECRET"\n'
        )
        keys = {"DROP_KEY": ACCESS_KEY, "DROP_SECRET": SECRET_KEY}
        service = oncall(extra=drop).start(keys)
        folder = tmp_path / "buckets" / "logs" / "errors" / "2026 11"
        folder.mkdir(parents=True)
        (folder / "障害+1.log").write_text("ORA-00600 at db01\n")
        (tmp_path / "buckets" / "logs" / "other.log").write_text("not ours\n")
        found = wait_until(lambda: service.incidents(), 20, what="the object's incident")
        assert found[0]["title"] == "errors/2026 11/障害+1.log"
        assert found[0]["text"] == "ORA-00600 at db01\n"
        service.kill()
        for i in range(3):
            (folder / f"{i}.log").write_text(f"number {i}\n")
        service.start(keys)
        wait_until(lambda: len(service.incidents()) == 4, 20, what="the other objects")
        settle(3)
        assert len(service.incidents()) == 4
        assert {i["occurrences"] for i in service.incidents()} == {1}
        assert SECRET_KEY not in service.platform.log.read_text()


def test_heartbeats(oncall):
    more = '[heartbeat.backup]\nteam = "data"\nwithin_seconds = 5\n'
    service = oncall(team={"more": more}).start()
    service.post("/api/v1/heartbeats/backup")
    assert service.request("POST", "/api/v1/heartbeats/nothing", {})[0] == 404
    found = wait_until(lambda: service.incidents(state="open"), 20, what="the silence")
    assert found[0]["key"] == "heartbeat/backup" and found[0]["source"] == "heartbeat"
    service.wait_for_attempts(1)
    service.post("/api/v1/heartbeats/backup")
    assert service.incident("heartbeat/backup")["state"] == "resolved"


def test_drill_and_cost(oncall):
    service = oncall(
        carriers={"paper": {"kind": "drill", "press": "1", "yen_per_minute_line": 60.0}}
    ).start()
    service.platform.call("oncall", "drill", "--team", "data")
    wait_until(lambda: service.incidents(state="acknowledged"), 20, what="the drill's answer")
    line = service.get("/api/v1/cost")["cost"][0]
    assert line["calls"] == 1 and line["answered"] == 1 and line["yen"] == 60.0
    assert json.loads(service.platform.call("oncall", "cost", "--json").stdout)[0] == line
