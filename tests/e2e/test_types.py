"""Every everyday type with its edge values: as a snapshot reads them and as the binlog brings
them."""

from harness.compare import compare

COLUMNS = """
  id INT PRIMARY KEY,
  ti TINYINT, tiu TINYINT UNSIGNED, flag TINYINT(1), si SMALLINT, siu SMALLINT UNSIGNED,
  mi MEDIUMINT, miu MEDIUMINT UNSIGNED, i INT, iu INT UNSIGNED, bi BIGINT, biu BIGINT UNSIGNED,
  f FLOAT, d DOUBLE, d1 DECIMAL(4,2), d2 DECIMAL(9,0), d3 DECIMAL(18,6), d4 DECIMAL(38,10),
  d5 DECIMAL(5,5),
  c CHAR(10), vc VARCHAR(300), t TEXT, mt MEDIUMTEXT, bin BINARY(8), vb VARBINARY(300), bl BLOB,
  dt DATE, tm TIME, tm6 TIME(6), dtm DATETIME, dtm3 DATETIME(3), dtm6 DATETIME(6),
  ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL, y YEAR,
  e ENUM('small','big','特大') , st SET('a','b','c'),
  j JSON, b1 BIT(1), b20 BIT(20),
  latin VARCHAR(30) CHARACTER SET latin1, sj VARCHAR(30) CHARACTER SET cp932,
  u3 VARCHAR(30) CHARACTER SET utf8mb3
"""

ROWS = [
    # the smallest
    """-128, 0, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0,
       -3.4e38, -1.7e308, -99.99, -999999999, -999999999999.999999,
       -9999999999999999999999999999.9999999999, -0.99999,
       '', '', '', '', '', '', '', '1000-01-01', '-838:59:59', '-838:59:59.000000',
       '1000-01-01 00:00:00', '1000-01-01 00:00:00.001', '1000-01-01 00:00:00.000001',
       '1970-01-01 00:00:01', '1970-01-01 00:00:01.000001', 1901, 'small', '', '{}', 0, 0,
       '', '', ''""",
    # the largest
    """127, 255, 1, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807,
       18446744073709551615, 3.4e38, 1.7e308, 99.99, 999999999, 999999999999.999999,
       9999999999999999999999999999.9999999999, 0.99999,
       'abcdefghij', REPEAT('長', 300), REPEAT('x', 65535), REPEAT('y', 200000), X'FFFFFFFFFFFFFFFF',
       REPEAT(X'FF', 300), REPEAT(X'00', 65535), '9999-12-31', '838:59:59', '838:59:58.999999',
       '9999-12-31 23:59:59', '9999-12-31 23:59:59.999', '9999-12-31 23:59:59.999999',
       '2038-01-19 03:14:07', '2038-01-19 03:14:07.999999', 2155, '特大', 'a,b,c',
       '[1,{"キー":null}]', 1,
       1048575,
       'Crème brûlée', '東京ﾄｳｷｮｳ①', 'ユニコード'""",
    # the everyday, and what is easily mangled
    """-1, 200, 1, -1, 40000, -1, 9000000, -1, 3000000000, -1, 10000000000000000000,
       0.1, 0.1, -0.01, 1, 0.000001, -0.0000000001, 0.00001,
       'a b  ', 'line\nbreak "quoted" \\\\back', 'tab\there', '絵文字 🍵', X'0102000000000000',
       X'00010200', X'2720',
       '2024-02-29', '12:34:56', '-00:00:00.000001', '2026-11-24 11:22:33',
       '1969-12-31 23:59:59.999',
       '2026-11-24 11:22:33.123456', '2026-03-29 02:30:00', '2026-10-25 02:30:00.5', 2026, 'big',
       'a,c',
       '{"a": [1, 2.5, "x"], "b": "é"}', 1, 12345, '£', 'ソ表能', 'x'""",
    ", ".join(["NULL"] * 42),
]


def fill(mariadb, db, table, first):
    with mariadb.connect(db) as c, c.cursor() as cursor:
        for n, row in enumerate(ROWS):
            cursor.execute(f"INSERT INTO {table} VALUES ({first + n}, {row})")


def test_every_type_through_the_binlog(mariadb, shared, db):
    mariadb.run(f"CREATE TABLE everything ({COLUMNS})", database=db)
    fill(mariadb, db, "everything", 1)
    shared.wait(20)
    compare(mariadb, shared, db)
    # As before-images too: each row is found again by its values when there is no key.
    mariadb.run(f"CREATE TABLE nokey ({COLUMNS.replace(' PRIMARY KEY', '')})", database=db)
    fill(mariadb, db, "nokey", 1)
    fill(mariadb, db, "nokey", 1)
    mariadb.run(
        "UPDATE nokey SET i = 7 LIMIT 3",
        "DELETE FROM nokey WHERE id = 3 LIMIT 1",
        "DELETE FROM nokey WHERE id = 4 LIMIT 1",
        database=db,
    )
    shared.wait(20)
    compare(mariadb, shared, db)


def test_every_type_through_the_snapshot(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run("CREATE DATABASE shop", f"CREATE TABLE shop.everything ({COLUMNS})")
    fill(own_mariadb, "shop", "everything", 1)
    platform = new_platform()
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    compare(own_mariadb, platform, "shop")
    fill(own_mariadb, "shop", "everything", 11)  # and both ways agree
    platform.wait(30)
    compare(own_mariadb, platform, "shop")
    with platform.connect() as gate:
        columns = [
            d.name for d in gate.execute("SELECT * FROM shop.everything LIMIT 0").description
        ]
        different = [
            c
            for c in columns
            if c != "id"
            and gate.execute(
                "SELECT count(*) FROM shop.everything a JOIN shop.everything b ON b.id = a.id + 10"
                f" WHERE a.{c} IS DISTINCT FROM b.{c}"
            ).fetchone()[0]
        ]
    assert different == []


def test_compressed_and_minimal_events(own_mariadb, new_platform):
    """log_bin_compress and binlog_checksum=CRC32 change the events' bytes, not their meaning."""
    own_mariadb.options += [
        "--log-bin-compress=ON",
        "--log-bin-compress-min-len=10",
        "--binlog-checksum=CRC32",
    ]
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, s VARCHAR(200))"
    )
    platform = new_platform()
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.serve()
    own_mariadb.run(
        "INSERT INTO shop.t SELECT seq, REPEAT('z', 150) FROM seq_1_to_20000",
        "UPDATE shop.t SET s = 'short' WHERE id % 7 = 0",
        "DELETE FROM shop.t WHERE id % 11 = 0",
    )
    platform.wait(30)
    compare(own_mariadb, platform, "shop")
