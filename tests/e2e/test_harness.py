"""The harness itself: a comparison that cannot fail proves nothing."""

import socket

import pytest

from harness.compare import canonical, difference
from harness.minato import Platform, scratch
from harness.ports import Proxy

pytestmark = pytest.mark.no_minato


class GateThatIsTheSource:
    """Answers the gate's SQL from MariaDB itself, so that differences can be planted."""

    def __init__(self, connection, edit=lambda rows: rows):
        self.connection, self.edit = connection, edit

    def execute(self, sql):
        cursor = self.connection.cursor()
        cursor.execute(sql.replace('"', "`"))

        class Result:
            description = [type("D", (), {"name": d[0]}) for d in cursor.description]
            rows = cursor.fetchall()

            def __iter__(self):
                return iter(self.rows)

        result = Result()
        result.rows = self.edit(list(result.rows))
        return result


def test_differences_are_named(mariadb, db):
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(9,2), x TIME, j DATETIME(6))",
        "INSERT INTO t VALUES (1, 1.50, '-01:00:00', '2026-01-02 03:04:05.678901'), (2, NULL, NULL,"
        " NULL)",
        database=db,
    )
    with mariadb.connect() as source, mariadb.connect() as gate:
        same = GateThatIsTheSource(gate)
        assert difference(source, same, db, "t") is None
        lost = difference(source, GateThatIsTheSource(gate, lambda rows: rows[:1]), db, "t")
        assert "1 only at the source" in lost and "(2, None" in lost
        doubled = difference(
            source, GateThatIsTheSource(gate, lambda rows: rows + rows[:1]), db, "t"
        )
        assert "1 only in the lake" in doubled


def test_zero_dates_are_null():
    assert canonical("0000-00-00", "date") is None


def test_configure_keeps_other_settings():
    directory = scratch()
    platform = Platform(directory)
    platform.config.write_text('[gate]\n# the gate\nport = 1\nlisten = "x"\n[http]\nport = 2\n')
    platform.configure("gate", port=7)
    platform.configure("marts", refresh_seconds=1)
    text = platform.config.read_text()
    assert (
        "port = 7" in text and "port = 1\n" not in text and "port = 2" in text and "[marts]" in text
    )
    assert text.index("port = 7") < text.index("[http]")


def test_proxy_cuts_and_heals(mariadb):
    proxy = Proxy(mariadb.port)

    def greeting():
        with socket.create_connection(("127.0.0.1", proxy.port), 2) as s:
            return s.recv(10)

    assert greeting()
    proxy.cut()
    with pytest.raises(OSError):
        greeting()
    proxy.heal()
    assert greeting()
    proxy.cut()
