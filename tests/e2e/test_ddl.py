"""Schema changes at the source are followed without anybody's help, with rows in flight on both
sides of each."""

import pytest

from harness.compare import compare, lake_columns
from harness.ports import wait_until


@pytest.fixture
def table(mariadb, db):
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(20))",
        "INSERT INTO t SELECT seq, seq, CONCAT('b', seq) FROM seq_1_to_50",
        database=db,
    )
    return db


CHANGES = {
    "add_last": ["ALTER TABLE t ADD COLUMN c INT DEFAULT 5"],
    "add_first": ["ALTER TABLE t ADD COLUMN c VARCHAR(10) NOT NULL DEFAULT 'd' FIRST"],
    "add_after": ["ALTER TABLE t ADD COLUMN c DATE AFTER a"],
    "add_many": [
        "ALTER TABLE t ADD COLUMN c DATE AFTER a, ADD COLUMN d DECIMAL(9,2) DEFAULT 1.25 FIRST"
    ],
    "add_no_default": ["ALTER TABLE t ADD COLUMN c INT NOT NULL"],
    "drop": ["ALTER TABLE t DROP COLUMN a"],
    "rename": ["ALTER TABLE t RENAME COLUMN a TO z"],
    "change": ["ALTER TABLE t CHANGE COLUMN a `新しい名前` INT"],
    "swap_names": [
        "ALTER TABLE t RENAME COLUMN a TO x",
        "ALTER TABLE t ADD COLUMN a INT DEFAULT 9",
    ],
    "drop_and_add_same_name": [
        "ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE t ADD COLUMN a VARCHAR(9) DEFAULT 'new'",
    ],
    "widen_int": ["ALTER TABLE t MODIFY a BIGINT"],
    "widen_text": ["ALTER TABLE t MODIFY b VARCHAR(2000)"],
    "widen_decimal": [
        "ALTER TABLE t ADD COLUMN m DECIMAL(6,2) DEFAULT 12.34",
        "ALTER TABLE t MODIFY m DECIMAL(12,2)",
    ],
    "number_to_text": ["ALTER TABLE t MODIFY a VARCHAR(30)"],
    "narrow": ["UPDATE t SET a = 1", "ALTER TABLE t MODIFY a TINYINT"],
    "key_moves": ["ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b)"],
    "key_goes": ["ALTER TABLE t DROP PRIMARY KEY"],
    "truncate": ["TRUNCATE TABLE t"],
    "index_only": ["CREATE INDEX i ON t (a)", "ALTER TABLE t COMMENT 'words'", "DROP INDEX i ON t"],
    "reorder": ["ALTER TABLE t MODIFY b VARCHAR(20) FIRST"],
}


@pytest.mark.parametrize("change", CHANGES)
def test_alter(mariadb, shared, table, change):
    shared.wait(20)
    mariadb.run(
        "UPDATE t SET b = 'before' WHERE id = 7",
        "DELETE FROM t WHERE id = 8",
        *CHANGES[change],
        "UPDATE t SET b = CONCAT('after', id) WHERE id IN (9, 10)",
        "DELETE FROM t WHERE id = 11",
        database=table,
    )
    columns = {"drop": "(id, b)"}.get(change, "(id, a, b)")
    if change in ("rename", "change"):
        columns = "(id, b)"
    row = "(1001, '1')" if columns == "(id, b)" else "(1001, 1, '1')"
    c = "c" if change == "add_no_default" else None
    insert = f"INSERT INTO t {columns} VALUES {row}"
    if c:
        insert = insert.replace("(id, a, b)", "(id, a, b, c)").replace("1, '1')", "1, '1', 3)")
    mariadb.run(insert, database=table)
    shared.wait(30)
    compare(mariadb, shared, table)
    mariadb.run(
        "DELETE FROM t WHERE id > 40", "UPDATE t SET b = 'x' WHERE id = 1001", database=table
    )
    shared.wait(30)
    compare(mariadb, shared, table)


