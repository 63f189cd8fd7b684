"""The lake in a bucket: the same platform, with a real S3 server that checks signatures."""

import json
import shutil
import subprocess

import psycopg
import pytest

from harness.compare import compare
from harness.minato import scratch, wait_for_rows
from harness.ports import wait_until
from harness.s3 import ACCESS_KEY, S3, SECRET_KEY
from harness.workload import MARTS, Watcher, Workload

BUCKET, PREFIX = "minato-lake", "lakes/shop"


@pytest.fixture
def s3():
    directory = scratch("s3")
    server = S3(directory).make_bucket(BUCKET).start()
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def on_s3(mariadb, db, new_platform, s3):
    """A platform whose lake is in the bucket, with a shop to capture; not yet serving."""
    mariadb.run(
        "CREATE TABLE orders (id INT PRIMARY KEY, item VARCHAR(40), amount DECIMAL(9,2))",
        "INSERT INTO orders SELECT seq, CONCAT('品', seq), seq / 4 FROM seq_1_to_20000",
        "CREATE TABLE log (at INT, what VARCHAR(20))",
        database=db,
    )
    platform = new_platform()
    platform.configure("lake", data=f"s3://{BUCKET}/{PREFIX}")
    platform.configure(
        "lake.s3",
        endpoint=f"127.0.0.1:{s3.port}",
        use_ssl=False,
        access_key_file=str(platform.secret("access", ACCESS_KEY)),
        secret_key_file=str(platform.secret("secret", SECRET_KEY)),
    )
    platform.configure("marts", refresh_seconds=1)
    platform.source_add(mariadb.url(), f"{db}.%")
    platform.mart("m.total", f"SELECT count(*) AS n, sum(amount) AS amount FROM {db}.orders")
    return platform


def source(platform):
    return platform.status()["sources"][0]


def bucket_of_doctor(platform):
    items = json.loads(platform.call("doctor", "--json", check=False).stdout)
    return next(i for i in items if i["what"].startswith("the lake in s3://"))


def no_secret_in(*texts):
    for text in texts:
        assert SECRET_KEY not in text and ACCESS_KEY not in text, text


@pytest.mark.slow
def test_everything_that_a_lake_does(mariadb, db, on_s3, s3):
    """A workload with changes of columns, marts, restarts of the program, compaction, expiry and
    clean-up: contents equal all the time, and at the end the bucket holds what the catalogue names
    and nothing else of ours."""
    work = "e2e_s3_work"
    mariadb.run(f"DROP DATABASE IF EXISTS {work}")
    workload = Workload(mariadb, work, seed=7, pace=0.02)
    workload.create()
    on_s3.source_add(mariadb.url(), f"{work}.%", name="work")
    on_s3.configure("maintenance", retention_minutes=1, file_guard_seconds=10, interval_seconds=1)
    for name, sql in MARTS.items():
        on_s3.mart(name, sql.format(db=work))
    stray = s3.directory / "buckets" / BUCKET / PREFIX / db / "minato-orphan.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"left by a crash")
    foreign = s3.directory / "buckets" / BUCKET / "lakes" / "other.parquet"
    foreign.write_bytes(b"of somebody else")
    on_s3.serve()
    workload.start()
    watcher = Watcher(on_s3, work)
    for _ in range(3):
        before = workload.transactions
        wait_until(lambda b=before: workload.transactions > b + 150, 60, what="some transactions")
        workload.stop()
        on_s3.wait(60)
        compare(mariadb, on_s3, work)
        compare(mariadb, on_s3, db)
        assert on_s3.stop() == 0
        on_s3.serve()
        workload.start()
    workload.stop()
    watcher.stop()
    on_s3.wait(60)
    customers = f"SELECT customer, count(*), sum(amount) FROM {work}.orders GROUP BY 1 ORDER BY 1"
    wait_for_rows(on_s3, "SELECT * FROM m.by_customer ORDER BY 1", on_s3.query(customers), 30)

    def tidy():
        known = {
            f"{PREFIX}/{path}"
            for (path,) in on_s3.catalogue(
                "SELECT s.path || t.path || f.path FROM (SELECT table_id, path FROM"
                " ducklake.ducklake_data_file UNION ALL SELECT table_id, path FROM"
                " ducklake.ducklake_delete_file) f JOIN ducklake.ducklake_table t USING (table_id)"
                " JOIN ducklake.ducklake_schema s USING (schema_id)"
            )
        }
        return known == s3.objects(BUCKET) - {"lakes/other.parquet"} and len(known) < 120

    wait_until(tidy, 180, every=1, what="the clean-up of the bucket")
    assert foreign.exists() and on_s3.log_has("maintenance of the lake")
    compare(mariadb, on_s3, work)
    no_secret_in(on_s3.log.read_text())


