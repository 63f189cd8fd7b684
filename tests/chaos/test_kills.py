"""Goal: nothing lost, nothing doubled, whatever dies and whenever.

Method: a random workload with DDL, large transactions, changed keys and tables without keys;
kill -9 of single roles, of everything at once, and at every named failpoint of the code (a new one
is found by itself); the same places fail instead of dying. Then the whole contents are compared,
the marts computed again, and orphaned files looked for. The seed is printed: MINATO_CHAOS_SEED
repeats a run.
MINATO_CHAOS_KILLS sets the number of random kills (./dev test --chaos: 60).
"""

import contextlib
import itertools
import os
import random
import re
import time

import pytest

from harness.compare import compare
from harness.minato import ROOT, binary
from harness.ports import wait_until
from harness.workload import MARTS, Watcher, Workload

KILLS = int(os.environ.get("MINATO_CHAOS_KILLS", "25"))
SEED = int(os.environ.get("MINATO_CHAOS_SEED", str(int(time.time()))))
DB = "chaos"


def failpoints():
    names = set()
    for path in (ROOT / "src").rglob("*.cpp"):
        if "/tests/" not in str(path) and not path.name.startswith("failpoint_"):
            names |= set(re.findall(r'failpoint\("([a-z_.]+)"\)', path.read_text()))
    # A gate commits nothing, and its sandbox keeps it from the file that aims (see Chaos.aim).
    # On-call does not run here (tests/oncall/test_kills.py is about its places), nor does a MySQL.
    return sorted(name for name in names if not name.startswith(("gate.", "oncall.", "mysql.")))


def equal_everywhere(mariadb, platform, seconds=120):
    platform.wait(seconds)
    compare(mariadb, platform, DB)
    no_tables_left_over(mariadb, platform)
    for name, sql in MARTS.items():
        schema, mart = name.split(".")
        question = sql.format(db=DB)

        def same():
            with platform.connect() as c:  # one transaction: one snapshot for both
                c.autocommit = False
                kept = sorted(c.execute(f'SELECT * FROM {schema}."{mart}"').fetchall(), key=repr)
                return kept == sorted(c.execute(question).fetchall(), key=repr)

        wait_until(
            same, 60, 0.2, f"mart {name} to equal its recomputation; {platform.mart_state(name)}"
        )


def no_tables_left_over(mariadb, platform):
    at_source = {row[0] for row in mariadb.run(f"SHOW TABLES FROM {DB}")}
    in_lake = {
        row[0]
        for row in platform.query(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{DB}'"
        )
    }
    assert in_lake == at_source
    recorded = {t["name"] for t in platform.status()["tables"] if t["schema"] == DB}
    assert recorded == at_source


def no_orphans(platform, seconds=90):
    def orphans():
        on_disk, known = platform.lake_files()
        assert not known - on_disk, f"files missing on disk: {sorted(known - on_disk)[:5]}"
        return on_disk - known

    wait_until(lambda: not orphans(), seconds, 1, "all orphaned files to be cleaned up")


class Chaos:
    """A source under load and a platform whose failpoints can be aimed while it runs."""

    def __init__(self, mariadb, platform):
        self.mariadb, self.platform = mariadb, platform
        self.workload = Workload(mariadb, DB, SEED, pace=0.02)
        self.aim("")
        self._stirs = itertools.count()

    def serve(self):
        self.platform.serve_aimed()

    def aim(self, text):
        self.platform.aim(text)

    def stir(self):
        """Reaches what the workload alone does not: new tables and shapes, new, broken and removed
        marts."""
        n, platform = next(self._stirs), self.platform
        table = f"stir{n % 3}"
        self.mariadb.run(
            f"DROP TABLE IF EXISTS {table}",
            f"CREATE TABLE {table} (id INT PRIMARY KEY, v INT)",
            f"INSERT INTO {table} SELECT seq, {n} FROM seq_1_to_100",
            f"ALTER TABLE {table} ADD COLUMN w INT DEFAULT 1, RENAME COLUMN v TO u",
            f"DELETE FROM {table} WHERE id < 50",
            # Only the source knows what this is in the rows that are there: they are read anew.
            f"ALTER TABLE {table} ADD COLUMN x INT DEFAULT (1 + 1)",
            database=DB,
        )
        platform.mart("m.stirred", f"SELECT {n} AS n, count(*) AS c{n} FROM {DB}.counter")
        platform.mart("m.broken", f"SELECT CAST('x{n}' AS INTEGER) AS x FROM {DB}.counter")
        gone = platform.mart(f"m.gone{n}", f"SELECT {n} AS n")
        if n > 0:
            (gone.parent / f"gone{n - 1}.sql").unlink(missing_ok=True)
            # Removed marts are kept for a minute; these were removed long ago.
            platform.catalogue(
                "UPDATE minato.mart SET removed_at = now() - interval '1 day'"
                " WHERE removed_at IS NOT NULL RETURNING 1"
            )

    def settle(self):
        """Lets everything catch up and compares it."""
        self.workload.stop()
        self.platform.ready()
        equal_everywhere(self.mariadb, self.platform)

    def finish(self):
        self.settle()
        no_orphans(self.platform)
        assert self.platform.stop() == 0


