"""Goal: nothing lost, nothing doubled, whatever dies and whenever.

Method: a random workload; kill -9 of single roles, of everything at once, and at every named
failpoint; then compare the whole contents, recompute the marts, and look for orphaned files.
MINATO_CHAOS_KILLS=60 is the full run.
"""

import os
import random
import re
import time

import pytest

from harness.compare import compare
from harness.minato import ROOT, binary
from harness.ports import wait_until
from harness.workload import MARTS, Watcher, Workload

KILLS = int(os.environ.get("MINATO_CHAOS_KILLS", "8"))
SEED = int(os.environ.get("MINATO_CHAOS_SEED", str(int(time.time()))))
DB = "chaos"


def failpoints():
    names = set()
    for path in (ROOT / "src").rglob("*.cpp"):
        if "/tests/" not in str(path) and not path.name.startswith("failpoint_"):
            names |= set(re.findall(r'failpoint\("([a-z_.]+)"\)', path.read_text()))
    return sorted(names)


def equal_everywhere(mariadb, platform, seconds=120):
    platform.wait(seconds)
    compare(mariadb, platform, DB)
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


def no_orphans(platform, seconds=90):
    def orphans():
        on_disk, known = platform.lake_files()
        assert not known - on_disk, f"files missing on disk: {sorted(known - on_disk)[:5]}"
        return on_disk - known

    wait_until(lambda: not orphans(), seconds, 1, "all orphaned files to be cleaned up")


@pytest.fixture
def chaos(own_mariadb, new_platform):
    print(f"MINATO_CHAOS_SEED={SEED}")
    if not binary(failpoints=True).exists():
        pytest.skip("minato-failpoints is not built")
    own_mariadb.start().create_cdc_user()
    workload = Workload(own_mariadb, DB, SEED, pace=0.02)
    workload.create()
    platform = new_platform(failpoint_build=True)
    platform.configure("marts", refresh_seconds=1)
    platform.configure(
        "maintenance", retention_minutes=1, file_guard_seconds=20, interval_seconds=2
    )
    platform.source_add(own_mariadb.url(), f"{DB}.%")
    for name, sql in MARTS.items():
        platform.mart(name, sql.format(db=DB))
    yield own_mariadb, platform, workload
    try:
        workload.stop()
    except AssertionError:
        pass


@pytest.mark.slow
def test_random_kills(chaos):
    mariadb, platform, workload = chaos
    rng = random.Random(SEED)
    platform.serve()
    workload.start()
    watcher = Watcher(platform, DB)
    try:
        for n in range(1, KILLS + 1):
            time.sleep(rng.uniform(0.2, 3))
            victim = rng.choice(
                ("core", "core", "core", "worker", "gate", "web", "postgres", "all", "all", "serve")
            )
            print(f"kill {n}: {victim}", flush=True)
            if victim in ("all", "serve"):
                if victim == "serve":  # its children must not live on beside the next one's
                    platform.kill_role("serve")
                    platform.process.wait()
                    wait_until(
                        lambda: not list(platform.pids()),
                        20,
                        what="roles to follow their supervisor",
                    )
                else:
                    platform.kill_all()
                platform.serve(seconds=60)
            else:
                assert platform.kill_role(victim)
            if n % 10 == 0 or n == KILLS:
                workload.stop()
                platform.ready()
                equal_everywhere(mariadb, platform)
                workload.start()
    finally:
        workload.stop()
    watcher.stop()
    equal_everywhere(mariadb, platform)
    no_orphans(platform)
    print(
        f"{workload.transactions} transactions, {watcher.answers} answers, {watcher.refusals}"
        " refusals"
    )
    assert watcher.answers > KILLS
    assert platform.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", failpoints())
def test_kill_at_every_commit_boundary(chaos, name):
    """The role dies at this point again and again, with a few commits in between; then it may
    live."""
    mariadb, platform, workload = chaos
    rng = random.Random(SEED + sum(map(ord, name)))
    platform.start(env={"MINATO_FAILPOINTS": f"{name}=kill@{rng.randrange(1, 4)}"})
    workload.start()
    wait_until(
        lambda: platform.log_has(f"failpoint kills.*{re.escape(name)}"),
        45,
        what=f"failpoint {name} to be met",
    )
    time.sleep(2)
    platform.kill_all()
    platform.serve()
    time.sleep(0.5)
    workload.stop()
    equal_everywhere(mariadb, platform)
    no_orphans(platform)
    assert platform.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", failpoints())
def test_failure_at_every_commit_boundary(chaos, name):
    """The step fails instead of dying: an error must be as harmless as a crash, and say so."""
    mariadb, platform, workload = chaos
    platform.start(env={"MINATO_FAILPOINTS": f"{name}=error@3"})
    workload.start()
    time.sleep(6)
    platform.kill_all()
    platform.serve()
    workload.stop()
    equal_everywhere(mariadb, platform)
    assert platform.stop() == 0
