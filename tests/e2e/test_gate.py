"""People's clients at the gate: psql, psycopg 3 in its protocols, wrong passwords, cancelling, big
results."""

import contextlib
import datetime
import decimal
import os
import socket
import subprocess
import threading
import time

import psycopg
import pytest
from psycopg import ClientCursor

from harness.ports import wait_until


def psql(platform, *arguments, password=None, script=None):
    return subprocess.run(
        [
            "psql",
            "-X",
            "-h",
            "127.0.0.1",
            "-p",
            str(platform.gate_port),
            "-U",
            platform.user,
            "-d",
            "minato",
            *arguments,
        ],
        input=script,
        env={**os.environ, "PGPASSWORD": password or platform.password},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def table(mariadb, shared):
    mariadb.run(
        "DROP DATABASE IF EXISTS e2e_gate",
        "CREATE DATABASE e2e_gate",
        "CREATE TABLE e2e_gate.t (id INT PRIMARY KEY, n BIGINT, p DECIMAL(9,2), d DOUBLE, s"
        " VARCHAR(40), day DATE, seen DATETIME(6), ok TINYINT(1), raw VARBINARY(10))",
        "INSERT INTO e2e_gate.t VALUES (1, 9000000000, 12.50, 0.25, 'naïve 港', '2026-11-24',"
        " '2026-11-24 01:02:03.000004', 1, X'00FF'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
        " NULL)",
        "CREATE TABLE e2e_gate.big (id INT PRIMARY KEY, s VARCHAR(100))",
        "INSERT INTO e2e_gate.big SELECT seq, REPEAT('x', 90) FROM seq_1_to_300000",
    )
    shared.wait(60)
    yield "e2e_gate"
    mariadb.run("DROP DATABASE e2e_gate")


def test_psql_prints_a_table(shared, table):
    out = psql(shared, "-c", f"SELECT id, s, p FROM {table}.t ORDER BY id")
    assert "naïve 港" in out.stdout and "(2 rows)" in out.stdout, out.stderr


def test_psql_reads_a_script(shared, table):
    out = psql(
        shared,
        "-At",
        script="SELECT 1; SELECT 2;\nBEGIN;\nSELECT 3;\nCOMMIT;\nSELECT broken;\nSELECT 4;\n",
    )
    assert (
        out.stdout.split() == ["1", "2", "BEGIN", "3", "COMMIT", "4"] and "ERROR" in out.stderr
    ), out


def test_wrong_password_and_unknown_account_look_alike(shared):
    wrong = psql(shared, "-c", "SELECT 1", password="wrong")
    assert wrong.returncode == 2 and "password authentication failed" in wrong.stderr
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        shared.connect(user="nobody_here")


ROW = (
    1,
    9000000000,
    decimal.Decimal("12.50"),
    0.25,
    "naïve 港",
    datetime.date(2026, 11, 24),
    datetime.datetime(2026, 11, 24, 1, 2, 3, 4),
    b"\x00\xff",
)
SELECT = "SELECT id, n, p, d, s, day, seen, raw FROM {}.t WHERE id = %s"


@pytest.mark.parametrize("binary", [False, True])
def test_extended_protocol(shared, table, binary):
    with shared.connect() as c, c.cursor(binary=binary) as cursor:
        for _ in range(8):  # psycopg prepares a statement at its fifth use
            assert cursor.execute(SELECT.format(table), (1,)).fetchone() == ROW
        cursor.execute(SELECT.format(table), (2,))
        assert cursor.fetchone() == (2,) + (None,) * 7


def test_simple_protocol(shared, table):
    with shared.connect() as c, ClientCursor(c) as cursor:
        assert cursor.execute(SELECT.format(table), (1,)).fetchone() == ROW


def test_parameters_of_many_types(shared):
    values = (
        1,
        2**40,
        1.5,
        decimal.Decimal("3.14"),
        "quote ' and 港",
        True,
        datetime.date(2026, 1, 2),
        datetime.datetime(2026, 1, 2, 3, 4, 5),
        None,
    )
    with shared.connect() as c:
        row = c.execute(
            "SELECT %s::int, %s::bigint, %s::double precision, %s::decimal(9,2), %s::text,"
            " %s::bool, %s::date, %s::timestamp, %s::text",
            values,
        ).fetchone()
        assert row == values


def test_an_error_leaves_the_session_usable(shared, table):
    with shared.connect() as c:
        with pytest.raises(psycopg.errors.UndefinedTable):
            c.execute("SELECT * FROM nowhere.nothing")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            c.execute(f"SELECT missing FROM {table}.t")
        with pytest.raises(psycopg.errors.SyntaxError):
            c.execute("SELEC 1")
        with pytest.raises(psycopg.Error):
            c.execute("SELECT CAST('x' AS INTEGER)")
        assert c.execute("SELECT 5").fetchone() == (5,)


def test_large_results_stream(shared, table):
    with shared.connect() as c:
        rows = c.execute(f"SELECT id, s FROM {table}.big").fetchall()
    assert len(rows) == 300000 and sum(r[0] for r in rows) == 300000 * 300001 // 2


def test_a_slow_reader_does_not_fill_the_gates_memory(shared, table):
    def pss():
        total = 0
        for pid in shared.role_pids("gate"):
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    before = pss()
    with contextlib.closing(shared.connect()) as c:
        c.pgconn.send_query(f"SELECT a.s, b.id FROM {table}.big a, range(40) b(id)".encode())
        time.sleep(1.5)  # about 1.2 GB of text, and nothing is read meanwhile
        assert pss() - before < 400_000, "kB"
    with shared.connect() as c:  # closing in the middle of the result did no harm
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_cancel(shared):
    with shared.connect() as c:
        threading.Timer(0.5, c.cancel).start()
        started = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT sum(a.i * b.i) FROM range(3000000) a(i), range(3000000) b(i)")
        assert time.monotonic() - started < 10
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_transactions_read_one_snapshot(mariadb, shared, db):
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", database=db)
    shared.wait(20)
    with shared.connect() as c:
        c.execute("BEGIN")
        assert c.execute(f"SELECT count(*) FROM {db}.t").fetchone() == (1,)
        mariadb.run("INSERT INTO t VALUES (2)", database=db)
        shared.wait(20)
        assert c.execute(f"SELECT count(*) FROM {db}.t").fetchone() == (1,)
        c.execute("COMMIT")
        assert c.execute(f"SELECT count(*) FROM {db}.t").fetchone() == (2,)


def test_nothing_can_be_written(shared, table):
    with shared.connect() as c:
        for sql in (
            f"INSERT INTO {table}.t (id) VALUES (9)",
            f"DELETE FROM {table}.t",
            f"DROP TABLE {table}.t",
            f"UPDATE {table}.t SET n = 1",
            f"CREATE TABLE {table}.x (i INT)",
            "CREATE SCHEMA x",
        ):
            with pytest.raises(psycopg.Error):
                c.execute(sql)
        assert c.execute(f"SELECT count(*) FROM {table}.t").fetchone() == (2,)


def test_many_clients_at_once(shared, table):
    failures = []

    def one():
        try:
            with shared.connect() as c:
                for _ in range(5):
                    assert c.execute(f"SELECT count(*) FROM {table}.t").fetchone() == (2,)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(25)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_sslmode_prefer_and_disable(shared):
    for mode in ("disable", "prefer"):
        with shared.connect(sslmode=mode) as c:
            assert c.execute("SELECT 1").fetchone() == (1,)


def certificate(directory, name):
    """A certificate of its own authority, for localhost; written in one step."""
    for suffix in ("crt", "key"):
        (directory / f"gate.{suffix}.new").unlink(missing_ok=True)
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN={name} -days 2"
        f" -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {directory}/gate.key.new"
        f" -out {directory}/gate.crt.new",
        shell=True,
        check=True,
        capture_output=True,
    )
    for suffix in ("key", "crt"):
        (directory / f"gate.{suffix}.new").rename(directory / f"gate.{suffix}")


