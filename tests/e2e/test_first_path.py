"""The main job: what is committed at the source can be read at the gate a moment later, exactly
once."""

import os
import subprocess

import pytest

from harness.compare import compare
from harness.ports import wait_until
from harness.minato import wait_for_rows


def test_rows_reach_psql_within_seconds(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE orders (id INT PRIMARY KEY, item VARCHAR(40), price DECIMAL(9,2))",
        "INSERT INTO orders VALUES (1, 'tea', 3.50), (2, '抹茶', 8.00)",
        database=db,
    )
    shared.wait(20)
    out = subprocess.run(
        [
            "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(shared.gate_port),
            "-U",
            shared.user,
            "-d",
            "minato",
            "-At",
            "-c",
            f"SELECT id, item, price FROM {db}.orders ORDER BY id",
        ],
        env={**os.environ, "PGPASSWORD": shared.password},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert out.stdout == "1|tea|3.50\n2|抹茶|8.00\n", out.stderr


def test_insert_update_delete(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT, s VARCHAR(20))",
        "INSERT INTO t SELECT seq, seq, CONCAT('s', seq) FROM seq_1_to_1000",
        "UPDATE t SET v = v + 1 WHERE id % 3 = 0",
        "DELETE FROM t WHERE id % 5 = 0",
        "INSERT INTO t VALUES (5, 50, 'again')",
        "UPDATE t SET s = NULL WHERE id = 5",
        database=db,
    )
    shared.wait(20)
    compare(mariadb, shared, db)
    mariadb.run("DELETE FROM t", "INSERT INTO t VALUES (1, 1, 'one')", database=db)
    shared.wait(20)
    compare(mariadb, shared, db)


def test_primary_key_updates(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE t (a INT, b VARCHAR(10), v INT, PRIMARY KEY (a, b))",
        "INSERT INTO t SELECT seq, CONCAT('k', seq), 0 FROM seq_1_to_100",
        "UPDATE t SET a = a + 1000 WHERE a <= 50",  # new keys
        "UPDATE t SET a = a + 1 ORDER BY a DESC",  # each key moves onto its neighbour's place
        "UPDATE t SET a = a - 1 ORDER BY a",
        database=db,
    )
    shared.wait(20)
    compare(mariadb, shared, db)
    with mariadb.connect(db, autocommit=False) as c, c.cursor() as cursor:
        cursor.execute(
            "UPDATE t SET a = -1 WHERE a = 60"
        )  # two rows swap their keys in one transaction
        cursor.execute("UPDATE t SET a = 60, v = 61 WHERE a = 61")
        cursor.execute("UPDATE t SET a = 61, v = 60 WHERE a = -1")
        c.commit()
    shared.wait(20)
    compare(mariadb, shared, db)


def test_keys_that_differ_only_by_collation(mariadb, shared, db):
    # 'a' and 'A' are one key for the source: an UPDATE may change the spelling of a key.
    mariadb.run(
        "CREATE TABLE t (k VARCHAR(20) PRIMARY KEY, v INT)",
        "INSERT INTO t VALUES ('apple', 1), ('Pear', 2), ('ß', 3)",
        "UPDATE t SET k = 'APPLE', v = 10 WHERE k = 'apple'",
        "REPLACE INTO t VALUES ('pear', 20)",
        database=db,
    )
    shared.wait(20)
    compare(mariadb, shared, db)


def test_tables_without_a_primary_key(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE log (at INT, what VARCHAR(20), d DOUBLE)",
        "INSERT INTO log SELECT seq % 10, CONCAT('w', seq % 3), seq % 2 / 3 FROM seq_1_to_300",
        "INSERT INTO log VALUES (NULL, NULL, NULL), (NULL, NULL, NULL), (NULL, '', NULL)",
        "DELETE FROM log WHERE at = 3 LIMIT 7",  # some of several equal rows
        "UPDATE log SET what = 'changed' WHERE at = 4 LIMIT 5",
        "DELETE FROM log WHERE at IS NULL LIMIT 1",
        database=db,
    )
    shared.wait(20)
    compare(mariadb, shared, db)
    mariadb.run(
        "UPDATE log SET what = 'all'",
        "INSERT INTO log SELECT * FROM log",
        "DELETE FROM log LIMIT 100",
        database=db,
    )
    shared.wait(20)
    compare(mariadb, shared, db)


