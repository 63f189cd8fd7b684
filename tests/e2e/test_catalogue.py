"""The catalogue in a PostgreSQL of one's own instead of the private one: the same platform, one
line of configuration."""

import shutil

import pytest

from harness.compare import compare
from harness.minato import scratch, wait_for_rows
from harness.postgres import Postgres


@pytest.fixture
def postgres():
    directory = scratch("pg")
    server = Postgres(directory).start()
    yield server
    server.stop()
    shutil.rmtree(directory, ignore_errors=True)


def test_own_postgresql(own_mariadb, new_platform, postgres):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT)",
        "INSERT INTO shop.t SELECT seq, seq FROM seq_1_to_500",
    )
    platform = new_platform(account=False)
    secret = platform.secret("catalogue", "pg-pass")
    platform.configure(
        "lake",
        catalog=postgres.url().replace(":pg-pass", ""),
        catalog_password_file=str(secret),
    )
    platform.configure("marts", refresh_seconds=1)
    platform.account_add()
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.mart("m.total", "SELECT sum(v)::BIGINT AS v FROM shop.t")
    platform.serve()
    platform.wait(30)
    assert not list(platform.role_pids("postgres"))  # no private cluster beside it
    own_mariadb.run("UPDATE shop.t SET v = 0 WHERE id > 100", "DELETE FROM shop.t WHERE id > 400")
    platform.wait(30)
    compare(own_mariadb, platform, "shop")
    wait_for_rows(platform, "SELECT v FROM m.total", [(5050,)], 20)
    assert int(postgres.psql("SELECT count(*) FROM minato.source")) == 1
    assert platform.stop() == 0
    platform.serve()
    compare(own_mariadb, platform, "shop")
