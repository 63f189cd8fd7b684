"""The catalogue in a PostgreSQL of one's own instead of the private one: the same platform, one
line of configuration."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness.compare import compare
from harness.minato import scratch, wait_for_rows
from harness.ports import free_port, wait_until


class Postgres:
    """A server of one's own; runs as `postgres` when the tests run as root (it refuses to be
    root)."""

    def __init__(self, directory):
        self.directory, self.port = pathlib.Path(directory), free_port()
        self.bin = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self._as = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            if os.geteuid() == 0
            else []
        )

    def start(self):
        data = self.directory / "pg"
        data.mkdir()
        if self._as:
            shutil.chown(data, "postgres", "postgres")
        run = lambda *c: subprocess.run(
            [*self._as, *map(str, c)], check=True, capture_output=True
        )  # noqa: E731
        password = self.directory / "pw"
        password.write_text("pg-pass\n")
        password.chmod(0o644)
        run(
            self.bin / "initdb",
            "-D",
            data,
            "-U",
            "minato_owner",
            "-A",
            "scram-sha-256",
            "--pwfile",
            password,
            "-E",
            "UTF8",
            "--no-sync",
        )
        self.process = subprocess.Popen(
            [
                *self._as,
                str(self.bin / "postgres"),
                "-D",
                str(data),
                "-p",
                str(self.port),
                "-c",
                "unix_socket_directories=",
                "-c",
                "listen_addresses=127.0.0.1",
            ],
            stdout=open(self.directory / "pg.log", "ab"),
            stderr=subprocess.STDOUT,
        )
        wait_until(
            lambda: self.psql("SELECT 1", "postgres").strip() == "1", 20, what="PostgreSQL's start"
        )
        self.psql("CREATE DATABASE minato", "postgres")
        return self

    def psql(self, sql, database="minato"):
        return subprocess.run(
            ["psql", "-At", self.url(database), "-c", sql],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def url(self, database="minato"):
        return f"postgres://minato_owner:pg-pass@127.0.0.1:{self.port}/{database}"

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # does not wait for clients
        self.process.wait(20)


@pytest.fixture
def postgres():
    directory = scratch("pg")
    server = Postgres(directory).start()
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_own_postgresql(own_mariadb, new_platform, postgres):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT)",
        "INSERT INTO shop.t SELECT seq, seq FROM seq_1_to_500",
    )
    platform = new_platform(account=False)
    secret = platform.secret("catalogue", "pg-pass")
    platform.configure(
        "lake",
        catalog=postgres.url().replace(":pg-pass", ""),
        catalog_password_file=str(secret),
    )
    platform.configure("marts", refresh_seconds=1)
    platform.account_add()
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.mart("m.total", "SELECT sum(v)::BIGINT AS v FROM shop.t")
    platform.serve()
    platform.wait(30)
    assert not list(platform.role_pids("postgres"))  # no private cluster beside it
    own_mariadb.run("UPDATE shop.t SET v = 0 WHERE id > 100", "DELETE FROM shop.t WHERE id > 400")
    platform.wait(30)
    compare(own_mariadb, platform, "shop")
    wait_for_rows(platform, "SELECT v FROM m.total", [(5050,)], 20)
    assert int(postgres.psql("SELECT count(*) FROM minato.source")) == 1
    assert platform.stop() == 0
    platform.serve()
    compare(own_mariadb, platform, "shop")
