"""MySQL as the source, end to end: what a person sees is the same as with MariaDB.

Method: a private MySQL 8 or later with the account that docs/operating.md describes; skipped where
tools/mysql.sh could not lay one down (the tests of src/wire read MySQL's log everywhere)."""

import random
import shutil

import pytest
from pymysql.err import OperationalError

import test_ddl
import test_types
from harness.compare import compare
from harness.mariadb import CDC_PASSWORD
from harness.minato import scratch, wait_for_rows
from harness.mysql import Mysql, installed
from harness.ports import wait_until
from harness.workload import Watcher, Workload

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed(), reason="no MySQL in .deps/mysql (tools/mysql.sh)"),
]


@pytest.fixture(scope="module")
def mysql():
    directory = scratch("my")
    with Mysql(directory).install() as server:
        server.start().create_cdc_user()
        yield server
    shutil.rmtree(directory, ignore_errors=True)


def test_every_type_and_statement_reaches_the_gate(mysql, new_platform):
    mysql.run("CREATE DATABASE shop")
    mysql.run(f"CREATE TABLE everything ({test_types.COLUMNS})", database="shop")
    test_types.fill(mysql, "shop", "everything", 1)  # for the first read
    platform = new_platform()
    platform.source_add(mysql.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    compare(mysql, platform, "shop")
    test_types.fill(mysql, "shop", "everything", 101)  # for the log
    mysql.run(
        "SET SESSION binlog_transaction_compression=ON",
        "UPDATE everything SET j = JSON_SET('{}', '$.n', 1.50, '$.at', NOW(6)), i = 7 WHERE id > 2",
        "SET gtid_next='AUTOMATIC:batch'",
        "DELETE FROM everything WHERE id IN (1, 102)",
        "SET gtid_next='AUTOMATIC'",
        "ALTER TABLE everything ADD COLUMN more JSON, ALGORITHM=INSTANT",
        "UPDATE everything SET more = '[1, 2.0, \"x\"]'",
        "CREATE TABLE `在庫` (sku VARCHAR(20) PRIMARY KEY, n INT INVISIBLE, twice INT AS (n * 2))",
        "INSERT INTO `在庫` (sku, n) VALUES ('品1', 4)",
        database="shop",
    )
    platform.wait(30)
    compare(mysql, platform, "shop")
    assert platform.query('SELECT sku, n FROM shop."在庫"') == [("品1", 4)]


def test_rows_that_are_there_get_the_new_columns_value(mysql, new_platform):
    """As in test_ddl.py: by the statement alone, the table is not read anew."""
    mysql.run("CREATE DATABASE grown")
    mysql.run("CREATE TABLE t (id INT PRIMARY KEY)", database="grown")
    mysql.run("INSERT INTO t VALUES (1), (2), (3)", database="grown")
    platform = new_platform()
    platform.source_add(mysql.url(), "grown.%")
    platform.serve()
    platform.wait(30)
    reads = platform.log.read_text().count("reading tables")
    certain = [d for d in test_ddl.CERTAIN if not d.startswith("TEXT DEFAULT")]  # not in MySQL
    mysql.run(
        "SET sql_mode = '', time_zone = '+09:00'",
        *[f"ALTER TABLE t ADD COLUMN c{n} {d}" for n, d in enumerate(certain)],
        "INSERT INTO t (id) VALUES (4)",
        "DELETE FROM t WHERE id = 2",
        database="grown",
    )
    platform.wait(60)
    compare(mysql, platform, "grown")
    assert platform.log.read_text().count("reading tables") == reads


def test_nothing_is_lost_or_doubled_over_kills_of_both_sides(mysql, new_platform):
    """Random transactions and DDL; Minato's core and the source are killed in their midst."""
    seed = random.randrange(1_000_000)
    print("seed", seed)
    platform = new_platform()
    platform.source_add(mysql.url(), "work.%")
    workload = Workload(mysql, "work", seed, pace=0.02)
    workload.create()
    platform.serve()
    watcher = Watcher(platform, "work")
    for victim in ("core", "source", "core"):
        workload.start()
        wait_for_rows(platform, "SELECT count(*) > 0 FROM work.counter", [(True,)], 60)
        before = workload.transactions
        while workload.transactions < before + 300:
            platform.query("SELECT n FROM work.counter")
        if victim == "core":
            assert platform.kill_role("core")
        else:
            mysql.kill()
            mysql.start()
        workload.stop()
        platform.wait(120)
        compare(mysql, platform, "work")
    watcher.stop()


def test_a_failover_to_a_replica_goes_on_by_gtid(mysql, new_platform):
    """The primary dies; the address in minato.toml leads to a replica: nothing is read anew."""
    mysql.run("CREATE DATABASE fleet", "CREATE TABLE fleet.t (id INT PRIMARY KEY, v INT)")
    directory = scratch("my")
    with Mysql(directory, ["--server-id=2"]).install() as replica:
        replica.start()
        replica.run(
            f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={mysql.port}, "
            f"SOURCE_USER='cdc', SOURCE_PASSWORD='{CDC_PASSWORD}', SOURCE_AUTO_POSITION=1, "
            "GET_SOURCE_PUBLIC_KEY=1",
            "START REPLICA",
        )
        platform = new_platform()
        platform.source_add(mysql.url(), "fleet.%")
        platform.serve()
        mysql.run("INSERT INTO fleet.t VALUES (1, 1), (2, 2)")
        platform.wait(30)
        wait_until(lambda: replica.run("SELECT v FROM fleet.t WHERE id = 2") == ((2,),), 30)
        mysql.kill()
        replica.run("STOP REPLICA", "RESET REPLICA ALL", "UPDATE fleet.t SET v = 3 WHERE id = 2")
        text = platform.config.read_text()
        platform.config.write_text(text.replace(f":{mysql.port}/", f":{replica.port}/"))
        wait_for_rows(platform, "SELECT v FROM fleet.t ORDER BY id", [(1,), (3,)], 60)
        assert not platform.log_has("read anew"), platform.tail()
    shutil.rmtree(directory, ignore_errors=True)
    mysql.start()


def test_doctor_says_what_is_missing(mysql, new_platform):
    mysql.run("CREATE DATABASE ward", "CREATE TABLE ward.t (id INT PRIMARY KEY)")
    platform = new_platform()
    platform.source_add(mysql.url(), "ward.%")
    well = platform.call("doctor").stdout
    assert "gtid_mode" in well and "privileges" in well
    mysql.run("SET GLOBAL gtid_mode='ON_PERMISSIVE'", "REVOKE LOCK TABLES ON *.* FROM 'cdc'@'%'")
    ill = platform.call("doctor", check=False)
    assert ill.returncode != 0
    assert "SET PERSIST gtid_mode='ON'" in ill.stdout and "LOCK TABLES" in ill.stdout
    mysql.run("SET GLOBAL gtid_mode='ON'", "GRANT LOCK TABLES ON *.* TO 'cdc'@'%'")


def test_a_lock_whose_holder_is_not_heard_of_ends(mysql, new_platform):
    """Minato's machine sleeps, or its network is lost, in the moment in which the source's tables
    are locked: the shop's writers wait for seconds, not until the server takes the client for dead.
    """
    mysql.run("CREATE DATABASE depot", "CREATE TABLE depot.t (id INT PRIMARY KEY)")
    platform = new_platform(failpoint_build=True)
    platform.source_add(mysql.url(), "depot.%")
    platform.aim("mysql.tables_locked=wait")
    platform.serve_aimed()
    locked = lambda: mysql.run("SHOW OPEN TABLES FROM depot WHERE In_use > 0")  # noqa: E731
    wait_until(locked, 30, what="the table to be locked")
    with pytest.raises(OperationalError, match="Lock wait timeout"):
        mysql.run("SET lock_wait_timeout=1", "INSERT INTO depot.t VALUES (1)")
    mysql.run("SET lock_wait_timeout=20", "INSERT INTO depot.t VALUES (2)")
    platform.aim("")
    platform.wait(30)
    compare(mysql, platform, "depot")
    # The view that was opened without the lock was not used.
    assert platform.log_has("inactivity"), platform.tail()


@pytest.mark.parametrize("native", ["ON", "OFF"])
def test_rows_that_foreign_keys_change(new_platform, native):
    """Since 9.6 they may be in the log; else the tables are read anew."""
    directory = scratch("my")
    with Mysql(directory, ["--loose-innodb-native-foreign-keys=" + native]).install() as server:
        server.start().create_cdc_user()
        server.run(
            "CREATE DATABASE shop",
            "CREATE TABLE shop.p (id INT PRIMARY KEY, code INT UNIQUE)",
            "CREATE TABLE shop.c (id INT PRIMARY KEY, p INT, k INT,"
            " FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE,"
            " FOREIGN KEY (k) REFERENCES p (code) ON UPDATE CASCADE ON DELETE SET NULL)",
            "INSERT INTO shop.p VALUES (1, 1), (2, 2), (3, 3)",
            "INSERT INTO shop.c VALUES (1, 1, 2), (2, 2, 3), (3, 3, 1)",
        )
        platform = new_platform()
        platform.source_add(server.url(), "shop.%")
        platform.serve()
        platform.wait(30)
        for change in (
            "UPDATE shop.p SET code = 10 WHERE id = 1",
            "DELETE FROM shop.p WHERE id = 2",
        ):
            server.run(change)
            platform.wait(60)
            compare(server, platform, "shop")
        by_log = server.run("SHOW VARIABLES LIKE 'innodb_native_foreign_keys'")
        in_log = bool(by_log) and by_log[0][1] == "OFF"
        assert bool(platform.log_has("source_foreign_key")) != in_log
    shutil.rmtree(directory, ignore_errors=True)
