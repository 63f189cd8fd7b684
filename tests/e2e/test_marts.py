"""A mart is a file with one SELECT; everything else (order, refresh, retries) comes from the text
itself."""

import pytest

from harness.compare import lake_columns
from harness.minato import wait_for_rows
from harness.ports import wait_until


@pytest.fixture
def orders(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE orders (id INT PRIMARY KEY, shop VARCHAR(20), price INT)",
        "INSERT INTO orders SELECT seq, CONCAT('s', seq % 3), seq FROM seq_1_to_99",
        database=db,
    )
    shared.wait(20)
    return db


def state_is(platform, mart, wanted, seconds=20):
    return wait_until(
        lambda: (platform.mart_state(mart) or {}).get("state") == wanted,
        seconds,
        what=f"{mart} to be {wanted} (now {platform.mart_state(mart)})",
    )


def leaves(platform, mart):
    """The file is gone: the mart goes too, after a while in which the file may come back."""

    def going():
        state = platform.mart_state(mart)
        return state is None or "file" in state["why"]

    wait_until(going, 20, what=f"{mart} to leave")


def test_chain_follows_the_source(mariadb, shared, orders):
    db = orders
    # Written in the wrong order on purpose: nobody declares what depends on what.
    shared.mart(f"{db}_m.best", f"SELECT max(total) AS best FROM {db}_m.by_shop")
    shared.mart(
        f"{db}_m.by_shop",
        f"SELECT shop, sum(price)::BIGINT AS total FROM {db}.orders GROUP BY shop",
    )
    wait_for_rows(
        shared,
        f"SELECT shop, total FROM {db}_m.by_shop ORDER BY 1",
        [("s0", 1683), ("s1", 1617), ("s2", 1650)],
        20,
    )
    wait_for_rows(shared, f"SELECT best FROM {db}_m.best", [(1683,)], 20)
    mariadb.run("INSERT INTO orders VALUES (1000, 's2', 5000)", database=db)
    wait_for_rows(shared, f"SELECT best FROM {db}_m.best", [(6650,)], 20)
    mart = shared.mart_state(f"{db}_m.best")
    assert set(mart) >= {"schema", "name", "state", "last_success_at", "duration_ms", "why"}


def test_edited_and_removed_files(mariadb, shared, orders):
    db = orders
    path = shared.mart(f"{db}_m.m", f"SELECT count(*) AS n FROM {db}.orders")
    wait_for_rows(shared, f"SELECT n FROM {db}_m.m", [(99,)], 20)
    shared.mart(
        f"{db}_m.m", f"SELECT count(*) AS n, 'second' AS version FROM {db}.orders WHERE id > 90"
    )
    wait_until(lambda: shared.query(f"SELECT n, version FROM {db}_m.m") == [(9, "second")], 20)
    path.unlink()
    leaves(shared, f"{db}_m.m")


def test_japanese_and_quoted_names(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE `注文` (`番号` INT PRIMARY KEY, `金 額` INT)",
        "INSERT INTO `注文` VALUES (1, 300), (2, 450)",
        database=db,
    )
    shared.wait(20)
    shared.mart(f"{db}_m.売上", f'SELECT sum("金 額")::BIGINT AS "合計" FROM {db}."注文"')
    shared.mart(
        f"{db}_m.二段目",
        f'WITH x AS (SELECT "合計" * 2 AS v FROM {db}_m."売上") '
        f'SELECT v FROM x UNION ALL (SELECT 1 WHERE EXISTS (SELECT 1 FROM {db}."注文"))',
    )
    wait_for_rows(
        shared, f'SELECT v::BIGINT FROM {db}_m."二段目" ORDER BY 1 DESC', [(1500,), (1,)], 20
    )


@pytest.mark.slow
def test_failing_mart_keeps_its_last_contents(mariadb, shared, orders):
    db = orders
    shared.mart(
        f"{db}_m.ratio", f"SELECT sum(CAST(shop[2:] AS INTEGER))::BIGINT AS n FROM {db}.orders"
    )
    shared.mart(f"{db}_m.after", f"SELECT n + 1 AS n FROM {db}_m.ratio")
    wait_for_rows(shared, f"SELECT n FROM {db}_m.after", [(100,)], 20)
    mariadb.run("INSERT INTO orders VALUES (500, 'no number', 1)", database=db)
    state_is(shared, f"{db}_m.ratio", "failed")
    assert shared.query(f"SELECT n FROM {db}_m.ratio") == [(99,)]
    assert shared.query(f"SELECT n FROM {db}_m.after") == [(100,)]
    assert shared.mart_state(f"{db}_m.ratio")["why"]
    mariadb.run(
        "UPDATE orders SET shop = 's7' WHERE id = 500", database=db
    )  # the cause goes: it recovers by itself
    wait_for_rows(shared, f"SELECT n FROM {db}_m.after", [(107,)], 40)
    state_is(shared, f"{db}_m.ratio", "ok")


