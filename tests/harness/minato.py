"""A platform under test: the real program through its command line, nothing else."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

import psycopg

from .mariadb import CDC_PASSWORD
from .ports import free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARK = (  # in the environment of all that a platform starts, so that nothing survives a test
    "MINATO_HARNESS_RUN"
)


def binary(failpoints=False):
    if failpoints:
        return pathlib.Path(
            os.environ.get("MINATO_FAILPOINTS_BIN", ROOT / "build" / "minato-failpoints")
        )
    return pathlib.Path(os.environ.get("MINATO_BIN", ROOT / "build" / "minato"))


def scratch(prefix="mt"):
    """A short directory that unprivileged roles can enter (Unix socket paths end at 107 bytes)."""
    path = pathlib.Path(
        tempfile.mkdtemp(prefix=prefix + ".", dir=os.environ.get("MINATO_TEST_TMP", "/tmp"))
    )
    path.chmod(0o755)
    return path


class Failed(AssertionError):
    """A command of minato ended with another exit code than expected."""

    def __init__(self, command, result):
        self.result = result
        super().__init__(
            f"{' '.join(map(str, command))} → exit {result.returncode}\n"
            f"stdout: {result.stdout[-3000:]}\nstderr: {result.stderr[-3000:]}"
        )


class Platform:
    def __init__(self, directory, failpoint_build=False):
        self.directory = pathlib.Path(directory)
        self.binary = binary(failpoint_build)
        self.log = self.directory.parent / (self.directory.name + ".log")
        self.aim_file = self.directory.parent / "failpoints"
        self.gate_port = free_port()
        self.http_port = free_port()
        self.process = None
        self.mark = uuid.uuid4().hex
        self.user, self.password = "tester", "tester-pass-1"

    # Commands
    def call(self, *arguments, timeout=60, check=True, platform=True):
        command = [self.binary, *(["-C", self.directory] if platform else []), *arguments]
        result = subprocess.run(
            [str(c) for c in command],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, MARK: self.mark},
            stdin=subprocess.DEVNULL,
        )
        if check and result.returncode != 0:
            raise Failed(command, result)
        return result

    def secret(self, name, text):
        path = self.directory.parent / f"{self.directory.name}-{name}.secret"
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    def init(self):
        self.call(
            "init",
            self.directory,
            "--gate-port",
            self.gate_port,
            "--http-port",
            self.http_port,
            platform=False,
        )
        for example in (self.directory / "marts").rglob("*.sql"):  # the first mart is a sample
            example.unlink()
        return self

    def source_add(self, url, *patterns, name="shop", password=CDC_PASSWORD, check=True):
        tables = [x for p in patterns for x in ("--tables", p)]
        return self.call(
            "source",
            "add",
            name,
            url,
            "--password-file",
            self.secret("source-" + name, password),
            *tables,
            check=check,
        )

    def account_add(self, name=None, password=None):
        return self.call(
            "account",
            "add",
            name or self.user,
            "--password-file",
            self.secret("account", password or self.password),
        )

    @property
    def config(self):
        return self.directory / "minato.toml"

    def configure(self, section, **values):
        """Sets keys of a section of minato.toml, keeping the rest as it is."""
        text = self.config.read_text()
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        header = re.search(rf"^\[{re.escape(section)}\]\s*(#.*)?$", text, re.M)
        if not header:
            self.config.write_text(text + f"\n[{section}]\n{lines}")
            return
        end = re.search(r"^\[", text[header.end() :], re.M)
        cut = header.end() + (end.start() if end else len(text) - header.end())
        body = text[header.end() : cut]
        for key in values:
            body = re.sub(rf"^{key}\s*=.*\n", "", body, flags=re.M)
        self.config.write_text(text[: header.end()] + "\n" + lines + body.lstrip("\n") + text[cut:])

    def mart(self, name, sql):
        """name: "schema.mart". Written as an editor does: aside, then renamed."""
        schema, mart = name.split(".", 1)
        path = self.directory / "marts" / schema / (mart + ".sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".sql~")
        aside.write_text(sql + "\n")
        aside.rename(path)
        return path

    # Life
    def start(self, env=None):
        assert self.process is None or self.process.poll() is not None
        out = open(self.log, "ab")
        self.process = subprocess.Popen(
            [str(self.binary), "-C", str(self.directory), "serve"],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, MARK: self.mark, **(env or {})},
        )
        return self

    def aim(self, text):
        """What the program with failpoints is to do from now on; see src/base/failpoint.h."""
        aside = self.aim_file.with_suffix(".new")
        aside.write_text(text)
        aside.chmod(0o644)
        aside.rename(self.aim_file)

    def serve_aimed(self):
        self.serve(env={"MINATO_FAILPOINTS_FILE": str(self.aim_file)})

    def serve(self, env=None, seconds=60):
        self.start(env)
        return self.ready(seconds)

    def ready(self, seconds=60):
        def answers():
            return self.process.poll() is not None or self.query("SELECT 42") == [(42,)]

        try:
            wait_until(answers, seconds, what="the gate's first answer")
            assert self.process.poll() is None, f"serve ended with {self.process.returncode}"
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- {self.log}\n{self.tail()}") from None
        return self

    def tail(self, characters=6000):
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def stop(self, seconds=30):
        """A clean shutdown; its exit code. Whatever is left over after it is killed and
        reported."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"serve did not stop within {seconds} s\n{self.tail()}") from None
        self.process = None
        return code

    def kill_all(self):
        """kill -9 of everything at once: the power fails."""
        for _ in range(3):
            pids = list(self.pids())
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if self.process is not None:
                self.process.wait()
            wait_until(
                lambda p=pids: not any(alive(x) for x in p), 10, 0.01, "the end of killed processes"
            )
        self.process = None

    def pids(self):
        """Processes of this platform: by the mark in their environment or the directory on their
        command line."""
        mark, path = f"{MARK}={self.mark}".encode(), str(self.directory).encode()
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                environment = (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes()
                if mark in environment or path in command:
                    yield int(entry.name)

    def role_pids(self, role):
        """role: core, worker, gate, web, serve or postgres (the postmaster)."""
        for pid in self.pids():
            with contextlib.suppress(OSError):
                words = (
                    pathlib.Path(f"/proc/{pid}/cmdline")
                    .read_bytes()
                    .decode(errors="replace")
                    .split("\0")
                )
                if not words or "minato" not in words[0] and "postgres" not in words[0]:
                    continue
                if role == "serve" and "serve" in words:
                    yield pid
                elif role == "postgres" and words[0].endswith("postgres") and "-D" in words:
                    yield pid
                elif "role" in words and words[words.index("role") + 1] == role:
                    yield pid

    def kill_role(self, role, signal_number=signal.SIGKILL):
        pids = list(self.role_pids(role))
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal_number)
        return pids

    def destroy(self):
        self.kill_all()
        shutil.rmtree(self.directory, ignore_errors=True)

    # Questions
    def connect(self, **more):
        options = dict(
            host="127.0.0.1",
            port=self.gate_port,
            dbname="minato",
            user=self.user,
            password=self.password,
            autocommit=True,
            connect_timeout=5,
        )
        options.update(more)
        return psycopg.connect(**options)

    def query(self, sql, parameters=None):
        with self.connect() as c:
            cursor = c.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def wait(self, seconds=60, source=None):
        self.call(
            "wait",
            "--timeout",
            seconds,
            *(["--source", source] if source else []),
            timeout=seconds + 30,
        )

    def status(self):
        return json.loads(self.call("status", "--json").stdout)

    def mart_state(self, name):
        schema, mart = name.split(".", 1)
        for m in self.status()["marts"]:
            if (m["schema"], m["name"]) == (schema, mart):
                return m
        return None

    def table_state(self, schema, name):
        for t in self.status()["tables"]:
            if (t["schema"], t["name"]) == (schema, name):
                return t
        return None

    def catalogue(self, sql):
        """Asks the private PostgreSQL as Minato's owner: to look at what no user sees."""
        password = (self.directory / ".minato" / "secrets" / "owner").read_text().strip()
        with psycopg.connect(
            host=str(self.directory / ".minato" / "run"),
            user="minato_owner",
            password=password,
            dbname="minato",
            autocommit=True,
        ) as c:
            return c.execute(sql).fetchall()

    def lake_files(self):
        """(names on disk, names that the catalogue knows): data and delete files."""
        on_disk = {p.name for p in (self.directory / "lake").rglob("*.parquet")}
        known = {
            row[0].rsplit("/", 1)[-1]
            for row in self.catalogue(
                "SELECT path FROM ducklake.ducklake_data_file UNION ALL SELECT path FROM"
                " ducklake.ducklake_delete_file UNION ALL SELECT path FROM"
                " ducklake.ducklake_files_scheduled_for_deletion"
            )
        }
        return on_disk, known

    def log_has(self, pattern):
        return (
            re.search(pattern, self.log.read_text(errors="replace")) if self.log.exists() else None
        )


def alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z"
    except OSError:
        return False


def wait_for_rows(platform, sql, rows, seconds=15):
    return wait_until(lambda: platform.query(sql) == rows, seconds, what=f"{sql} = {rows!r:.200}")


def now_ms():
    return time.monotonic() * 1000