def test_tls(new_platform):
    """Goal: TLS by two lines in minato.toml, also required, also renewed, without a restart of
    serve. Method: certificates made here; libpq with and without verification."""
    platform = new_platform()
    platform.serve()
    pid = platform.process.pid
    authority = platform.directory / "gate.crt"

    def common_name():
        shown = subprocess.run(
            f"openssl s_client -starttls postgres -connect 127.0.0.1:{platform.gate_port}"
            " </dev/null | openssl x509 -noout -subject",
            shell=True,
            capture_output=True,
            text=True,
        )
        return shown.stdout.strip().rpartition("= ")[2]

    with pytest.raises(psycopg.OperationalError, match="SSL"):
        platform.connect(sslmode="require")
    platform.configure("gate", tls_cert_file="gate.crt", tls_key_file="gate.key", require_tls=True)
    check = platform.call("check", check=False)
    assert check.returncode != 0 and "gate.crt" in check.stdout + check.stderr
    certificate(platform.directory, "first")
    platform.call("check")
    platform.config.touch()
    wait_until(lambda: common_name() == "first", 30, 0.2, "the certificate")
    for mode in ("require", "verify-ca", "verify-full"):
        with platform.connect(sslmode=mode, sslrootcert=str(authority)) as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
            assert c.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="encryption"):
        platform.connect(sslmode="disable")
    assert "1" in platform.call("sql", "SELECT 1").stdout
    (platform.directory / "gate.key").write_text("not a key")
    wait_until(lambda: platform.status()["incidents"], 20, what="an incident")
    assert platform.query("SELECT 1") == [(1,)]  # by the former certificate
    certificate(platform.directory, "second")
    wait_until(lambda: common_name() == "second", 30, 0.2, "the new certificate")
    with platform.connect(sslmode="verify-full", sslrootcert=str(authority)) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert platform.process.pid == pid and platform.process.poll() is None