def test_rolled_back_changes_never_show(mariadb, shared, db):
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY)", database=db)
    with mariadb.connect(db, autocommit=False) as c, c.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")
        c.rollback()
        cursor.execute("INSERT INTO t VALUES (2)")
        cursor.execute("SAVEPOINT s")
        cursor.execute("INSERT INTO t VALUES (3)")
        cursor.execute("ROLLBACK TO s")
        c.commit()
    shared.wait(20)
    assert shared.query(f"SELECT id FROM {db}.t") == [(2,)]


@pytest.mark.slow
def test_snapshots_show_whole_transactions(mariadb, shared, db):
    """Money moves between two tables; a reader at the gate must never see it missing or doubled."""
    mariadb.run(
        "CREATE TABLE a (id INT PRIMARY KEY, money BIGINT)",
        "CREATE TABLE b (id INT PRIMARY KEY, money BIGINT)",
        "INSERT INTO a SELECT seq, 100 FROM seq_1_to_50",
        "INSERT INTO b SELECT seq, 100 FROM seq_1_to_50",
        database=db,
    )
    shared.wait(20)
    total = (
        f"SELECT CAST((SELECT sum(money) FROM {db}.a) + (SELECT sum(money) FROM {db}.b) AS BIGINT)"
    )
    seen = set()
    with mariadb.connect(db, autocommit=False) as c, c.cursor() as cursor, shared.connect() as gate:
        for i in range(300):
            cursor.execute("UPDATE a SET money = money - 1 WHERE id = %s", (i % 50 + 1,))
            cursor.execute("UPDATE b SET money = money + 1 WHERE id = %s", (i % 49 + 1,))
            c.commit()
            if i % 3 == 0:
                seen.add(gate.execute(total).fetchone()[0])
    assert seen == {10000}
    shared.wait(20)
    compare(mariadb, shared, db)


def test_what_stood_there_before_minato(own_mariadb, new_platform):
    """The snapshot: consistent with the stream while the source goes on writing."""
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.big (id INT PRIMARY KEY, s VARCHAR(50), n INT)",
        "INSERT INTO shop.big SELECT seq, CONCAT('row ', seq), seq % 7 FROM seq_1_to_200000",
        "CREATE TABLE shop.nokey (n INT)",
        "INSERT INTO shop.nokey SELECT seq % 9 FROM seq_1_to_1000",
        "CREATE TABLE shop.empty (n INT PRIMARY KEY)",
        "CREATE TABLE shop.skipped_too (n INT)",
        "CREATE DATABASE other",
        "CREATE TABLE other.t (n INT)",
    )
    platform = new_platform()
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.start()
    with own_mariadb.connect("shop") as c, c.cursor() as cursor:
        for i in range(400):  # while the snapshot runs
            cursor.execute("UPDATE big SET n = n + 1 WHERE id = %s", (i * 37 % 200000 + 1,))
            cursor.execute("DELETE FROM big WHERE id = %s", (i * 101 % 200000 + 1,))
            cursor.execute("INSERT INTO nokey VALUES (%s)", (i,))
    platform.ready()
    platform.wait(60)
    compare(own_mariadb, platform, "shop")
    names = {(t["schema"], t["name"]) for t in platform.status()["tables"]}
    assert ("shop", "big") in names and not any(schema == "other" for schema, _ in names)
    assert platform.stop() == 0


@pytest.mark.slow
def test_one_transaction_larger_than_a_batch(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(80), n INT)",
        "INSERT INTO t SELECT seq, REPEAT('x', 60), 1 FROM seq_1_to_600000",
        "UPDATE t SET n = n + 1",
        "DELETE FROM t WHERE id % 2",
        database=db,
    )
    shared.wait(120)
    wait_for_rows(shared, f"SELECT count(*), sum(n)::BIGINT FROM {db}.t", [(300000, 600000)])
    compare(mariadb, shared, db)


def test_status_tells_rows_and_lag(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY)",
        "INSERT INTO t SELECT seq FROM seq_1_to_77",
        database=db,
    )
    shared.wait(20)
    table = wait_until(lambda: shared.table_state(db, "t"), 10, what="the table's state")
    wait_until(lambda: shared.table_state(db, "t")["rows"] == 77, 10, what="77 rows in status")
    assert set(table) >= {"schema", "name", "rows", "applied_at", "lag_ms", "state"}
    source = shared.status()["sources"][0]
    assert (
        set(source) >= {"name", "state", "position", "lag_ms", "error"}
        and source["state"] == "streaming"
    )
