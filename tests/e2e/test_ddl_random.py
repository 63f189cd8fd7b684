"""Random schema changes and rows, with text in several character sets: while Minato follows, while
it is behind (the source's present shapes say nothing about the rows in its log then), and over its
death."""

import os
import random
import shutil
import signal
import time

import pymysql
import pytest

from harness.compare import compare, source_tables
from harness.minato import scratch
from harness.mysql import Mysql, installed

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("MINATO_SEED", str(time.time_ns() % 1_000_000)))
BURSTS = int(os.environ.get("MINATO_BURSTS", "6"))

TABLES = ["t0", "t1", "t2", "表3"]
COLUMNS = ["a", "b", "c", "d", "名"]
CHARSETS = ["latin1", "cp932", "utf8mb4", "utf8mb4", "ujis", "sjis"]
NUMBERS = ["TINYINT", "SMALLINT", "INT", "INT UNSIGNED", "BIGINT", "DECIMAL(6,2)", "DECIMAL(20,5)"]
NUMBERS += ["FLOAT", "DOUBLE", "BIT(5)", "YEAR"]
TEXTS = ["VARCHAR(10)", "VARCHAR(60)", "VARCHAR(300)", "CHAR(5)", "TEXT", "TINYTEXT"]
TEXTS += ["ENUM('a','b')", "SET('a','b')"]  # servers themselves mix up character sets of members
# Bytes are left out: made a text by MODIFY, they may be none.
OTHERS = ["DATE", "DATETIME", "DATETIME(6)", "TIME", "TIME(3)", "JSON"]
VALUES = ["NULL", "0", "1", "-7", "250", "3.14159", "'a'", "'b'", "'é'", "'東京'", "'ソ能'", "''"]
VALUES += ["'abc  '", "'2026-01-02 03:04:05.678'", "'12:34:56'", "'[1, \"é\"]'", "20260102"]


