"""Everyday misfortunes: each gives an error that says what to do, loses nothing, and is over once
its cause is gone."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness.mariadb import CDC_PASSWORD, CDC_USER, MariaDb
from harness.minato import scratch, wait_for_rows
from harness.ports import Proxy, wait_until
from harness.recovery import healthy_and_equal, source_state

pytestmark = pytest.mark.slow
SEED = int(os.environ.get("MINATO_CHAOS_SEED", str(int(time.time()))))


def test_source_restart(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    for stop in (source.stop, source.kill):
        source.run("INSERT INTO shop.t (v) SELECT 'before' FROM seq_1_to_100")
        stop()
        time.sleep(0.5)
        source.start()
        source.run(
            "DELETE FROM shop.t WHERE id % 10 = 3",
            "FLUSH BINARY LOGS",
            "UPDATE shop.t SET v = 'after' LIMIT 50",
        )
        healthy_and_equal(source, platform)


def streaming_through_a_proxy(source, new_platform):
    proxy = Proxy(source.port)
    platform = new_platform()
    platform.source_add(source.url(port=proxy.port), "shop.%")
    platform.serve()
    platform.wait(30)
    # Between its first read and its stream there are questions, whose answers are awaited longer.
    wait_until(lambda: platform.status()["sources"][0]["state"] == "streaming", 30)
    return proxy, platform


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_source_unreachable(source, new_platform, how):
    proxy, platform = streaming_through_a_proxy(source, new_platform)
    getattr(proxy, how)()
    source.run("INSERT INTO shop.t (v) SELECT 'unseen' FROM seq_1_to_500")
    away = time.monotonic()
    if how == "cut":
        text = source_state(platform, str(proxy.port) + "|refused|connect")
        assert "cdc-secret" not in text

    wrong = []  # seen in that minute: readers disturbed, or somebody told that all is well

    def a_minute():
        since = (time.monotonic() - away) * 1000
        rows = platform.query("SELECT count(*) FROM shop.t")
        seen = platform.status()["sources"][0]
        told = seen["state"] == "waiting" or (how == "freeze" and seen["state"] == "streaming")
        late = since > 15_000 and seen["lag_ms"] < since - 15_000
        guessed = since > 10_000 and seen["lag_bytes"] is not None
        if rows != [(1000,)] or guessed or not told or late:
            wrong.append((since, rows, seen))
        return since > 60_000

    wait_until(a_minute, 90, 1, "a minute")
    assert not wrong, wrong
    proxy.heal()
    # The longest wait between two tries is ten seconds; a frozen connection is given up after 16.
    wait_until(
        lambda: platform.query("SELECT count(*) FROM shop.t") == [(1500,)], 20, 0.2, "recovery"
    )
    healthy_and_equal(source, platform)
    assert bool(platform.log_has("not even heartbeats")) == (how == "freeze")
    proxy.cut()


def test_source_is_not_there_at_the_start(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    source.stop()
    platform.serve()  # the rest works
    source_state(platform, "connect|refused|reach")
    source.start()
    healthy_and_equal(source, platform)


def test_wrong_password(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%", password="never-shown-7", check=False)
    platform.serve()
    text = source_state(platform, "denied|password")
    assert "never-shown-7" not in text and not platform.log_has("never-shown-7")
    doctor = platform.call("doctor", check=False)
    assert doctor.returncode != 0
    platform.secret("source-shop", "cdc-secret")
    healthy_and_equal(source, platform)


def test_missing_privilege(source, new_platform):
    source.run("REVOKE REPLICATION SLAVE ON *.* FROM cdc@'%'")
    platform = new_platform()
    platform.source_add(source.url(), "shop.%", check=False)
    platform.serve()
    source_state(platform, "REPLICATION (SLAVE|REPLICA)")
    doctor = platform.call("doctor", check=False)
    assert doctor.returncode != 0 and "GRANT" in doctor.stdout + doctor.stderr
    source.run("GRANT REPLICATION SLAVE ON *.* TO cdc@'%'")
    healthy_and_equal(source, platform)


def test_statement_format(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    source.run("SET GLOBAL binlog_format = STATEMENT")
    source.run(
        "UPDATE shop.t SET v = 'by statement' WHERE id < 100",
        "INSERT INTO shop.t (v) VALUES ('by statement')",
    )
    source_state(platform, "binlog_format")
    # The source can be asked, so its lag is shown: it grows by what is written there.
    before = source.run("SHOW MASTER STATUS")[0][1]
    source.run("INSERT INTO shop.t (v) SELECT MD5(seq) FROM seq_1_to_20000")
    source.run("SET SESSION binlog_format = ROW", "INSERT INTO shop.t (v) SELECT 1 FROM shop.t")
    grown = source.run("SHOW MASTER STATUS")[0][1] - before
    assert grown > 50_000
    wait_until(
        lambda: (platform.status()["sources"][0]["lag_bytes"] or 0) >= grown, 20, 0.5, "lag_bytes"
    )
    source.run("SET GLOBAL binlog_format = ROW")
    healthy_and_equal(source, platform)


@pytest.mark.parametrize("how", ["purged", "reset"])
def test_binlog_gone_while_away(source, new_platform, how):
    """The log no longer reaches back to where Minato stopped: all is read anew, and said so."""
    source.run("CREATE TABLE shop.dropped AS SELECT * FROM shop.t")
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    platform.stop()
    source.run(
        "INSERT INTO shop.t (v) VALUES ('in a lost file')",
        "DELETE FROM shop.t WHERE id < 50",
        "DROP TABLE shop.dropped",
        "CREATE TABLE shop.made (id INT PRIMARY KEY) AS SELECT seq AS id FROM seq_1_to_10",
        "FLUSH BINARY LOGS",
        "FLUSH BINARY LOGS",
    )
    if how == "reset":
        source.run("RESET MASTER")
    else:
        newest = source.run("SHOW MASTER STATUS")[0][0]

        def purged():  # the server keeps a log while it still takes Minato's connection for alive
            source.run(f"PURGE BINARY LOGS TO '{newest}'")
            return source.run("SHOW BINARY LOGS")[0][0] == newest

        wait_until(purged, 20, 0.2, "the purge")
    platform.serve()
    gap = "source_gap: The source no longer has its binary log"
    wait_until(lambda: platform.log_has(gap), 30, what="the gap in the log")
    healthy_and_equal(source, platform)
    assert platform.log_has("all tables of the source are read anew")
    assert platform.table_state("shop", "dropped") is None
    said = "FROM minato.incident WHERE key = 'source/shop'"
    text = platform.catalogue(f"SELECT text {said}")[0][0]
    assert "read anew" in text and "expire_logs_days" in text
    wait_until(lambda: platform.catalogue(f"SELECT state {said}") == [("resolved",)], 30)


def test_port_in_use(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", platform.gate_port))
        squatter.listen()
        platform.start()
        wait_until(
            lambda: platform.log_has(
                rf"\b{platform.gate_port}\b.*(in use|taken)|(in use|taken).*\b"
                rf"{platform.gate_port}\b"
            ),
            20,
            what="a message that names the port",
        )
    platform.process.wait(20)  # it ends; systemd, or a person, starts it again
    platform.serve()
    healthy_and_equal(source, platform)


def test_postgresql_killed(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    for _ in range(2):
        source.run("INSERT INTO shop.t (v) SELECT 'x' FROM seq_1_to_200")
        assert platform.kill_role("postgres")
        source.run("UPDATE shop.t SET v = 'y' WHERE v = 'x' LIMIT 77")
        healthy_and_equal(source, platform)


def test_a_process_of_postgresql_outlives_its_server(source, new_platform):
    """One that hangs keeps the shared memory: it is ended, and the next server starts."""
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    (server,) = platform.role_pids("postgres")
    children = subprocess.run(["pgrep", "-P", str(server)], capture_output=True, text=True)
    hanging = int(children.stdout.split()[0])
    os.kill(hanging, signal.SIGSTOP)
    os.kill(server, signal.SIGKILL)
    platform.ready(60)
    healthy_and_equal(source, platform)


@pytest.mark.parametrize("how", ["bytes", "directory", "empty", "locked", "huge"])
def test_unreadable_mart_file(source, new_platform, how):
    platform = new_platform()
    platform.configure("marts", refresh_seconds=1)
    platform.source_add(source.url(), "shop.%")
    path = platform.directory / "marts" / "m" / "bad.sql"
    path.parent.mkdir()
    if how == "bytes":
        path.write_bytes(b"\xff\xfe\x00SELECT 1")
    elif how == "directory":
        path.mkdir()
    elif how == "empty":
        path.write_text("-- nothing\n")
    elif how == "huge":
        path.write_text("SELECT 1 AS a -- " + "x" * 20_000_000)
    else:
        path.symlink_to("/nowhere/at/all.sql")
    platform.mart("m.good", "SELECT count(*) AS n FROM shop.t")
    platform.serve()
    wait_for_rows(platform, "SELECT n FROM m.good", [(1000,)], 30)
    check = platform.call("check", check=False)
    assert check.returncode != 0 and "bad.sql" in check.stdout + check.stderr
    if how != "directory":
        wait_until(
            lambda: (platform.mart_state("m.bad") or {}).get("why"), 20, what="a reason in status"
        )
    path.rmdir() if how == "directory" else path.unlink()
    platform.mart("m.bad", "SELECT 1 AS a")
    wait_for_rows(platform, "SELECT a FROM m.bad", [(1,)], 30)


@contextlib.contextmanager
def small_disk(directory, megabytes):
    """A file system of its own at `directory`."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", directory]
    if os.geteuid() != 0 or subprocess.run(mount).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as f, pytest.raises(OSError):
        while True:
            f.write(b"x" * 65536)
    return path