# What a new column holds in the rows that are there, by the statement alone …
CERTAIN = [
    "INT NOT NULL",
    "INT DEFAULT 5",
    "BIGINT UNSIGNED NOT NULL DEFAULT '18446744073709551615'",
    "TINYINT(1) NOT NULL DEFAULT TRUE",
    "BIT(1) NOT NULL DEFAULT b'1'",
    "DECIMAL(9,2) DEFAULT -1.25",
    "DECIMAL(38,10) NOT NULL DEFAULT 1234567890123456789012345678.0123456789",
    "DOUBLE NOT NULL DEFAULT 0.0",
    "FLOAT(7,2) DEFAULT -12",
    "YEAR DEFAULT 1999",
    "DATE DEFAULT '2024-02-29'",
    "DATE NOT NULL",
    "DATE NOT NULL DEFAULT '0000-00-00'",
    "DATETIME(6) NOT NULL DEFAULT '2026-01-02'",
    "DATETIME NOT NULL DEFAULT '2026-01-02 03:04:05'",
    "TIMESTAMP NULL",
    "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
    "TIMESTAMP DEFAULT '2026-01-02 03:04:05'",
    "DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP",
    "CHAR(9) NOT NULL DEFAULT 'chars'",
    "VARCHAR(20) NOT NULL DEFAULT 'it''s \\\\ \\n \\% 名🍣'",
    "VARCHAR(9) CHARACTER SET cp932 DEFAULT 'ascii~'",
    "VARCHAR(9) CHARACTER SET utf8mb3 DEFAULT '名前'",
    "TEXT NOT NULL",
    "TEXT DEFAULT '{}'",
    "ENUM('いち','two') NOT NULL",
    "ENUM('いち','two') DEFAULT 'two'",
    "SET('a','b') NOT NULL DEFAULT ''",
]
# … or only by asking the source.
UNCERTAIN = [
    "INT DEFAULT (1 + 1)",
    "INT DEFAULT 1.5",
    "INT AS (id * 2) STORED",
    "BIT(8) DEFAULT b'101'",
    "DOUBLE DEFAULT 0.1",
    "FLOAT(7,2) DEFAULT 1.234",
    "TIME DEFAULT '-01:00:00'",
    "DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6)",
    "CHAR(9) DEFAULT 'a  '",
    "VARCHAR(9) DEFAULT 12",
    "VARCHAR(9) CHARACTER SET cp932 DEFAULT '名'",
    "VARBINARY(9) DEFAULT 'ab'",
    "ENUM('a','b') DEFAULT 'B'",
    "UUID DEFAULT '123e4567-e89b-12d3-a456-426614174000'",
]


@pytest.mark.slow
def test_rows_that_are_there_get_the_new_columns_value(mariadb, shared, db):
    """Constant defaults are followed without reading the table anew, others by doing so. Rows from
    before are then changed and found, by their key and, without one, by all that they hold."""
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, a INT)",
        "CREATE TABLE keyless (id INT, a INT)",
        "INSERT INTO t SELECT seq, seq FROM seq_1_to_50",
        "INSERT INTO keyless SELECT seq DIV 2, 1 FROM seq_1_to_50",
        database=db,
    )
    shared.wait(30)

    zones = ("+09:00", "-03:30")  # of the sessions

    def add(name, definitions, first):
        for n, definition in enumerate(definitions):
            for table in ("t", "keyless"):
                mariadb.run(
                    f"SET time_zone = '{zones[n % 2]}'",
                    f"ALTER TABLE {table} ADD COLUMN {name}{n} {definition}",
                    f"UPDATE {table} SET a = a + 1 WHERE id = {n}",
                    f"DELETE FROM {table} WHERE id = {n + 1} LIMIT 1",
                    "SET sql_mode = ''",
                    f"INSERT INTO {table} (id, a) VALUES ({first + n}, 1)",
                    database=db,
                )
        shared.wait(60)
        compare(mariadb, shared, db)

    reads = shared.log.read_text().count("reading tables")
    add("certain", CERTAIN, 1000)
    assert shared.log.read_text().count("reading tables") == reads
    add("uncertain", UNCERTAIN, 2000)


def test_create_drop_create_again(mariadb, shared, db):
    mariadb.run("CREATE TABLE n (id INT PRIMARY KEY)", "INSERT INTO n VALUES (1)", database=db)
    shared.wait(20)
    compare(mariadb, shared, db)
    mariadb.run(
        "DROP TABLE n",
        "CREATE TABLE n (k VARCHAR(9) PRIMARY KEY, v INT)",
        "INSERT INTO n VALUES ('x', 2)",
        database=db,
    )
    shared.wait(20)
    compare(mariadb, shared, db)
    mariadb.run("DROP TABLE n", database=db)
    shared.wait(20)
    with shared.connect() as gate, pytest.raises(Exception, match="n"):
        gate.execute(f"SELECT * FROM {db}.n")


def test_rename_table(mariadb, shared, table):
    shared.wait(20)
    mariadb.run("RENAME TABLE t TO moved", "INSERT INTO moved VALUES (900, 1, 'r')", database=table)
    shared.wait(20)
    compare(mariadb, shared, table)
    mariadb.run(
        "CREATE TABLE t LIKE moved",
        "INSERT INTO t VALUES (1, 1, 'new t')",
        "RENAME TABLE t TO aside, moved TO t, aside TO moved",  # the two change places
        "INSERT INTO t VALUES (901, 1, 'r')",
        database=table,
    )
    shared.wait(20)
    compare(mariadb, shared, table)