def test_cycles_and_bad_sql_are_explained(shared, orders):
    db = orders
    shared.mart(f"{db}_m.good", f"SELECT count(*) AS n FROM {db}.orders")
    shared.mart(f"{db}_m.egg", f"SELECT * FROM {db}_m.hen")
    shared.mart(f"{db}_m.hen", f"SELECT * FROM {db}_m.egg")
    shared.mart(f"{db}_m.typo", f"SELEC 1 FROM {db}.orders")
    shared.mart(f"{db}_m.two", f"SELECT 1 AS a; DROP TABLE {db}.orders")
    wait_for_rows(shared, f"SELECT n FROM {db}_m.good", [(99,)], 20)
    for name in ("egg", "hen"):
        state_is(shared, f"{db}_m.{name}", "invalid")
        why = shared.mart_state(f"{db}_m.{name}")["why"]
        assert "egg" in why and "hen" in why, why
    state_is(shared, f"{db}_m.typo", "invalid")
    state_is(shared, f"{db}_m.two", "invalid")
    check = shared.call("check", check=False)
    text = check.stdout + check.stderr
    assert check.returncode != 0 and "hen" in text and "typo.sql" in text, text
    for name in ("egg", "hen", "typo", "two"):
        (shared.directory / "marts" / f"{db}_m" / f"{name}.sql").unlink()
    leaves(shared, f"{db}_m.egg")


def test_mart_waits_for_a_table_that_is_not_there_yet(mariadb, shared, db):
    shared.mart(f"{db}_m.early", f"SELECT count(*) AS n FROM {db}.later")
    wait_until(lambda: (shared.mart_state(f"{db}_m.early") or {}).get("why"), 20)
    assert "later" in shared.mart_state(f"{db}_m.early")["why"]
    mariadb.run(
        "CREATE TABLE later (id INT PRIMARY KEY)", "INSERT INTO later VALUES (1), (2)", database=db
    )
    wait_for_rows(shared, f"SELECT n FROM {db}_m.early", [(2,)], 30)


def test_mart_columns_follow_a_changed_input(mariadb, shared, orders):
    db = orders
    shared.mart(f"{db}_m.all_of_it", f"SELECT * FROM {db}.orders")
    wait_for_rows(shared, f"SELECT count(*) FROM {db}_m.all_of_it", [(99,)], 20)
    # The statement alone changes what the mart is, without a row that changes; so do others.
    for statement, column, value in (
        ("ADD COLUMN note VARCHAR(10) DEFAULT 'n'", "note", "n"),
        ("RENAME COLUMN note TO remark", "remark", "n"),
        ("ADD COLUMN later INT", "later", None),
    ):
        mariadb.run(f"ALTER TABLE orders {statement}", database=db)
        wait_for_rows(shared, f"SELECT DISTINCT {column} FROM {db}_m.all_of_it", [(value,)], 20)
    mariadb.run("ALTER TABLE orders DROP COLUMN remark, DROP COLUMN later", database=db)

    def columns():
        with shared.connect() as gate:
            return lake_columns(gate, f"{db}_m", "all_of_it")

    wait_until(lambda: columns() == ["id", "shop", "price"], 20)
    mariadb.run(
        "ALTER TABLE orders ADD COLUMN last INT DEFAULT 7",
        "UPDATE orders SET price = 0",
        database=db,
    )
    both = f"SELECT DISTINCT price, last FROM {db}_m.all_of_it"
    wait_for_rows(shared, both, [(0, 7)], 20)


def test_readers_see_old_or_new_never_between(mariadb, shared, orders):
    db = orders
    shared.mart(f"{db}_m.copy", f"SELECT id, price FROM {db}.orders")
    wait_for_rows(shared, f"SELECT count(*) FROM {db}_m.copy", [(99,)], 20)
    seen = set()
    with shared.connect() as gate:

        def done():
            row = gate.execute(
                f"SELECT count(*), min(price), max(price) FROM {db}_m.copy"
            ).fetchone()
            seen.add(row)
            return row[2] == 1003

        for price in (1001, 1002, 1003):
            mariadb.run(f"UPDATE orders SET price = {price}", database=db)
        wait_until(done, 30, 0.005)
    assert all(n == 99 for n, _, _ in seen), seen
    assert all(low == high for _, low, high in seen if high > 99), seen
