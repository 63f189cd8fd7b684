"""Foreign keys that change rows by themselves: the source's log does not have those changes, so the
tables are read anew, and until then nobody is told that they are right."""

import pytest

from harness.compare import compare
from harness.minato import wait_for_rows

pytestmark = pytest.mark.slow

TABLES = (
    "CREATE TABLE shop.parent (id INT PRIMARY KEY, code VARCHAR(20) UNIQUE, note INT)",
    "CREATE TABLE shop.gone (id INT PRIMARY KEY, p INT, UNIQUE (p), CONSTRAINT gone_key"
    " FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
    "CREATE TABLE shop.nulled (id INT PRIMARY KEY, p INT, CONSTRAINT nulled_key"
    " FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL)",
    "CREATE TABLE shop.followed (id INT PRIMARY KEY, c VARCHAR(20), CONSTRAINT followed_key"
    " FOREIGN KEY (c) REFERENCES parent (code) ON UPDATE CASCADE ON DELETE SET NULL)",
    "CREATE TABLE shop.grandchild (id INT PRIMARY KEY, g INT, CONSTRAINT grand_key"
    " FOREIGN KEY (g) REFERENCES gone (id) ON DELETE CASCADE)",
    "CREATE TABLE shop.tree (id INT PRIMARY KEY, up INT, CONSTRAINT tree_key"
    " FOREIGN KEY (up) REFERENCES tree (id) ON DELETE CASCADE)",
    "CREATE TABLE shop.strict (id INT PRIMARY KEY, p INT,"
    " FOREIGN KEY (p) REFERENCES parent (id))",
    "INSERT INTO shop.parent SELECT seq, CONCAT('c', seq), 0 FROM seq_1_to_40",
    "INSERT INTO shop.gone SELECT seq, seq FROM seq_1_to_40",
    "INSERT INTO shop.nulled SELECT seq, seq FROM seq_1_to_40",
    "INSERT INTO shop.followed SELECT seq, CONCAT('c', seq) FROM seq_1_to_40",
    "INSERT INTO shop.grandchild SELECT seq, seq FROM seq_1_to_40",
    "INSERT INTO shop.tree SELECT seq, NULLIF(seq DIV 2, 0) FROM seq_1_to_40",
    "INSERT INTO shop.strict VALUES (1, 40)",
)


def lost(platform, since=0):
    """Tables that were taken for wrong because of a key, after so much of the log."""
    text = platform.log.read_text()[since:]
    lines = [line for line in text.splitlines() if "source_foreign_key" in line]
    return {line.split("table=")[1].split()[0] for line in lines}


