"""Alert sources as they really send: a real Alertmanager, PagerDuty's Events API v2 as its
documentation shows it, and the plain API. Zabbix has test_zabbix.py."""

import datetime
import json
import shutil
import subprocess
import urllib.request

import pytest
from harness.minato import scratch
from harness.oncall import TOKEN, settle
from harness.ports import free_port, wait_until

ALERTMANAGER = shutil.which("prometheus-alertmanager")
ROUTING_KEY = "samplekeyhere0123456789abcdef0123"

# The first example of https://developer.pagerduty.com/docs/send-alert-event, without comments.
TRIGGER = {
    "payload": {
        "summary": "Example alert on host1.example.com",
        "timestamp": "2015-07-17T08:42:58.315+0000",
        "severity": "info",
        "source": "monitoringtool:cloudvendor:central-region-dc-01:852559987:cluster/api-stats",
        "component": "postgres",
        "group": "prod-datapipe",
        "class": "deploy",
        "custom_details": {"ping time": "1500ms", "load avg": 0.75, "hosts": ["a", "b"]},
    },
    "routing_key": ROUTING_KEY,
    "dedup_key": "samplekeyhere",
    "images": [
        {
            "src": "https://www.example.com/draw.png",
            "href": "https://example.com/",
            "alt": "Example text",
        }
    ],
    "links": [{"href": "https://example.com/", "text": "Link text"}],
    "event_action": "trigger",
    "client": "Sample Monitoring Service",
    "client_url": "https://monitoring.example.com",
}


