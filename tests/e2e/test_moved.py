"""A platform's directory may be moved while it does not run; a wrong place is refused, in words."""

import shutil
import subprocess

from harness.compare import compare
from harness.minato import wait_for_rows
from harness.ports import wait_until


def serve_refused(platform):
    done = subprocess.run(
        [platform.binary, "-C", platform.directory, "serve"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr  # what is configured is wrong
    return done.stderr


def test_a_moved_platform_goes_on(mariadb, db, new_platform):
    """Stop, mv, serve: everything is there, and capture goes on (with changes of rows whose files
    were written at the former place)."""
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        "INSERT INTO t SELECT seq, seq FROM seq_1_to_5000",
        database=db,
    )
    platform = new_platform()
    platform.configure("marts", refresh_seconds=1)
    platform.source_add(mariadb.url(), f"{db}.%")
    platform.mart("m.total", f"SELECT sum(v)::BIGINT AS v FROM {db}.t")
    platform.serve()
    platform.wait(30)
    mariadb.run("DELETE FROM t WHERE id % 7 = 0", database=db)
    platform.wait(30)
    assert platform.stop() == 0

    # Into a deep directory as well: the socket then needs another place.
    for name in ("elsewhere", "far/" + 4 * ("away-and-" * 3 + "/") + "end"):
        former = platform.directory
        platform.directory = former.parent / name
        platform.directory.parent.mkdir(parents=True, exist_ok=True)
        former.rename(platform.directory)
        mariadb.run(
            f"UPDATE t SET v = {len(name)} WHERE id % 5 = 0",
            f"DELETE FROM t WHERE id % 100 = {len(name)}",
            database=db,
        )
        platform.serve()
        platform.wait(30)
        compare(mariadb, platform, db)
        (total,) = platform.query(f"SELECT sum(v)::BIGINT FROM {db}.t")
        wait_for_rows(platform, "SELECT v FROM m.total", [total], 20)
        assert platform.log_has("the lake has moved")
        assert platform.stop() == 0


def test_a_lake_that_is_not_there_is_refused(mariadb, db, new_platform):
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", database=db)
    platform = new_platform()
    platform.source_add(mariadb.url(), f"{db}.%")
    platform.serve()
    platform.wait(30)
    platform.configure("lake", data="other")  # refused while it runs, and said
    wait_until(lambda: platform.log_has(r"Another \[lake\] needs a new start"), 10)
    wait_until(lambda: "needs a new start" in str(platform.status()["incidents"]), 10)
    assert platform.stop() == 0
    shutil.copytree(platform.directory / "lake", platform.directory / "kept")
    said = serve_refused(platform)
    assert "The lake is not in" in said and "Move its files" in said, said
    shutil.rmtree(platform.directory / "other")
    (platform.directory / "lake").rename(platform.directory / "other")
    platform.serve()
    platform.wait(30)
    compare(mariadb, platform, db)