def left_over(platform):
    on_disk, known = platform.lake_files()
    return on_disk - known


def test_full_disk(source, new_platform):
    """The lake's disk is full: capture stops and says so, readers go on."""
    platform = new_platform()
    lake = platform.directory / "lake"
    lake.mkdir(exist_ok=True)
    with small_disk(lake, 24):
        try:
            platform.source_add(source.url(), "shop.%")
            platform.serve()
            platform.wait(30)
            filler = fill(lake / "filler")
            source.run("INSERT INTO shop.t (v) SELECT MD5(seq) FROM seq_1_to_50000")
            source_state(platform, "space|disk|full")
            assert platform.query("SELECT count(*) FROM shop.t") == [(1000,)]
            # Half-written files go at once: each new try would fill the disk further.
            wait_until(lambda: left_over(platform) == set(), 10, 0.05, "no file of a failed commit")
            filler.unlink()
            healthy_and_equal(source, platform)
            wait_until(lambda: left_over(platform) == set(), 10, 0.05, "no file of a failed commit")
            assert platform.stop() == 0
        finally:
            platform.kill_all()


def test_full_disk_of_postgresql(source, new_platform):
    """PostgreSQL's disk is full: it may even end itself; nothing is lost, and all goes on."""
    platform = new_platform()
    with small_disk(platform.directory / ".minato", 200):
        try:
            platform.account_add()
            platform.source_add(source.url(), "shop.%")
            platform.serve()
            platform.wait(30)
            filler = fill(platform.directory / ".minato" / "filler")
            for n in range(30):  # until the log of PostgreSQL needs a new file
                source.run("INSERT INTO shop.t (v) SELECT MD5(seq) FROM seq_1_to_500")
                source.run(f"CREATE TABLE shop.more{n} AS SELECT * FROM shop.t LIMIT 2")
                time.sleep(0.3)
                if platform.log_has("No space left|[Dd]isk|space"):
                    break
            said = platform.log_has("No space left|[Dd]isk|space")
            filler.unlink()
            assert said, "nothing in the log about the full disk"
            healthy_and_equal(source, platform, 120)
            assert platform.stop() == 0
        finally:
            platform.kill_all()