def test_psql_lists_and_describes(shared, table):
    """Goal: psql's commands about tables show the lake's, and nothing of its own catalogue."""

    def shown(command):
        result = psql(shared, "-At", "-c", command)
        assert result.returncode == 0, result.stderr
        assert "ducklake" not in result.stdout
        return result.stdout

    assert "minato|minato|UTF8" in shown(r"\l")
    assert "e2e_gate|minato" in shown(r"\dn")
    for command in (r"\d", r"\dt", r"\dt e2e_gate.*", r"\dt *.t"):
        assert "e2e_gate|t|table|minato" in shown(command), command
    assert "e2e_gate|t|" not in shown(r"\dt other.*") + shown(r"\dv")
    assert "id|integer||not null|" in shown(r"\d e2e_gate.t") or "id|integer|||" in shown(
        r"\d e2e_gate.t"
    )
    assert "Did not find any relation" in psql(shared, "-c", r"\d e2e_gate.nothing").stderr


def test_silent_connections_keep_nobody_out(shared):
    """Goal: connections that never log in do not lock the gate. Method: more of them than it takes,
    then a login."""
    with contextlib.ExitStack() as silent:
        for _ in range(150):
            silent.enter_context(socket.create_connection(("127.0.0.1", shared.gate_port)))
        with shared.connect() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)


def test_what_memory_cannot_hold_goes_to_disk_within_a_limit(new_platform):
    """Goal: spill_mb bounds the disk that people's statements take, and the error names it."""
    hungry = "SELECT count(DISTINCT repeat('y', 300) || i) FROM range(1000000) t(i)"
    platform = new_platform()
    platform.configure("limits", gate_memory_mb=128)
    platform.serve()
    assert platform.query(hungry) == [(1_000_000,)]
    platform.configure("limits", spill_mb=16)

    def refused():
        try:
            platform.query(hungry)
        except psycopg.errors.OutOfMemory as error:
            return "spill_mb" in (error.diag.message_hint or "")
        except psycopg.OperationalError:  # the gate is starting again
            return False

    wait_until(refused, 30, what="the smaller limit in force")
    assert platform.query("SELECT 1") == [(1,)]
