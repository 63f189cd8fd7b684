"""A PostgreSQL that is not Minato's own."""

import os
import pathlib
import shutil
import signal
import subprocess

from .ports import free_port, wait_until


class Postgres:
    """A server of one's own; runs as `postgres` when the tests run as root (it refuses to be
    root). `host`: another one (harness.host) to run it on."""

    def __init__(self, directory, host=None):
        self.directory, self.port, self.host = pathlib.Path(directory), free_port(), host
        self.address = host.address if host else "127.0.0.1"
        self.bin = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self._there = host.prefix if host else []
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
        with open(data / "pg_hba.conf", "a") as hba:
            hba.write("host all all samenet scram-sha-256\n")
        self.start_again()
        self.psql("CREATE DATABASE minato", "postgres")
        return self

    def start_again(self):
        self.process = subprocess.Popen(
            [
                *self._there,
                *self._as,
                str(self.bin / "postgres"),
                "-D",
                str(self.directory / "pg"),
                "-p",
                str(self.port),
                "-c",
                "unix_socket_directories=",
                "-c",
                "listen_addresses=" + ",".join({self.address, "127.0.0.1"}),
            ],
            stdout=open(self.directory / "pg.log", "ab"),
            stderr=subprocess.STDOUT,
        )
        wait_until(
            lambda: self.psql("SELECT 1", "postgres").strip() == "1", 20, what="PostgreSQL's start"
        )

    def psql(self, sql, database="minato"):
        return subprocess.run(
            [*self._there, "psql", "-At", self.url(database, "127.0.0.1"), "-c", sql],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def url(self, database="minato", address=None):
        address = address or self.address
        return f"postgres://minato_owner:pg-pass@{address}:{self.port}/{database}"

    def stop(self, how=signal.SIGINT):  # does not wait for clients
        self.process.send_signal(how)
        self.process.wait(20)
