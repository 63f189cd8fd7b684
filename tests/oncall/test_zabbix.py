"""A real Zabbix 6.0: the media type that Minato ships is imported as people do it, a trigger fires,
the telephone rings, and Zabbix learns who took it."""

import json
import pathlib
import re
import shutil
import subprocess
import textwrap

import pytest
from harness import zabbix as real
from harness.minato import scratch
from harness.oncall import PEOPLE, TOKEN, settle
from harness.ports import free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEDIA = ROOT / "packaging" / "zabbix" / "media_minato.yaml"
EVERYBODY = {"active": 0, "severity": 63, "period": "1-7,00:00-24:00"}


def script():
    """The JavaScript of the media type."""
    found = re.search(r"\n      script: \|\n(.*?)\n      description:", MEDIA.read_text(), re.S)
    return textwrap.dedent(found[1])


class Monitoring:
    """One Zabbix with one trigger for each test: `state` > 0 is a problem."""

    def __init__(self, server):
        self.server, self.api = server, server.api
        rules = {"mediaTypes": {"createMissing": True, "updateExisting": True}}
        assert self.api(
            "configuration.import", {"format": "yaml", "source": MEDIA.read_text(), "rules": rules}
        )
        (self.media,) = self.api("mediatype.get", {"filter": {"name": "Minato"}})
        self.group = self.api("hostgroup.create", {"name": "databases"})["groupids"][0]
        self.user = self.user_of_its_own()
        message = {"default_msg": 1, "mediatypeid": self.media["mediatypeid"]}
        self.api(
            "action.create",
            {
                "name": "Minato",
                "eventsource": 0,
                "operations": [
                    {
                        "operationtype": 0,
                        "opmessage": message,
                        "opmessage_usr": [{"userid": self.user}],
                    }
                ],
                "recovery_operations": [{"operationtype": 11, "opmessage": {"default_msg": 1}}],
                "update_operations": [{"operationtype": 12, "opmessage": {"default_msg": 1}}],
            },
        )
        made = self.api("token.create", {"name": "Minato", "userid": self.user})
        (generated,) = self.api("token.generate", made["tokenids"])
        self.token = generated["token"]
        self.macros = {}

    def user_of_its_own(self):
        """May read the hosts and acknowledge, no more. Zabbix tells nobody of their own updates, so
        it is not a person's."""
        group = self.api(
            "usergroup.create",
            {"name": "callers", "rights": [{"id": self.group, "permission": 2}]},
        )["usrgrpids"][0]
        (role,) = self.api("role.get", {"filter": {"name": "User role"}})
        medias = [{"mediatypeid": self.media["mediatypeid"], "sendto": "data", **EVERYBODY}]
        user = {
            "username": "minato",
            "passwd": "a long passw0rd of nobody",
            "roleid": role["roleid"],
            "usrgrps": [{"usrgrpid": group}],
            "medias": medias,
        }
        return self.api("user.create", user)["userids"][0]

    def point_at(self, url, token=TOKEN):
        for name, value, kind in (("{$MINATO_URL}", url, 0), ("{$MINATO_TOKEN}", token, 1)):
            values = {"value": value, "type": kind}
            if name in self.macros:
                values["globalmacroid"] = self.macros[name]
                self.api("usermacro.updateglobal", values)
            else:
                made = self.api("usermacro.createglobal", {"macro": name, **values})
                self.macros[name] = made["globalmacroids"][0]

    def watch(self, host, priority):
        made = self.api("host.create", {"host": host, "groups": [{"groupid": self.group}]})
        item = {"name": "state", "key_": "state", "type": 2, "value_type": 3, "delay": "0"}
        self.api("item.create", {"hostid": made["hostids"][0], **item})
        trigger = {
            "description": f'{host}: disk <full> & "slow"',
            "expression": f"last(/{host}/state)>0",
            "opdata": "{ITEM.LASTVALUE1} blocks",
            "priority": priority,
            "tags": [{"tag": "service", "value": "orders"}],
        }
        self.api("trigger.create", trigger)

    def send(self, host, value):
        wait_until(lambda: self.server.send(host, "state", value), 20, 0.5, "Zabbix's item")

    def event(self, number):
        (found,) = self.api(
            "event.get", {"eventids": number, "output": "extend", "select_acknowledges": "extend"}
        )
        return found


@pytest.fixture(scope="module")
def monitoring():
    if lack := real.missing():
        pytest.skip(f"no Zabbix on this machine: {lack}")
    directory = scratch("zb")
    with real.Zabbix(directory) as server:
        yield Monitoring(server)
    shutil.rmtree(directory, ignore_errors=True)


def oncall_of(monitoring, oncall, press):
    """On-call that Zabbix knows, and that may write back to it."""
    writes_back = f'[oncall.zabbix]\nurl = "{monitoring.server.url}"\n' + (
        'token_file = "secrets/zabbix-token"'
    )
    service = oncall(
        carriers={"paper": {"kind": "drill", "press": press}}, extra=writes_back, port=free_port()
    )
    secret = service.platform.directory / "secrets" / "zabbix-token"
    secret.write_text(monitoring.token + "\n")
    monitoring.point_at(f"http://127.0.0.1:{service.port}/")
    return service


