"""On-call under test: the real program alone (`minato oncall serve`), its API, and people at
telephones."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from .minato import MARK, Platform
from .ports import free_port, wait_until

TOKEN = "tests-of-oncall-0123456789"
DRILL = {"kind": "drill", "press": "1"}  # a carrier with somebody who answers
PEOPLE = {  # names as in a rota, not of persons
    "first": "+819000000001",
    "second": "+819000000002",
    "third": "+819000000003",
}


class Oncall:
    """A platform directory with [oncall]; `carriers`: {name: {key: value}} for minato.toml."""

    def __init__(self, platform: Platform, carriers=None, team=None, extra="", port=None):
        self.platform = platform
        self.port = port or free_port()
        self.process = None
        self.starts = 0
        self.carriers = carriers or {"paper": {"kind": "drill"}}
        oncall = platform.directory / "oncall"
        secrets = platform.directory / "secrets"
        for directory in (oncall, secrets):
            directory.mkdir(exist_ok=True)
        (secrets / "oncall-tokens").write_text(f"tests:{TOKEN}\n")
        lines = [
            "[oncall]",
            f'listen = "127.0.0.1:{self.port}"',
            'tokens_file = "secrets/oncall-tokens"',
            f"carriers = {json.dumps(list(self.carriers))}",
            extra,
        ]
        for name, values in self.carriers.items():
            lines.append(f"[oncall.carrier.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        with open(platform.config, "a", encoding="utf-8") as file:
            file.write("\n" + "\n".join(lines) + "\n")
        self.write_team(**(team or {}))

    def write_team(self, people=PEOPLE, more="", **values):
        """oncall/teams.toml with one team, `data`."""
        values = {"ring_seconds": 5, "round_pause_seconds": 0, "regroup_seconds": 1, **values}
        members = ", ".join(
            f"{{name = {json.dumps(name)}, phone = {json.dumps(phone)}}}"
            for name, phone in people.items()
        )
        lines = ["[team.data]", f"members = [ {members} ]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        self.write("teams.toml", "\n".join(lines) + "\n" + more + "\n")

    def write(self, name, text):
        """A file of oncall/, in one step."""
        path = self.platform.directory / "oncall" / name
        aside = path.with_suffix(".new")
        aside.write_text(text, encoding="utf-8")
        aside.rename(path)

    # The process
    def start(self, env=None, wait=True):
        self.starts += 1
        with open(self.platform.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(self.platform.binary), "-C", str(self.platform.directory), "oncall", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, MARK: self.platform.mark, **(env or {})},
            )
        return self.ready() if wait else self

    def ready(self, seconds=20):
        def answers():
            if self.process.poll() is not None:
                raise SystemError(f"oncall ended with {self.process.returncode}")
            return self.get("/healthz")["ok"]

        wait_until(answers, seconds, what="on-call's first answer")
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()

    def stop(self, seconds=20):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    # The API
    def request(self, method, path, body=None, token=TOKEN, headers=None, timeout=30):
        """(status, JSON or text)."""
        data = body
        if body is not None and not isinstance(body, (bytes, str)):
            data = json.dumps(body)
        if isinstance(data, str):
            data = data.encode("utf-8")
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=data, method=method, headers=headers or {}
        )
        if token:
            request.add_header("Authorization", "Bearer " + token)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode("utf-8", "replace")

    def get(self, path):
        status, answer = self.request("GET", path)
        assert status == 200, (path, status, answer)
        return answer

    def post(self, path, body=None, expect=(200, 201, 202), **more):
        status, answer = self.request("POST", path, body if body is not None else {}, **more)
        assert status in expect, (path, status, answer)
        return answer

    def raise_incident(self, key="load/orders", severity="critical", title="load failed", **more):
        body = {"key": key, "severity": severity, "title": title, **more}
        return self.post("/api/v1/incidents", body, expect=(202,))["incident"]

    def acknowledge(self, key):
        return self.post(f"/api/v1/incidents/{urllib.parse.quote(key)}/acknowledge")

    def resolve(self, key):
        return self.post(f"/api/v1/incidents/{urllib.parse.quote(key)}/resolve")

    def incident(self, key):
        """With history and attempts."""
        return self.get(f"/api/v1/incidents/{urllib.parse.quote(key)}")

    def incidents(self, **query):
        return self.get("/api/v1/incidents?" + urllib.parse.urlencode(query))["incidents"]

    def attempts(self):
        """All, oldest first."""
        return list(reversed(self.get("/api/v1/attempts?limit=100000")["attempts"]))

    def wait_for_attempts(self, count, seconds=60):
        return wait_until(
            lambda: (found := self.attempts()) and len(found) >= count and found,
            seconds,
            what=f"{count} attempts",
        )

    def wait_for_ended(self, count, seconds=60):
        """The first `count` attempts, when they have ended."""

        def ended():
            found = [a for a in self.attempts() if a["state"] == "ended"]
            return found[:count] if len(found) >= count else None

        return wait_until(ended, seconds, what=f"{count} attempts that have ended")

    def wait_for_state(self, key, state, seconds=60):
        return wait_until(
            lambda: (found := self.incident(key))["state"] == state and found,
            seconds,
            what=f"{key} {state}",
        )

    def placed(self, carrier="paper"):
        """What the drill carrier wrote: its own record of the calls that it was asked to place."""
        path = self.platform.directory / ".minato" / "oncall" / f"{carrier}.log"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def tail(self):
        return self.platform.tail(8000)

    @property
    def made(self):  # so that the platform's log is shown when a test fails
        return [self.platform]


def outcomes(attempts):
    return [(a["person"], a["carrier"], a["outcome"]) for a in attempts]


def settle(seconds):
    """Time in which something must not happen."""
    time.sleep(seconds)
