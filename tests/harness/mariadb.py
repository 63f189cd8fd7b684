"""A private MariaDB: own directory, own port, row-format binlog with GTIDs; nothing of the
machine's is touched."""

import os
import pathlib
import shutil
import signal
import subprocess

import pymysql

from .ports import free_port, wait_until

CDC_USER, CDC_PASSWORD = "cdc", "cdc-secret"
# What docs/operating.md asks for, and no more: the tests prove that it is enough.
CDC_PRIVILEGES = "SELECT, REPLICATION SLAVE, REPLICATION CLIENT"


class MariaDb:
    column_if_exists = True  # ALTER TABLE … ADD COLUMN IF NOT EXISTS

    def __init__(self, directory, options=()):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.temporary = self.directory / "tmp"
        self.log = self.directory / "mariadb.log"
        self.socket = self.directory / "s.sock"
        self.port = free_port()
        self.options = list(options)
        self.process = None
        self._as = ["--user=root"] if os.geteuid() == 0 else []

    def install(self):
        # A starting server removes the temporary tables that it finds: others' as well, in /tmp.
        self.temporary.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self.data}",
                "--skip-test-db",
                "--auth-root-authentication-method=normal",
                "--skip-name-resolve",
                *self._as,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )
        return self

    def program(self):
        """The server's command and what only this kind of server takes."""
        return [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd",
            "--no-defaults",
            "--innodb-log-file-size=96M",
        ]

    def start(self, extra=()):
        assert self.process is None
        command = [
            *self.program(),
            *self._as,
            f"--datadir={self.data}",
            f"--tmpdir={self.temporary}",
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--server-id=1",
            "--log-bin=bin",
            "--binlog-format=ROW",
            "--binlog-row-image=FULL",
            "--log-error=" + str(self.log),
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
            "--innodb-buffer-pool-size=128M",
            "--max-allowed-packet=256M",
            "--innodb-flush-log-at-trx-commit=2",
            "--default-time-zone=+00:00",
            "--max-connections=200",
            "--local-infile=1",
            "--pid-file=" + str(self.directory / "pid"),
            *self.options,
            *extra,
        ]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._answers, 60, what=f"the source's start (see {self.log})")
        return self

    def prepare(self, database):
        """What a workload needs in a new database."""

    def create_cdc_user(self, user=CDC_USER, password=CDC_PASSWORD, privileges=CDC_PRIVILEGES):
        """An account for capture. The anonymous users of a fresh installation would shadow it."""
        self.run(
            "DELETE FROM mysql.global_priv WHERE User=''",
            "FLUSH PRIVILEGES",
            f"CREATE OR REPLACE USER '{user}'@'%' IDENTIFIED BY '{password}'",
            *([f"GRANT {privileges} ON *.* TO '{user}'@'%'"] if privileges else []),
        )

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(self.log.read_text(errors="replace")[-2000:])
        with self.connect():
            return True

    def connect(self, database=None, autocommit=True, **more):
        return pymysql.connect(
            unix_socket=str(self.socket),
            user="root",
            database=database or "mysql",  # seq_1_to_N needs a current database
            charset="utf8mb4",
            autocommit=autocommit,
            init_command="SET time_zone='+00:00'",
            **more,
        )

    def run(self, *statements, database=None):
        """Statements in one connection, each committed by itself; returns the last one's rows."""
        with self.connect(database) as c, c.cursor() as cursor:
            rows = ()
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall()
            return rows

    def url(self, user=CDC_USER, port=None):
        return f"mysql://{user}@127.0.0.1:{port or self.port}/"

    def stop(self, signal_number=signal.SIGTERM):
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal_number)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self):
        self.stop(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