@pytest.fixture
def chaos(own_mariadb, new_platform):
    print(f"MINATO_CHAOS_SEED={SEED}")
    if not binary(failpoints=True).exists():
        pytest.skip("minato-failpoints is not built")
    own_mariadb.start().create_cdc_user()
    platform = new_platform(failpoint_build=True)
    platform.configure("marts", refresh_seconds=1)
    platform.configure(
        "maintenance", retention_minutes=1, file_guard_seconds=20, interval_seconds=1
    )
    platform.source_add(own_mariadb.url(), f"{DB}.%")
    for name, sql in MARTS.items():
        platform.mart(name, sql.format(db=DB))
    chaos = Chaos(own_mariadb, platform)
    chaos.workload.create()
    yield chaos
    try:
        chaos.workload.stop()
    except AssertionError:
        pass


def kill(platform, victim):
    if victim == "serve":  # its children must not live on beside the next one's
        platform.kill_role("serve")
        platform.process.wait()
        wait_until(lambda: not list(platform.pids()), 20, what="roles to follow their supervisor")
    elif victim == "all":
        platform.kill_all()
    else:
        assert platform.kill_role(victim) or platform.process.poll() is None


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_random_kills(chaos):
    """Who dies and when is random; a reader at the gate must never see a wrong answer."""
    platform, workload = chaos.platform, chaos.workload
    rng = random.Random(SEED)
    chaos.serve()
    workload.start()
    watcher = Watcher(platform, DB)
    victims = ["core"] * 4 + [
        "worker",
        "gate",
        "web",
        "postgres",
        "postgres",
        "all",
        "all",
        "serve",
    ]
    for n in range(1, KILLS + 1):
        time.sleep(rng.uniform(0.1, 2))
        victim = rng.choice(victims)
        print(f"kill {n}: {victim}", flush=True)
        kill(platform, victim)
        if victim in ("all", "serve"):
            chaos.serve()
        if n % 10 == 0:
            chaos.settle()
            workload.start()
    workload.stop()
    watcher.stop()
    chaos.finish()
    print(
        f"{workload.transactions} transactions, {watcher.answers} answers, {watcher.refusals}"
        " refusals"
    )
    assert watcher.answers > KILLS


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("action", ["kill", "error"])
def test_every_commit_boundary(chaos, action):
    """Each failpoint in turn kills its process, or makes its step fail: an error must be as
    harmless as a crash."""
    platform = chaos.platform
    rng = random.Random(SEED + len(action))
    names = failpoints()
    assert len(names) >= 20
    names = [name for name in names if re.search(os.environ.get("MINATO_CHAOS_ONLY", ""), name)]
    rng.shuffle(names)
    chaos.serve()
    chaos.workload.start()
    words = "failpoint kills" if action == "kill" else "failpoint fails"
    met, deadline = 0, time.monotonic() + 420
    while names:
        if time.monotonic() > deadline:
            jobs = platform.catalogue("SELECT * FROM minato.job")
            raise AssertionError(f"not met: {names}\n{jobs}\n{platform.status()}")
        name = names.pop()
        begun = time.monotonic()
        where = platform.log.stat().st_size

        def is_met():
            with open(platform.log, "rb") as log:
                log.seek(where)
                return re.search(rf"{words} name={re.escape(name)}\s", log.read().decode())

        chaos.aim(f"{name}={action}@{rng.randrange(1, 3)}")
        while not is_met() and time.monotonic() < begun + 10:
            chaos.stir()
            with contextlib.suppress(AssertionError):
                wait_until(is_met, 1.5, 0.02)
        if not is_met():  # files are removed, and much is merged, only when they are old enough
            names.insert(0, name)
            continue
        chaos.aim("")
        met += 1
        print(f"{met}. {action} at {name} after {time.monotonic() - begun:.1f} s", flush=True)
        if met % 9 == 0:
            chaos.settle()
            chaos.workload.start()
    chaos.finish()
