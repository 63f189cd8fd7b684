"""The machine of the catalogue's PostgreSQL is gone without a word; another one takes over."""

import shutil
import signal

import pytest

from harness.host import Host, can_make
from harness.minato import scratch
from harness.ports import wait_until
from harness.postgres import Postgres
from harness.recovery import healthy_and_equal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_make(), reason="needs the right to make network namespaces"),
]


def test_a_postgresql_whose_machine_is_lost(own_mariadb, new_platform):
    """Neither side waits for hours, as TCP would: Minato notices, and the server gives up the locks
    that would be in a successor's way."""
    directory = scratch("pg")
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.t (n INT, v VARCHAR(40))",
        "INSERT INTO shop.t SELECT seq, MD5(seq) FROM seq_1_to_500",
    )
    with Host() as host:
        postgres = Postgres(directory, host).start()
        platform = new_platform(account=False)
        platform.configure(
            "lake",
            catalog=postgres.url().replace(":pg-pass", ""),
            catalog_password_file=str(platform.secret("catalogue", "pg-pass")),
        )
        platform.account_add()
        platform.source_add(own_mariadb.url(), "shop.%")
        platform.serve()
        platform.wait(30)

        def count(what):
            return int(postgres.psql(f"SELECT count(*) FROM {what}"))

        leases = "pg_locks WHERE locktype = 'advisory' AND classid = 7236833 AND granted"
        assert count(leases) == 1
        host.lose()
        own_mariadb.run("UPDATE shop.t SET v = 'meanwhile' WHERE n % 2 = 0")
        wait_until(lambda: count(leases) == 0, 60, what="the server to give up our locks")
        wait_until(lambda: platform.log_has("waiting for PostgreSQL"), 60, what="core to notice")
        postgres.stop(signal.SIGQUIT)  # without a word to anybody
        postgres.start_again()
        host.find()
        healthy_and_equal(own_mariadb, platform, 60)
        assert count(leases) == 1
        assert platform.stop() == 0
        postgres.stop()
    shutil.rmtree(directory, ignore_errors=True)
