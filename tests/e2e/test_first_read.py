"""The very first read of a source goes beside its stream, and comes in parts: what is read stays
when it breaks off, and nobody waits for the largest table."""

import pytest

from harness.compare import compare
from harness.minato import wait_for_rows, wait_until

pytestmark = pytest.mark.slow

SMALL = 120  # more tables than one part has


def parts(platform):
    """How many tables each reading had, in order."""
    lines = platform.log.read_text().splitlines()
    return [int(line.rsplit("=", 1)[1]) for line in lines if "reading tables" in line]


def state(platform, table):
    return (platform.table_state("shop", table) or {}).get("state")


def alarms(platform):
    of_tables = "SELECT count(*) FROM minato.incident WHERE key LIKE 'capture/%'"
    return platform.catalogue(of_tables)[0][0]


@pytest.fixture
def shop(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run("CREATE DATABASE shop")
    platform = new_platform(failpoint_build=True)
    platform.source_add(own_mariadb.url(), "shop.%")
    return own_mariadb, platform


def test_what_was_read_before_a_crash_stays(shop):
    source, platform = shop
    source.run(
        "CREATE TABLE a_large (id INT PRIMARY KEY, v VARCHAR(200))",
        "INSERT INTO a_large SELECT seq, repeat('x', 200) FROM seq_1_to_20000",
        *(f"CREATE TABLE t{n} (id INT PRIMARY KEY)" for n in range(SMALL)),
        *(f"INSERT INTO t{n} VALUES ({n})" for n in range(SMALL)),
        "ANALYZE TABLE a_large",
        database="shop",
    )
    platform.aim("ingest.before_reading=wait@2")
    platform.serve_aimed()
    wait_until(lambda: len(parts(platform)) == 2, 60, what="the second part")
    tables = {t["name"]: t["state"] for t in platform.status()["tables"]}
    read = [name for name, what in tables.items() if what == "streaming"]
    assert len(read) == 100 and len(tables) == SMALL + 1
    assert tables["a_large"] == "snapshotting"  # the first by its name, the last by its size
    number = int(read[0][1:])
    assert platform.query(f"SELECT id FROM shop.{read[0]}") == [(number,)]
    platform.kill_all()
    platform.aim("")
    platform.serve_aimed()
    platform.wait(60)
    compare(source, platform, "shop")
    assert parts(platform) == [100, SMALL + 1 - 100, SMALL + 1 - 100]
    assert alarms(platform) == 0


def test_the_stream_goes_on_during_the_very_first_read(shop):
    source, platform = shop
    source.run(
        "CREATE TABLE shop.slow (id INT PRIMARY KEY, v VARCHAR(100))",
        "INSERT INTO shop.slow SELECT seq, seq FROM seq_1_to_40000",
    )
    platform.aim("ingest.snapshot_batch=wait")
    platform.serve_aimed()
    wait_until(lambda: state(platform, "slow") == "snapshotting", 30)
    source.run(
        "CREATE TABLE shop.later (id INT PRIMARY KEY)",
        "INSERT INTO shop.later VALUES (1), (2)",
        "UPDATE shop.slow SET v = 'meanwhile' WHERE id % 3 = 0",
        "DELETE FROM shop.slow WHERE id % 7 = 0",
    )
    wait_for_rows(platform, "SELECT id FROM shop.later ORDER BY id", [(1,), (2,)], 30)
    assert state(platform, "slow") == "snapshotting"
    waiting = platform.call("wait", "--timeout", "1", check=False)
    assert waiting.returncode != 0 and "read for the first time" in waiting.stdout + waiting.stderr
    platform.aim("")
    platform.wait(60)
    compare(source, platform, "shop")


@pytest.mark.parametrize("what", ["alter", "rename", "drop", "swap", "truncate"])
def test_statements_about_tables_whose_turn_has_not_come(shop, what):
    """They are known, not read yet, and change."""
    source, platform = shop
    last = a, b = "t3", "t7"
    source.run(
        *(f"CREATE TABLE t{n} (id INT PRIMARY KEY, v VARCHAR(20))" for n in range(SMALL)),
        *(f"INSERT INTO t{n} VALUES ({n}, 'before')" for n in range(SMALL)),
        # The largest two come last.
        *(f"INSERT INTO {t} SELECT seq + 1000, seq FROM seq_1_to_5000" for t in last),
        *(f"ANALYZE TABLE {t}" for t in last),
        database="shop",
    )
    platform.aim("ingest.snapshot_batch=wait")
    platform.serve_aimed()
    wait_until(lambda: parts(platform), 30, what="the first reading")
    wait_until(lambda: state(platform, "t0"), 30)
    source.run(
        *{
            "alter": (f"ALTER TABLE {a} ADD COLUMN w INT DEFAULT 5", f"ALTER TABLE {b} DROP v"),
            "rename": (f"RENAME TABLE {a} TO {a}_new", f"CREATE TABLE {a} (other INT)"),
            "drop": (f"DROP TABLE {a}",),
            "swap": (f"RENAME TABLE {a} TO x, {b} TO {a}, x TO {b}",),
            "truncate": (f"TRUNCATE TABLE {a}", f"INSERT INTO {a} VALUES (1, 'after')"),
        }[what],
        f"INSERT INTO {b} (id) VALUES (-1)",
        database="shop",
    )
    platform.aim("")
    platform.wait(60)
    compare(source, platform, "shop")
    assert alarms(platform) == 0
    assert sum(parts(platform)) < 3 * SMALL
