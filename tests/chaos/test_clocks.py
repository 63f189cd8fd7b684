"""Clocks that jump: the source's and the machine's."""

import pathlib

import pytest

from harness.compare import compare
from harness.minato import wait_for_rows
from harness.ports import wait_until
from harness.recovery import healthy_and_equal

pytestmark = pytest.mark.slow


def test_clock_of_the_source_jumps(source, new_platform):
    """Times in the source's log are years off, ahead or behind: rows, lag, marts do not mind."""
    platform = new_platform()
    platform.configure("marts", refresh_seconds=1)
    platform.mart("m.n", "SELECT count(*) AS n FROM shop.t")
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    rows = 1000
    for clock in ("2037-01-01", "1999-12-31"):
        source.run(
            f"SET timestamp = UNIX_TIMESTAMP('{clock}')",
            "INSERT INTO shop.t (v) SELECT 'odd' FROM seq_1_to_10",
            f"ALTER TABLE shop.t ADD COLUMN c{clock[:4]} TIMESTAMP DEFAULT CURRENT_TIMESTAMP",
        )
        rows += 10
        platform.wait(30)
        compare(source, platform, "shop")
        wait_for_rows(platform, "SELECT n FROM m.n", [(rows,)], 20)
        wait_until(lambda: platform.status()["sources"][0]["lag_ms"] < 10_000, 15, 0.5, "no lag")
    healthy_and_equal(source, platform)


def test_clock_of_the_machine_jumps(source, new_platform):
    """Months ahead and back again, while everything runs: rows go on arriving, built marts are
    refreshed, failed ones tried again, nothing that is needed is cleaned up."""
    (library,) = pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    platform = new_platform()
    platform.configure("marts", refresh_seconds=1)
    platform.mart("m.n", "SELECT count(*) AS n FROM shop.t")
    platform.mart("m.bad", "SELECT sum(CAST(v AS INTEGER))::BIGINT AS n FROM shop.t")
    platform.source_add(source.url(), "shop.%")
    clock = platform.directory.parent / "clock"

    def set_clock(text):
        aside = clock.with_suffix(".new")
        aside.write_text(text + "\n")
        aside.chmod(0o644)
        aside.rename(clock)

    set_clock("+0")
    platform.serve(
        env={
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    platform.wait(30)
    rows = 1000
    for jump in ("+100d", "-100d", "+0"):
        source.run("INSERT INTO shop.t (v) VALUES ('no number')")
        wait_until(lambda: platform.mart_state("m.bad")["state"] == "failed", 30)
        set_clock(jump)
        source.run("INSERT INTO shop.t (v) SELECT seq FROM seq_1_to_10")
        rows += 11
        platform.wait(30)
        compare(source, platform, "shop")
        wait_for_rows(platform, "SELECT n FROM m.n", [(rows,)], 30)
        source.run("DELETE FROM shop.t WHERE v = 'no number'")
        rows -= 1
        wait_for_rows(platform, "SELECT n > 0 FROM m.bad", [(True,)], 40)
        on_disk, known = platform.lake_files()
        assert not known - on_disk
    healthy_and_equal(source, platform)
