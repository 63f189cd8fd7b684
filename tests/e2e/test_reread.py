"""A table that is read while its source's stream goes on: the others are not held up, and what
happens to it meanwhile is not lost. The reading is stopped in its middle, so that this happens."""

import threading

import pytest

from harness.compare import compare
from harness.minato import wait_for_rows, wait_until

pytestmark = pytest.mark.slow

ROWS = 40_000  # more than one piece of a reading


@pytest.fixture
def shop(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.a (id INT PRIMARY KEY, v VARCHAR(2000))",
        "CREATE TABLE shop.other (id INT PRIMARY KEY)",
        f"INSERT INTO shop.a SELECT seq, seq FROM seq_1_to_{ROWS}",
    )
    platform = new_platform(failpoint_build=True)
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.aim("")
    platform.serve_aimed()
    platform.wait(30)
    return own_mariadb, platform


def state(platform, table="a"):
    return (platform.table_state("shop", table) or {}).get("state")


def readings(platform):
    """How many were begun, the first one too."""
    return platform.log.read_text().count("reading tables")


def widen(platform):
    text = platform.config.read_text()
    platform.config.write_text(text.replace('"shop.%"', '"shop.%", "more.%"'))


def stop_in_a_reading(source, platform):
    """The table is lost to the stream, its reading stands, and the stream goes on."""
    platform.aim("ingest.snapshot_batch=wait")
    source.run("ALTER TABLE shop.a ADD COLUMN w INT DEFAULT (1 + 1)")

    def begun():
        table = platform.table_state("shop", "a")
        return table["state"] == "repairing" and table["rows_read"] == 0

    # Rows of others that come after this come after the view was opened.
    wait_until(begun, 30, what="a to be read anew")
    wait_until(lambda: others_flow(source, platform), 30, what="the stream to go on")


def others_flow(source, platform):
    source.run("INSERT INTO shop.other SELECT coalesce(max(id), 0) + 1 FROM shop.other")
    number = source.run("SELECT count(*) FROM shop.other")
    wait_for_rows(platform, "SELECT count(*) FROM shop.other", list(number), 10)
    return True


MEANWHILE = {
    "nothing": (),
    "rows": (
        "UPDATE shop.a SET v = concat('x', v) WHERE id % 3 = 0",
        f"INSERT INTO shop.a (id, v) SELECT seq + {ROWS}, 'new' FROM seq_1_to_3000",
        "DELETE FROM shop.a WHERE id % 7 = 1",
        "UPDATE shop.a SET id = -id WHERE id % 11 = 2",
    ),
    "all_rows_go": ("DELETE FROM shop.a",),
    "rows_and_lost_again": (
        "DELETE FROM shop.a WHERE id < 100",
        "SET SESSION binlog_format = STATEMENT",
        "UPDATE shop.a SET v = 'unseen' WHERE id < 200",
    ),
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_the_stream_goes_on_while_tables_are_read(shop, meanwhile):
    source, platform = shop
    stop_in_a_reading(source, platform)
    source.run(*MEANWHILE[meanwhile])
    assert others_flow(source, platform)
    assert platform.status()["sources"][0]["state"] == "streaming"
    assert state(platform) == "repairing"
    assert platform.query("SELECT count(*) FROM shop.a") == [(ROWS,)]  # the last good ones
    refused = platform.call("wait", "--timeout", "1", check=False)
    so_far = "" if "lost" in meanwhile else " (0 rows so far)"
    assert refused.returncode == 4 and f"is being read again{so_far}." in refused.stderr
    platform.aim("")
    platform.wait(60)
    compare(source, platform, "shop")
    source.run("UPDATE shop.a SET w = id")
    platform.wait(30)
    compare(source, platform, "shop")
    assert platform.stop() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE shop.a ADD COLUMN y INT, DROP COLUMN v",
        "TRUNCATE TABLE shop.a",
        "DROP TABLE shop.a",
        "RENAME TABLE shop.a TO shop.was_a, shop.other TO shop.a",
    ],
)
def test_statements_about_a_table_that_is_read_wait_for_it(shop, statement):
    source, platform = shop
    stop_in_a_reading(source, platform)
    source.run("UPDATE shop.a SET v = 'later' WHERE id < 50")
    waiting = threading.Thread(target=source.run, args=(statement,))
    waiting.start()
    platform.aim("")
    waiting.join(60)
    assert not waiting.is_alive()
    platform.wait(60)
    compare(source, platform, "shop")
    if statement.startswith("DROP"):
        assert state(platform) is None
    assert platform.stop() == 0


def test_a_transaction_beyond_what_is_held_waits_for_the_reading(shop):
    """Goal: what is held is bounded. The stream stands in the middle of a transaction, and the
    table joins there."""
    source, platform = shop
    stop_in_a_reading(source, platform)
    source.run(
        "BEGIN",
        "INSERT INTO shop.other VALUES (-1)",
        f"INSERT INTO shop.a (id, v) SELECT seq + {ROWS}, repeat('x', 1900) FROM seq_1_to_60000",
        f"DELETE FROM shop.a WHERE id > {ROWS + 30000}",
        f"UPDATE shop.a SET v = 'short' WHERE id % 2 = 0 AND id > {ROWS}",
        "COMMIT",
        "INSERT INTO shop.other VALUES (-2)",
    )

    def behind():
        return (platform.status()["sources"][0]["lag_bytes"] or 0) > 1 << 20

    wait_until(behind, 30, what="the stream to stand")
    assert platform.query("SELECT count(*) FROM shop.other WHERE id < 0") == [(0,)]
    platform.aim("")
    platform.wait(60)
    compare(source, platform, "shop")
    assert platform.stop() == 0


