"""pgjdbc (Java's PostgreSQL driver) at the gate. Skipped where Java and Maven are not installed."""

import pathlib
import shutil
import subprocess

import pytest

from harness.minato import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("mvn") and shutil.which("java")), reason="needs Java and Maven"
    ),
]


@pytest.fixture(scope="session")
def classpath():
    out = ROOT / "build" / "test-jdbc"
    if not (out / "classpath").exists():
        source = pathlib.Path(__file__).parent / "jdbc"
        goals = ["package", "dependency:build-classpath", f"-Dmdep.outputFile={out}/classpath"]
        built = subprocess.run(
            ["mvn", "-q", "-B", "-f", str(source), f"-DoutputDirectory={out}", *goals],
            capture_output=True,
            text=True,
        )
        if built.returncode != 0:
            pytest.skip("Maven cannot build it (no network?): " + built.stdout[-500:])
    return f"{out}/classes:{(out / 'classpath').read_text().strip()}"


def test_pgjdbc(mariadb, shared, db, classpath):
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, n BIGINT, p DECIMAL(9,2), d DOUBLE, s VARCHAR(40), "
        "day DATE, seen DATETIME(6))",
        "INSERT INTO t VALUES (1, 9000000000, 12.50, 0.25, '港', '2026-11-24', "
        "'2026-11-24 01:02:03.5'), (2, NULL, NULL, NULL, NULL, NULL, NULL)",
        database=db,
    )
    shared.wait(20)
    run = subprocess.run(
        [
            *("java", "-cp", classpath, "Client"),
            f"jdbc:postgresql://127.0.0.1:{shared.gate_port}/minato",
            *(shared.user, shared.password, f"{db}.t"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert "product PostgreSQL" in lines
    assert "column n int8" in lines and "column p numeric" in lines and "column day date" in lines
    assert "row 1 港" in lines and "row 2 null" in lines
    prepared = "prepared 9000000000 12.50 0.25 港 2026-11-24 2026-11-24 01:02:03.5"
    assert lines.count(prepared) == 6, lines
    assert "fetched 1050" in lines and "refused 42P01" in lines and "afterwards 7" in lines
