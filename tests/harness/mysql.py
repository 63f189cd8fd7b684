"""A private MySQL (tools/mysql.sh lays the server down), with what docs/operating.md asks of one:
GTIDs, and an account that has no more than it needs."""

import os
import subprocess

from .mariadb import CDC_PASSWORD, CDC_USER, MariaDb
from .minato import ROOT

PROGRAM = ROOT / ".deps" / "mysql" / "mysqld"
CDC_PRIVILEGES = "SELECT, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT"


def installed():
    return PROGRAM.exists() and "MINATO_WITHOUT_MYSQL" not in os.environ


class Mysql(MariaDb):
    column_if_exists = False

    def install(self):
        self.temporary.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [str(PROGRAM), "--initialize-insecure", f"--datadir={self.data}", *self._as],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def program(self):
        return [
            str(PROGRAM),
            "--mysqlx=OFF",
            "--secure-file-priv=",
            "--gtid-mode=ON",
            "--enforce-gtid-consistency=ON",
            "--cte-max-recursion-depth=100000",
        ]

    def prepare(self, database):
        """MariaDB's tables of numbers, as views."""
        for last in (10, 40, 50, 100, 500, 1000, 2000):
            self.run(
                f"CREATE VIEW seq_1_to_{last} AS WITH RECURSIVE n AS (SELECT 1 AS seq UNION ALL "
                f"SELECT seq + 1 FROM n WHERE seq < {last}) SELECT seq FROM n",
                database=database,
            )

    def create_cdc_user(self, user=CDC_USER, password=CDC_PASSWORD, privileges=CDC_PRIVILEGES):
        self.run(
            f"DROP USER IF EXISTS '{user}'@'%'",
            f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'",
            *([f"GRANT {privileges} ON *.* TO '{user}'@'%'"] if privileges else []),
        )