def test_a_wider_pattern_holds_up_nobody(shop):
    source, platform = shop
    source.run(
        "CREATE DATABASE more",
        "CREATE TABLE more.a (id INT PRIMARY KEY)",
        f"INSERT INTO more.a SELECT seq FROM seq_1_to_{ROWS}",
        "CREATE TABLE more.bare (v INT)",
        "INSERT INTO more.bare SELECT seq % 7 FROM seq_1_to_100",
    )
    platform.aim("ingest.snapshot_batch=wait")
    widen(platform)
    wait_until(lambda: readings(platform) == 2, 30, what="more.% to be read")
    assert others_flow(source, platform)  # the view is open
    source.run(
        "DELETE FROM more.a WHERE id % 2 = 0",
        "INSERT INTO more.bare VALUES (1), (1), (8)",
        "DELETE FROM more.bare WHERE v = 3 LIMIT 5",
    )
    assert others_flow(source, platform)
    assert platform.table_state("more", "a")["state"] == "snapshotting"
    platform.aim("")
    platform.wait(60)
    compare(source, platform, "shop")
    compare(source, platform, "more")
    assert platform.stop() == 0


def test_a_narrower_pattern_and_back(shop):
    """What happened to a table while no pattern reached it is not in the log that is read then."""
    source, platform = shop
    text = platform.config.read_text()
    platform.config.write_text(text.replace('"shop.%"', '"shop.a"'))
    platform.wait(60)
    assert state(platform, "other") == "stopped"
    source.run("INSERT INTO shop.other VALUES (7)", "INSERT INTO shop.a (id) VALUES (-1)")
    platform.wait(60)
    compare(source, platform, "shop", ["a"])
    assert platform.query("SELECT count(*) FROM shop.other") == [(0,)]
    platform.config.write_text(text)
    platform.wait(60)
    compare(source, platform, "shop")
    assert state(platform, "other") == "streaming"


def test_two_sources_do_not_fill_one_table(shop):
    source, platform = shop
    platform.source_add(source.url(), "shop.%", name="again")

    def refused():
        again = [s for s in platform.status()["sources"] if s["name"] == "again"]
        return again and again[0]["state"] == "error" and again[0]["error"]

    error = wait_until(refused, 30, what="the second source to be refused")
    assert "shop.a is captured from the source shop already" in error
    source.run("INSERT INTO shop.a (id) VALUES (-1)", "INSERT INTO shop.other VALUES (1)")
    platform.call("wait", "--source", "shop", "--timeout", "30")
    compare(source, platform, "shop")
    source.run("CREATE DATABASE more", "CREATE TABLE more.a (id INT)")
    text = platform.config.read_text()
    platform.config.write_text("more.%".join(text.rsplit("shop.%", 1)))
    platform.wait(60)
    compare(source, platform, "shop")
    compare(source, platform, "more")
    assert platform.stop() == 0


def test_wait_knows_what_minato_toml_says_now(shop):
    source, platform = shop
    source.run(
        "CREATE DATABASE more",
        "CREATE TABLE more.a (id INT PRIMARY KEY)",
        "INSERT INTO more.a SELECT seq FROM seq_1_to_100",
    )
    widen(platform)
    platform.wait(60)
    compare(source, platform, "more")


def test_a_table_dropped_just_before_its_reading_is_forgotten(shop):
    source, platform = shop
    source.run(
        "CREATE DATABASE more", "CREATE TABLE more.a (id INT)", "CREATE TABLE more.b (id INT)"
    )
    platform.aim("ingest.before_reading=wait")
    widen(platform)
    wait_until(lambda: readings(platform) == 2, 30, what="more.% to be listed")
    source.run("DROP TABLE more.a", "INSERT INTO more.b VALUES (1)")
    platform.aim("")
    platform.wait(60)
    assert platform.table_state("more", "a") is None
    compare(source, platform, "more")
    assert platform.stop() == 0


def test_tables_made_just_before_the_first_reading_are_read(own_mariadb, new_platform):
    """Neither the list has them nor the log after the view."""
    own_mariadb.start().create_cdc_user()
    own_mariadb.run("CREATE DATABASE shop", "CREATE TABLE shop.a (id INT)")
    platform = new_platform(failpoint_build=True)
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.aim("ingest.before_reading=wait")
    platform.serve_aimed()
    wait_until(lambda: readings(platform) == 1, 30, what="shop.% to be listed")
    own_mariadb.run(
        "CREATE TABLE shop.late (id INT)",
        "INSERT INTO shop.late VALUES (1)",
        "CREATE TABLE shop.empty (id INT)",
        "RENAME TABLE shop.a TO shop.b",
    )
    platform.aim("")
    platform.wait(60)
    compare(own_mariadb, platform, "shop")
    assert state(platform, "a") is None
    assert platform.stop() == 0


def test_progress_is_shown(shop):
    source, platform = shop
    platform.aim("ingest.snapshot_batch=wait@2")
    source.run("ALTER TABLE shop.a ADD COLUMN w INT DEFAULT (1 + 1)")

    def read():
        return (platform.table_state("shop", "a") or {}).get("rows_read") or 0

    wait_until(lambda: 0 < read() < ROWS, 30, what="rows that were read")
    assert f"rows_read={read()}" in platform.call("status").stdout
    platform.aim("")
    platform.wait(60)
    assert platform.table_state("shop", "a")["rows_read"] is None
    compare(source, platform, "shop")
    assert platform.stop() == 0


def test_death_while_a_table_is_read(shop):
    source, platform = shop
    stop_in_a_reading(source, platform)
    source.run(*MEANWHILE["rows"])
    assert others_flow(source, platform)
    platform.kill_all()
    platform.aim("")
    platform.serve_aimed()
    platform.wait(60)
    compare(source, platform, "shop")
    assert platform.stop() == 0