class Statements:
    """Statements that mostly succeed, by what the source has at the moment."""

    def __init__(self, rng, cursor, database):
        self.rng, self.cursor, self.database = rng, cursor, database

    def columns(self, table):
        self.cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND"
            " table_name = %s ORDER BY ordinal_position",
            (self.database, table),
        )
        return [row[0] for row in self.cursor.fetchall()]

    def type(self):
        kind = self.rng.choice(self.rng.choice((NUMBERS, TEXTS, TEXTS, OTHERS)))
        if kind in TEXTS and self.rng.random() < 0.3:
            kind += " CHARACTER SET " + self.rng.choice(CHARSETS)
        if self.rng.random() < 0.2:
            kind += " NOT NULL"
        if self.rng.random() < 0.3 and not kind.startswith(("TEXT", "TINYTEXT", "BLOB", "JSON")):
            kind += " DEFAULT " + self.rng.choice(VALUES[1:])
        return kind

    def place(self, columns):
        return self.rng.choice(("", "", " FIRST", f" AFTER `{self.rng.choice(columns)}`"))

    def charset(self):
        form = self.rng.choice(("CHARSET={}", "DEFAULT CHARACTER SET {}", "COLLATE {}_bin"))
        return form.format(self.rng.choice(CHARSETS))

    def create(self, table):
        columns = self.rng.sample(COLUMNS, self.rng.randrange(1, 4))
        key = self.rng.choice(("id INT AUTO_INCREMENT PRIMARY KEY, ", "id INT, ", ""))
        options = self.rng.choice(("", self.charset()))
        described = ", ".join(f"`{c}` {self.type()}" for c in columns)
        return f"CREATE TABLE `{table}` ({key}{described}) {options}"

    def action(self, columns):
        rng, column = self.rng, self.rng.choice(columns)
        new = rng.choice(COLUMNS)
        return rng.choice(
            [f"ADD COLUMN `{new}` {self.type()}{self.place(columns)}"] * 5
            + [f"DROP COLUMN `{column}`"] * 2
            + [f"RENAME COLUMN `{column}` TO `{new}`"] * 2
            + [f"MODIFY `{column}` {self.type()}{self.place(columns)}"]
            + [f"CHANGE `{column}` `{new}` {self.type()}"]
            + [f"CONVERT TO CHARACTER SET {rng.choice(CHARSETS)}"]
            + [self.charset(), self.charset()]
            + ["DROP PRIMARY KEY", f"ADD PRIMARY KEY (`{column}`)", "ENGINE=InnoDB"]
        )

    def rows(self, table, columns):
        rng = self.rng
        names = ", ".join(f"`{c}`" for c in columns if c != "id") or "id"
        count = len(names.split(","))
        values = lambda: ", ".join(rng.choice(VALUES) for _ in range(count))  # noqa: E731
        column = rng.choice(columns)
        return rng.choice(
            [
                f"INSERT IGNORE INTO `{table}` ({names}) VALUES "
                + ", ".join(f"({values()})" for _ in range(rng.randrange(1, 6)))
            ]
            * 3
            + [f"UPDATE IGNORE `{table}` SET `{column}` = {rng.choice(VALUES)} LIMIT 4"]
            + [f"DELETE FROM `{table}` LIMIT 2"]
        )

    def any(self):
        rng, table = self.rng, self.rng.choice(TABLES)
        columns = self.columns(table)
        if not columns:
            others = [t for t in TABLES if self.columns(t)]
            if others and rng.random() < 0.2:
                return f"CREATE TABLE `{table}` LIKE `{rng.choice(others)}`"
            return self.create(table)
        dice = rng.random()
        if dice < 0.6:
            return self.rows(table, columns)
        if dice < 0.92:
            actions = [self.action(columns) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
            return f"ALTER TABLE `{table}` " + ", ".join(actions)
        other = rng.choice([t for t in TABLES if t != table])
        return rng.choice(
            (
                f"DROP TABLE `{table}`",
                f"TRUNCATE TABLE `{table}`",
                f"RENAME TABLE `{table}` TO `{other}`",
                f"RENAME TABLE `{table}` TO swap, `{other}` TO `{table}`, swap TO `{other}`",
            )
        )


def burst(source, database, rng, said, count=60):
    """Some statements fail (no such column now, a key with doubles): the source refuses them."""
    done = 0
    with source.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        statements = Statements(rng, cursor, database)
        for _ in range(count):
            statement = statements.any()
            try:
                cursor.execute(statement)
                done += 1
                said.append(statement)
            except pymysql.Error as error:
                said.append(f"-- {statement}: {error}")
    assert done > count / 4, "\n".join(said)


def run(source, new_platform):
    print(f"MINATO_SEED={SEED}")
    rng, said = random.Random(SEED), []
    source.run("CREATE DATABASE odd CHARACTER SET " + rng.choice(CHARSETS))
    platform = new_platform()
    platform.source_add(source.url(), "odd.%")
    platform.serve()
    burst(source, "odd", rng, said)
    for n in range(BURSTS):
        how = ("follows", "is behind", "is killed")[n % 3]
        said.append(f"-- burst {n}: Minato {how}")
        if how == "is behind":
            platform.kill_role("core", signal.SIGSTOP)
        burst(source, "odd", rng, said)
        if how == "is killed":
            platform.kill_role("core")
            burst(source, "odd", rng, said)
        platform.kill_role("core", signal.SIGCONT)
        try:
            platform.wait(120)
            compare(source, platform, "odd")
            lake = platform.query(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'odd'"
            )
            with source.connect() as connection:
                assert {name for (name,) in lake} == set(source_tables(connection, "odd"))
        except Exception:
            print(";\n".join(said))
            raise


def test_random_statements(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    run(own_mariadb, new_platform)


@pytest.mark.skipif(not installed(), reason="no MySQL in .deps/mysql (tools/mysql.sh)")
def test_random_statements_of_mysql(new_platform):
    directory = scratch("my")
    with Mysql(directory).install() as server:
        server.start().create_cdc_user()
        run(server, new_platform)
    shutil.rmtree(directory, ignore_errors=True)