@pytest.fixture
def shop(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run("CREATE DATABASE shop", *TABLES)
    platform = new_platform()
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    return own_mariadb, platform


def test_rows_that_keys_changed_are_read_anew(shop):
    source, platform = shop
    compare(source, platform, "shop")
    source.run("UPDATE shop.parent SET note = 1", "DELETE FROM shop.nulled WHERE id = 40")
    platform.wait(30)
    assert lost(platform) == set()  # no key is concerned
    for change, tables in (
        ("DELETE FROM shop.parent WHERE id = 3", {"gone", "nulled", "followed", "grandchild"}),
        ("UPDATE shop.parent SET code = 'other' WHERE id = 4", {"followed"}),
        ("DELETE FROM shop.gone WHERE id = 5", {"grandchild"}),
        ("DELETE FROM shop.tree WHERE id = 9", {"tree"}),
    ):
        before = len(platform.log.read_text())
        source.run(change)
        platform.wait(60)
        compare(source, platform, "shop")
        assert lost(platform, before) == {f"shop.{table}" for table in tables}
    said = platform.catalogue(
        "SELECT text FROM minato.incident WHERE key = 'capture/shop.gone' AND state = 'resolved'"
    )[0][0]
    for word in ("gone_key", "ON DELETE CASCADE", "shop.parent", "binary log", "RESTRICT"):
        assert word in said, said
    assert platform.status()["incidents"] == []


def test_until_it_is_read_the_table_is_not_told_to_be_right(shop):
    source, platform = shop
    # Again and again: each time it is read later, and meanwhile says so.
    for n in range(1, 5):
        source.run(f"DELETE FROM shop.gone WHERE id = {n}")
        wait_for_rows(platform, f"SELECT count(*) FROM shop.gone WHERE id = {n}", [(0,)], 20)
        old = platform.query(f"SELECT count(*) FROM shop.grandchild WHERE g = {n}") == [(1,)]
        state = platform.table_state("shop", "grandchild")
        if old and platform.query(f"SELECT count(*) FROM shop.grandchild WHERE g = {n}") == [(1,)]:
            assert state["state"] == "repairing" and "grand_key" in state["error"], state
        code = platform.call("wait", "--timeout", "0", check=False).returncode
        count = platform.query(f"SELECT count(*) FROM shop.grandchild WHERE g = {n}")
        assert code == 4 or count == [(0,)], (code, count)
    platform.wait(60)
    compare(source, platform, "shop")
    assert platform.table_state("shop", "grandchild")["state"] == "streaming"


def test_parents_that_are_not_captured_and_keys_that_come_and_go(own_mariadb, new_platform):
    source = own_mariadb
    source.start().create_cdc_user()
    source.run(
        "CREATE DATABASE shop",
        "CREATE DATABASE outside",
        "CREATE TABLE outside.p (id INT PRIMARY KEY, code INT UNIQUE, n INT)",
        "INSERT INTO outside.p SELECT seq, seq, 0 FROM seq_1_to_40",
        "CREATE TABLE shop.c (id INT PRIMARY KEY, p INT, k INT)",
        "INSERT INTO shop.c SELECT seq, seq, seq FROM seq_1_to_40",
        "ALTER TABLE shop.c ADD CONSTRAINT one FOREIGN KEY (k) REFERENCES outside.p (code)"
        " ON UPDATE CASCADE ON DELETE CASCADE",
    )
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)

    def after(tables, *changes):
        before = len(platform.log.read_text())
        source.run(*changes)
        platform.wait(60)
        compare(source, platform, "shop")
        assert lost(platform, before) == tables

    after(set(), "UPDATE outside.p SET n = 1")
    after({"shop.c"}, "UPDATE outside.p SET code = 100 WHERE id = 10")
    after({"shop.c"}, "DELETE FROM outside.p WHERE id = 11")
    after(set(), "SET foreign_key_checks = 0", "DELETE FROM outside.p WHERE id = 12")
    source.run("ALTER TABLE shop.c DROP FOREIGN KEY one")
    after(set(), "DELETE FROM outside.p WHERE id = 13")
    after(
        {"shop.c"},
        "DELETE FROM shop.c WHERE p IN (12, 13)",
        "ALTER TABLE shop.c ADD CONSTRAINT two FOREIGN KEY (p) REFERENCES outside.p (id)"
        " ON DELETE SET NULL",
        "DELETE FROM outside.p WHERE id = 14",
    )
    # A key of which nothing is left when Minato comes back.
    platform.stop()
    source.run(
        "DELETE FROM outside.p WHERE id = 15",
        "ALTER TABLE shop.c DROP FOREIGN KEY two",
        "INSERT INTO shop.c VALUES (1000, 1, 1)",
    )
    platform.serve()
    platform.wait(60)
    compare(source, platform, "shop")
    # Nor its parent's name.
    source.run(
        "ALTER TABLE shop.c ADD CONSTRAINT three FOREIGN KEY (p) REFERENCES outside.p (id)"
        " ON DELETE CASCADE"
    )
    platform.wait(60)
    platform.stop()
    source.run("DELETE FROM outside.p WHERE id = 16", "RENAME TABLE outside.p TO outside.q")
    platform.serve()
    platform.wait(60)
    compare(source, platform, "shop")