def test_table_leaves_and_enters_the_pattern(mariadb, shared, db):
    mariadb.run(
        "CREATE DATABASE IF NOT EXISTS outside",
        "DROP TABLE IF EXISTS outside.t",
        "CREATE TABLE outside.t (id INT PRIMARY KEY, s VARCHAR(9))",
        "INSERT INTO outside.t VALUES (1, 'old'), (2, 'old')",
        f"RENAME TABLE outside.t TO {db}.t",
        f"INSERT INTO {db}.t VALUES (3, 'new')",
    )
    shared.wait(30)
    compare(mariadb, shared, db)
    mariadb.run(f"RENAME TABLE {db}.t TO outside.t", "DROP DATABASE outside")
    shared.wait(30)
    with shared.connect() as gate, pytest.raises(Exception):
        gate.execute(f"SELECT * FROM {db}.t")


def test_create_table_as_select_and_like(mariadb, shared, table):
    mariadb.run(
        "CREATE TABLE copied AS SELECT * FROM t WHERE id <= 10",
        "CREATE TABLE shaped LIKE t",
        "INSERT INTO shaped SELECT * FROM t",
        "CREATE OR REPLACE TABLE copied (only_this INT)",
        "INSERT INTO copied VALUES (4)",
        database=table,
    )
    shared.wait(20)
    compare(mariadb, shared, table)


def test_drop_database(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE one (id INT PRIMARY KEY)",
        "CREATE TABLE two (id INT)",
        "INSERT INTO one VALUES (1)",
        database=db,
    )
    shared.wait(20)
    mariadb.run(
        f"DROP DATABASE {db}",
        f"CREATE DATABASE {db}",
        f"CREATE TABLE {db}.one (n INT PRIMARY KEY)",
        f"INSERT INTO {db}.one VALUES (2)",
    )
    shared.wait(20)
    compare(mariadb, shared, db)
    with shared.connect() as gate, pytest.raises(Exception):
        gate.execute(f"SELECT * FROM {db}.two")


def test_ddl_inside_a_stream_of_changes(mariadb, shared, table):
    """Statements on other tables go on while the shape of one changes again and again."""
    mariadb.run("CREATE TABLE other (id INT PRIMARY KEY AUTO_INCREMENT, n INT)", database=table)
    with mariadb.connect(table) as c, c.cursor() as cursor:
        for i in range(12):
            cursor.execute("INSERT INTO other (n) VALUES (%s)", (i,))
            cursor.execute(f"ALTER TABLE t ADD COLUMN c{i} INT DEFAULT {i}")
            cursor.execute("UPDATE t SET a = a + 1")
            if i % 3 == 2:
                cursor.execute(f"ALTER TABLE t DROP COLUMN c{i - 1}")
            cursor.execute("INSERT INTO t (id, a) VALUES (%s, %s)", (2000 + i, i))
    shared.wait(60)
    compare(mariadb, shared, table)


def test_views_triggers_and_odd_statements_do_no_harm(mariadb, shared, table):
    mariadb.run(
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 5",
        "INSERT INTO t (id) VALUES (700)",
        "DROP TRIGGER tr",
        "DROP VIEW v",
        "ANALYZE TABLE t",
        "OPTIMIZE TABLE t",
        "CREATE TEMPORARY TABLE tmp (i INT)",
        "INSERT INTO tmp VALUES (1)",
        "DROP TEMPORARY TABLE tmp",
        "CREATE SEQUENCE s",
        "SELECT NEXTVAL(s)",
        "DROP SEQUENCE s",
        "/* a comment */ ALTER TABLE /*! t */ ADD COLUMN `select` INT DEFAULT 3 -- so",
        "INSERT INTO t (id) VALUES (701)",
        database=table,
    )
    shared.wait(30)
    compare(mariadb, shared, table)
    with shared.connect() as gate:
        assert "select" in wait_until(lambda: lake_columns(gate, table, "t"))


def test_table_that_the_account_could_not_see_at_the_start(own_mariadb, new_platform):
    """No DDL tells of it, only its rows: it is read then, with those of before."""
    own_mariadb.start().create_cdc_user(
        privileges="REPLICATION SLAVE, REPLICATION CLIENT",
    )
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.seen (id INT PRIMARY KEY)",
        "CREATE TABLE shop.hidden (id INT PRIMARY KEY, s VARCHAR(20))",
        "INSERT INTO shop.hidden SELECT seq, 'before' FROM seq_1_to_100",
        "GRANT SELECT ON shop.seen TO cdc@'%'",
    )
    platform = new_platform()
    platform.source_add(own_mariadb.url(), "shop.%", check=False)
    platform.serve()
    platform.wait(30)
    assert platform.table_state("shop", "hidden") is None
    own_mariadb.run(
        "GRANT SELECT ON shop.hidden TO cdc@'%'",
        "INSERT INTO shop.hidden VALUES (101, 'after')",
        "UPDATE shop.hidden SET s = 'changed' WHERE id = 7",
    )
    platform.wait(30)
    compare(own_mariadb, platform, "shop")