def test_two_minatos_on_one_directory(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    second = platform.call("serve", check=False, timeout=20)
    assert second.returncode != 0
    assert str(platform.process.pid) in second.stderr and "already" in second.stderr
    healthy_and_equal(source, platform)


def test_connection_cut_in_the_middle_of_everything(source, new_platform):
    """First reads, large transactions and small ones, each cut again and again on the way."""
    proxy = Proxy(source.port)
    rng = random.Random(SEED)
    print(f"MINATO_CHAOS_SEED={SEED}")
    source.run("INSERT INTO shop.t (v) SELECT MD5(seq) FROM seq_1_to_200000")
    platform = new_platform()
    platform.source_add(source.url(port=proxy.port), "shop.%")
    platform.serve()
    for n in range(12):
        with source.connect("shop", autocommit=False) as c, c.cursor() as cursor:
            cursor.execute("INSERT INTO t (v) SELECT MD5(seq) FROM seq_1_to_20000")
            cursor.execute("UPDATE t SET v = CONCAT(v, 'x') WHERE id MOD 7 = %s", (n % 7,))
            cursor.execute("DELETE FROM t WHERE id MOD 50 = %s", (n,))
            c.commit()
        time.sleep(rng.uniform(0, 0.7))
        proxy.cut()
        time.sleep(rng.uniform(0, 0.3))
        proxy.heal()
    healthy_and_equal(source, platform, 90)
    proxy.cut()


def test_a_stream_that_the_server_cannot_end_holds_up_no_other(new_platform):
    """The connection is lost while the server writes to it, and only Minato notices. The server's
    thread stays in its write, and one that waited for it would wait as long."""
    directory = scratch("mdb")
    source = MariaDb(directory)
    with source.install():
        source.start().create_cdc_user()
        source.run("CREATE DATABASE shop", "CREATE TABLE shop.t (n INT, v VARCHAR(40))")
        proxy, platform = streaming_through_a_proxy(source, new_platform)
        proxy.trickle(1 << 20)
        # More than the buffers of four sockets take in.
        source.run("INSERT INTO shop.t SELECT seq, MD5(seq) FROM seq_1_to_400000")
        wait_until(lambda: proxy.frozen, 30, what="the transaction to be sent in part")
        dumps = lambda: [  # noqa: E731
            state
            for (state,) in source.run(
                "SELECT state FROM information_schema.processlist WHERE command='Binlog Dump'"
            )
        ]
        wait_until(lambda: dumps() == ["Writing to net"], 30, what="the server to be in its write")
        proxy.abandon()
        healthy_and_equal(source, platform, 60)  # the silence is noticed after 16 s
        assert "Writing to net" in str(dumps()), "the server is rid of it: this test tests nothing"
        proxy.cut()
    shutil.rmtree(directory, ignore_errors=True)


def test_another_server_takes_over_inside_a_transaction(new_platform):
    """The address leads to a replica, whose log has the same rows in other events: how many were
    taken in says nothing about where the rest begins there."""
    directories = scratch("mdb"), scratch("mdb")
    first = MariaDb(directories[0])
    second = MariaDb(
        directories[1],
        ["--server-id=2", "--log-slave-updates", "--binlog-row-event-max-size=512"],
    )
    with first.install(), second.install():
        first.start().create_cdc_user()
        second.start().run(
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={first.port}, "
            f"MASTER_USER='{CDC_USER}', MASTER_PASSWORD='{CDC_PASSWORD}', "
            "MASTER_USE_GTID=slave_pos",
            "START SLAVE",
        )
        first.run("CREATE DATABASE shop", "CREATE TABLE shop.t (n INT, v VARCHAR(40))")
        proxy, platform = streaming_through_a_proxy(first, new_platform)
        proxy.freeze()
        first.run("INSERT INTO shop.t SELECT seq, MD5(seq) FROM seq_1_to_100000")
        replicated = lambda: second.run("SELECT count(*) FROM shop.t") == (
            (100_000,),
        )  # noqa: E731
        wait_until(replicated, 60, what="the replica to have it")
        proxy.trickle(2 << 20)  # of about 4 MB
        wait_until(lambda: proxy.frozen, 30, what="half of the transaction to be sent")
        first.kill()
        second.run("STOP SLAVE", "INSERT INTO shop.t VALUES (0, 'after')")
        proxy.target_port = second.port
        proxy.cut()
        proxy.heal()
        healthy_and_equal(second, platform, 60)
        assert platform.log_has("another server answers"), platform.tail()
        proxy.cut()
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