def problem(service):
    (found,) = wait_until(lambda: service.incidents(), 60, what="Zabbix's problem in Minato")
    return found


def test_from_problem_to_key_to_recovery(monitoring, oncall):
    service = oncall_of(monitoring, oncall, "1")
    monitoring.watch("db01", priority=5)
    monitoring.send("db01", 17)
    # Minato is away while it happens: Zabbix tries again.
    settle(2)
    service.start()
    incident = problem(service)
    event = incident["labels"]["zabbix_event"]
    assert incident["key"] == f"zabbix/{event}" and incident["source"] == "zabbix"
    assert incident["title"] == 'db01: disk <full> & "slow"'
    assert incident["text"] == "17 blocks" and incident["severity"] == "critical"
    assert incident["team"] == "data" and incident["labels"]["host"] == "db01"
    assert incident["labels"]["tags"] == "service:orders"
    # The person's key is the acknowledgement there, with a message.
    service.wait_for_state(incident["key"], "acknowledged", 20)
    there = wait_until(
        lambda: (e := monitoring.event(event))["acknowledged"] == "1" and e,
        20,
        what="the acknowledgement in Zabbix",
    )
    assert [a["message"] for a in there["acknowledges"]] == ["Minato: acknowledged by first"]
    # Should Zabbix tell Minato about Minato's own acknowledgement: it changes nothing more.
    settle(4)
    monitoring.send("db01", 0)
    shown = service.wait_for_state(incident["key"], "resolved", 30)
    assert [h["what"] for h in shown["history"]] == ["opened", "acknowledged", "resolved"]
    assert shown["acknowledged_by"] == "first" and shown["occurrences"] == 1
    assert len(monitoring.event(event)["acknowledges"]) == 1


def test_acknowledging_in_zabbix_ends_the_round(monitoring, oncall):
    service = oncall_of(monitoring, oncall, "").start()
    monitoring.watch("db02", priority=3)
    monitoring.send("db02", 1)
    incident = problem(service)
    assert incident["severity"] == "error"
    service.wait_for_attempts(1)
    event = incident["labels"]["zabbix_event"]
    monitoring.api("event.acknowledge", {"eventids": event, "action": 6, "message": "I am on it"})
    shown = service.wait_for_state(incident["key"], "acknowledged", 30)
    assert shown["acknowledged_by"] == "zabbix"
    wait_until(lambda: service.attempts()[-1]["outcome"] == "cancelled", 3, what="the call's end")
    count = len(service.attempts())
    settle(2)
    assert len(service.attempts()) == count
    # What came from there is not written back.
    assert [a["message"] for a in monitoring.event(event)["acknowledges"]] == ["I am on it"]
    # Nothing of it shows the token or a number.
    seen = monitoring.server.tail(characters=1_000_000) + service.platform.log.read_text()
    alerts = json.dumps(monitoring.api("alert.get", {"output": "extend"}))
    for secret in (TOKEN, monitoring.token, *PEOPLE.values()):
        assert secret not in seen
        assert secret not in json.dumps(service.incidents())
    assert TOKEN not in re.sub(r'"parameters".*?\}"', "", alerts)


@pytest.mark.skipif(not shutil.which("zabbix_js"), reason="zabbix_js is not there")
def test_what_the_script_throws(oncall, tmp_path):
    """In Zabbix's own runtime of webhooks, which the server uses too."""
    service = oncall(carriers={"paper": {"kind": "drill"}}).start()
    (tmp_path / "media.js").write_text(script())
    usual = {
        "URL": f"http://127.0.0.1:{service.port}",
        "token": TOKEN,
        "event_source": "0",
        "event_id": "77",
        "event_value": "1",
        "event_update_status": "0",
        "event_nseverity": "5",
        "event_name": "db03 is down",
        "team": "default",
    }

    def run(**other):
        parameters = json.dumps({**usual, **other})
        done = subprocess.run(
            ["zabbix_js", "-s", tmp_path / "media.js", "-p", parameters, "-l", "4"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert usual["token"] not in re.sub(re.escape(parameters), "", done.stdout + done.stderr)
        return done.returncode, done.stdout + done.stderr

    code, said = run()
    assert code == 0 and json.loads(re.search(r'\{"incidents".*\}', said)[0])["incidents"]
    (incident,) = service.incidents()
    assert incident["title"] == "db03 is down" and incident["team"] == "data"
    for other, word in (
        ({"token": "a wrong token 0123456789"}, "status 401"),
        ({"event_value": "2"}, "status 400"),
        ({"URL": "{$MINATO_URL}"}, "MINATO_URL"),
        ({"event_source": "3"}, "triggers"),
        ({"URL": f"http://127.0.0.1:{free_port()}"}, "onnect"),
    ):
        code, said = run(**other)
        assert code != 0 and word in said, (other, said)
    code, said = run(token="{$MINATO_TOKEN}")
    assert code != 0 and "MINATO_TOKEN" in said