class Alertmanager:
    def __init__(self, directory, url, token):
        self.directory, self.port = directory, free_port()
        config = {
            "route": {
                "receiver": "minato",
                "group_by": ["alertname"],
                "group_wait": "0s",
                "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [
                {
                    "name": "minato",
                    "webhook_configs": [
                        {
                            "url": url,
                            "send_resolved": True,
                            "http_config": {
                                "authorization": {"type": "Bearer", "credentials": token}
                            },
                        }
                    ],
                }
            ],
        }
        (directory / "alertmanager.yml").write_text(json.dumps(config))  # JSON is YAML
        self.process = None

    def __enter__(self):
        with open(self.directory / "alertmanager.log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    ALERTMANAGER,
                    f"--config.file={self.directory}/alertmanager.yml",
                    f"--storage.path={self.directory}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--cluster.listen-address=",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.request("GET", "/-/ready") is not None, 30, what="Alertmanager")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def request(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def alert(self, name, instance, firing=True, **labels):
        now = datetime.datetime.now(datetime.timezone.utc)
        ends = now + datetime.timedelta(hours=1) if firing else now
        alert = {
            "labels": {"alertname": name, "instance": instance, **labels},
            "annotations": {"summary": f"{instance} is down", "description": "for 5 minutes"},
            "startsAt": (now - datetime.timedelta(minutes=1)).isoformat(),
            "endsAt": ends.isoformat(),
            "generatorURL": "http://prometheus.example/graph",
        }
        self.request("POST", "/api/v2/alerts", [alert])


@pytest.mark.skipif(not ALERTMANAGER, reason="package prometheus-alertmanager is not installed")
def test_alertmanager_fires_and_resolves(oncall):
    service = oncall().start()
    directory = scratch("am")
    url = f"http://127.0.0.1:{service.port}/webhooks/alertmanager?team=data"
    with Alertmanager(directory, url, TOKEN) as alertmanager:
        alertmanager.alert("InstanceDown", "db01:9100", severity="critical")
        (incident,) = wait_until(service.incidents, 20, what="the alert in Minato")
        assert incident["key"].startswith("alertmanager/") and incident["team"] == "data"
        assert incident["title"] == "db01:9100 is down" and incident["text"] == "for 5 minutes"
        assert incident["severity"] == "critical" and incident["source"] == "alertmanager"
        assert incident["labels"]["host"] == "db01:9100"
        # A second of the same group: both are told again, the first joins.
        alertmanager.alert("InstanceDown", "db02:9100", severity="page")
        wait_until(lambda: len(service.incidents()) == 2, 20, what="the second alert")
        assert service.incident(incident["key"])["id"] == incident["id"]
        service.wait_for_attempts(1)
        for instance, severity in (("db01:9100", "critical"), ("db02:9100", "page")):
            alertmanager.alert("InstanceDown", instance, firing=False, severity=severity)
        wait_until(lambda: len(service.incidents(state="resolved")) == 2, 30, what="the recovery")
        wait_until(lambda: service.attempts()[-1]["outcome"] == "cancelled", 3, what="the end")
    shutil.rmtree(directory, ignore_errors=True)


def pagerduty_team(oncall):
    service = oncall(team={"routing_key_file": "secrets/pagerduty"})
    (service.platform.directory / "secrets" / "pagerduty").write_text(ROUTING_KEY + "\n")
    return service.start()


def enqueue(service, event, status=202):
    code, answer = service.request("POST", "/v2/enqueue", event, token=None)
    assert code == status, (code, answer)
    return answer


def test_pagerduty_from_trigger_to_resolve(oncall):
    service = pagerduty_team(oncall)
    answer = enqueue(service, TRIGGER)
    assert answer == {
        "status": "success",
        "message": "Event processed",
        "dedup_key": "samplekeyhere",
    }
    (incident,) = service.incidents()
    assert incident["key"] == "pagerduty/samplekeyhere" and incident["severity"] == "info"
    assert incident["title"] == TRIGGER["payload"]["summary"] and incident["team"] == "data"
    labels = incident["labels"]
    assert labels["host"] == TRIGGER["payload"]["source"] and labels["component"] == "postgres"
    assert labels["load avg"] == "0.75" and labels["hosts"] == '["a","b"]'
    # Repeats join; graver ones ring.
    for severity in ("error", "critical", "warning"):
        enqueue(service, {**TRIGGER, "payload": {**TRIGGER["payload"], "severity": severity}})
    (again,) = service.incidents()
    assert again["id"] == incident["id"] and again["occurrences"] == 4
    assert again["severity"] == "critical"
    service.wait_for_attempts(1)
    for action, state in (("acknowledge", "acknowledged"), ("resolve", "resolved")):
        event = {k: TRIGGER[k] for k in ("routing_key", "dedup_key")}
        assert enqueue(service, {**event, "event_action": action})["status"] == "success"
        assert service.incident(incident["id"])["state"] == state
    assert service.attempts()[-1]["outcome"] == "cancelled"
    # What PagerDuty does not know any more is a success there too.
    enqueue(service, {**event, "event_action": "resolve"})


def test_pagerduty_makes_a_key_when_none_is_given(oncall):
    service = pagerduty_team(oncall)
    event = {k: v for k, v in TRIGGER.items() if k != "dedup_key"}
    made = enqueue(service, event)["dedup_key"]
    assert made and service.incident("pagerduty/" + made)["state"] == "open"
    event = {"routing_key": ROUTING_KEY, "dedup_key": made, "event_action": "resolve"}
    enqueue(service, event)
    assert service.incident("pagerduty/" + made)["state"] == "resolved"


@pytest.mark.parametrize(
    "change, word",
    [
        ({"routing_key": "another"}, "routing_key"),
        ({"routing_key": None}, "routing_key"),
        ({"event_action": "triger"}, "event_action"),
        ({"payload": {"summary": "x", "source": "y"}}, "severity"),
        ({"payload": {"summary": "x", "source": "y", "severity": "hot"}}, "severity"),
        ({"payload": {"source": "y", "severity": "info"}}, "summary"),
        ({"payload": None}, "summary"),
        ({"event_action": "resolve", "dedup_key": None}, "dedup_key"),
    ],
)
def test_pagerduty_refuses_in_its_own_shape(pagerduty, change, word):
    answer = enqueue(pagerduty, {**TRIGGER, **change}, status=400)
    assert answer["status"] == "invalid event" and answer["message"]
    assert any(word in error for error in answer["errors"]), answer
    assert not pagerduty.incidents()


@pytest.fixture(scope="module")
def pagerduty_platform():
    directory = scratch("pd")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def pagerduty(pagerduty_platform):
    """One for all that only ask."""
    from harness.minato import Platform
    from harness.oncall import Oncall

    service = Oncall(
        Platform(pagerduty_platform / "p").init(), team={"routing_key_file": "secrets/pagerduty"}
    )
    (service.platform.directory / "secrets" / "pagerduty").write_text(ROUTING_KEY + "\n")
    yield service.start()
    service.kill()


def test_a_new_routing_key_is_taken_over(oncall):
    service = pagerduty_team(oncall)
    service.platform.directory.joinpath("secrets", "pagerduty").write_text("another key\n")
    event = {**TRIGGER, "routing_key": "another key"}
    wait_until(
        lambda: service.request("POST", "/v2/enqueue", event, token=None)[0] == 202,
        10,
        what="the new key",
    )
    enqueue(service, TRIGGER, status=400)


def test_plain_incidents_and_grafana(oncall):
    service = oncall().start()
    service.raise_incident(key="a/b c", title="x", severity="page", labels={"n": 1, "flag": True})
    shown = service.incident("a/b c")
    assert shown["severity"] == "critical" and shown["labels"] == {"flag": "true", "n": "1"}
    # Grafana's message is Alertmanager's with more members.
    alert = {
        "status": "firing",
        "labels": {"alertname": "Disk", "severity": "info", "team": "data"},
        "annotations": {"summary": "disk"},
        "startsAt": "2026-11-26T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "57c6d9296de2ad39",
        "values": {"B": 22},
        "imageURL": "https://grafana.example/x.png",
        "panelURL": "",
    }
    message = {"receiver": "minato", "orgId": 1, "version": "1", "alerts": [alert]}
    service.post("/webhooks/alertmanager", message, expect=(202,))
    assert service.incident("alertmanager/57c6d9296de2ad39")["title"] == "disk"
    service.post(
        "/webhooks/alertmanager",
        {**message, "alerts": [{**alert, "status": "resolved"}]},
        expect=(202,),
    )
    assert service.incident("alertmanager/57c6d9296de2ad39")["state"] == "resolved"
    # Recoveries of what was never known are fine.
    service.post("/webhooks/zabbix", {"event_id": "9", "event_value": "0"}, expect=(202,))
    settle(1)
    assert service.get("/healthz")["ok"]


def test_settings_that_would_not_start_change_nothing(oncall):
    service = oncall().start()
    config = service.platform.config
    good = config.read_text()
    for bad, word in (
        ("\n[oncall.carrier.x]\nkind = \"twilio\"\n", "account_sid"),
        (
            "\n[oncall.carrier.x]\nkind = \"sip\"\naccount = \"sip:a@b\"\n"
            'target = "sip:{e164}@b"\npassword_file = "secrets/gone"\n',
            "secrets/gone",
        ),
    ):
        config.write_text(good + bad)
        found = wait_until(
            lambda: service.incidents(key="minato/oncall.settings", state="open"),
            10,
            what="the complaint",
        )
        assert word in found[0]["text"] and service.alive()
        service.raise_incident(key=word)
        service.wait_for_attempts(1)
        service.resolve(word)
        config.write_text(good)
        wait_until(
            lambda: not service.incidents(key="minato/oncall.settings", state="open"),
            10,
            what="the end of the complaint",
        )