def test_the_keys_are_out_of_reach_of_people(db, on_s3, s3):
    on_s3.serve()
    on_s3.wait(60)
    for attempt in (
        "SELECT * FROM duckdb_secrets()",
        "SELECT which_secret('s3://minato-lake/lakes/shop/x', 's3')",
        "SELECT * FROM duckdb_settings()",
        "SELECT current_setting('s3_secret_access_key')",
        "SHOW s3_access_key_id",
        f"SELECT * FROM read_parquet('s3://{BUCKET}/{PREFIX}/{db}/orders/*.parquet')",
        f"SELECT * FROM glob('s3://{BUCKET}/**')",
        f"COPY (SELECT 1) TO 's3://{BUCKET}/x.parquet'",
        "CREATE SECRET mine (TYPE s3, KEY_ID 'a', SECRET 'b')",
        "SELECT getenv('HOME')",
    ):
        with pytest.raises(psycopg.Error) as refused:
            on_s3.query(attempt)
        no_secret_in(str(refused.value))
    s3.stop()
    with pytest.raises(psycopg.Error, match="object store") as refused:
        on_s3.query(f"SELECT sum(amount), max(item) FROM {db}.orders")
    no_secret_in(str(refused.value))
    assert BUCKET not in str(refused.value)
    no_secret_in(on_s3.log.read_text(), on_s3.call("status", "--json").stdout)


def test_wrong_keys_are_told_and_right_ones_taken_over(mariadb, db, on_s3):
    on_s3.secret("secret", "not the secret")
    found = bucket_of_doctor(on_s3)
    assert found["verdict"] == "bad" and "secret key is not that of" in found["text"], found
    on_s3.serve()
    wait_until(lambda: "[lake.s3]" in source(on_s3)["error"], 30, what="the reason in status")
    on_s3.secret("secret", SECRET_KEY)  # nothing else: no restart, no command
    on_s3.wait(60)
    compare(mariadb, on_s3, db)
    wait_for_rows(on_s3, "SELECT n FROM m.total", [(20000,)], 30)
    assert bucket_of_doctor(on_s3)["verdict"] == "ok"
    no_secret_in(on_s3.log.read_text(), str(found))


def test_a_missing_bucket_is_told(mariadb, db, on_s3, s3):
    on_s3.configure("lake", data=f"s3://not-there/{PREFIX}")
    assert "does not exist: make it" in bucket_of_doctor(on_s3)["text"]
    on_s3.serve()
    wait_until(lambda: "does not exist: make it" in source(on_s3)["error"], 30, what="the reason")
    s3.make_bucket("not-there")
    on_s3.wait(60)
    compare(mariadb, on_s3, db)


def test_the_store_is_away_for_a_while(mariadb, db, on_s3, s3):
    on_s3.serve()
    on_s3.wait(60)
    s3.stop()
    mariadb.run(
        "UPDATE orders SET amount = 0 WHERE id % 2 = 0",
        "DELETE FROM orders WHERE id > 19000",
        "ALTER TABLE orders ADD COLUMN more INT DEFAULT 3",
        "CREATE TABLE late (id INT PRIMARY KEY)",
        "INSERT INTO late VALUES (1)",
        database=db,
    )
    wait_until(lambda: "cannot be reached" in source(on_s3)["error"], 30, what="the reason")
    assert bucket_of_doctor(on_s3)["verdict"] == "bad"
    s3.start()
    on_s3.wait(60)
    compare(mariadb, on_s3, db)
    wait_for_rows(on_s3, "SELECT n FROM m.total", [(19000,)], 30)
    assert source(on_s3)["error"] == ""


def test_keys_of_its_own_for_the_gate(mariadb, db, on_s3):
    keys = dict(
        reader_access_key_file=str(on_s3.secret("reader-access", ACCESS_KEY)),
        reader_secret_key_file=str(on_s3.secret("reader-secret", "wrong")),
    )
    on_s3.configure("lake.s3", **keys)
    assert "Reading with the gate's keys" in bucket_of_doctor(on_s3)["text"]
    on_s3.serve()
    wait_until(lambda: on_s3.table_state(db, "orders")["rows"] == 20000, 60)
    with pytest.raises(psycopg.Error, match="refuses the keys"):
        on_s3.query(f"SELECT sum(amount) FROM {db}.orders")
    on_s3.secret("reader-secret", SECRET_KEY)
    wait_for_rows(on_s3, f"SELECT max(amount)::INT FROM {db}.orders", [(5000,)], 30)
    compare(mariadb, on_s3, db)
    assert bucket_of_doctor(on_s3)["verdict"] == "ok"


def test_a_lake_may_move_to_another_bucket(mariadb, db, on_s3, s3):
    on_s3.serve()
    on_s3.wait(60)
    assert on_s3.stop() == 0
    s3.make_bucket("new-home")
    on_s3.configure("lake", data="s3://new-home/here")
    refused = subprocess.run(
        [on_s3.binary, "-C", on_s3.directory, "serve"], capture_output=True, text=True, timeout=60
    )
    assert refused.returncode == 2 and "Move its files" in refused.stderr, refused.stderr
    buckets = s3.directory / "buckets"
    shutil.copytree(buckets / BUCKET / PREFIX, buckets / "new-home" / "here")
    on_s3.serve()
    mariadb.run("DELETE FROM orders WHERE id <= 100", database=db)
    on_s3.wait(60)
    compare(mariadb, on_s3, db)
