"""Attempts to get out of the lake through the real gate. Each must fail, and none may leave a trace
or kill the gate."""

import pathlib
import re

import psycopg
import pytest

SECRET = "the-harbour-master-keeps-this"

ATTEMPTS = """
SELECT * FROM read_csv('{file}')
SELECT * FROM read_csv_auto('{file}', header=false)
SELECT * FROM read_text('{file}')
SELECT * FROM read_blob('{file}')
SELECT * FROM read_json('{file}')
SELECT * FROM read_parquet('{lake}/**/*.parquet')
SELECT * FROM parquet_metadata('{lake}/**/*.parquet')
SELECT * FROM parquet_scan('{lake}/**/*.parquet')
SELECT * FROM glob('{dir}/**')
SELECT * FROM '{file}'
SELECT * FROM "{file}"
SELECT * FROM '{lake}/**/*.parquet'
SELECT * FROM sniff_csv('{file}')
COPY (SELECT 1) TO '{dir}/stolen.csv'
COPY (SELECT 1) TO '{lake}/stolen.parquet' (FORMAT parquet)
COPY t FROM '{file}'
EXPORT DATABASE '{dir}/stolen'
IMPORT DATABASE '{dir}'
ATTACH '{dir}/stolen.duckdb' AS stolen
ATTACH 'host={pgdir} dbname=minato user=minato_owner' AS pg (TYPE postgres)
ATTACH ':memory:' AS m
DETACH minato
USE memory
INSTALL httpfs
LOAD httpfs
LOAD '{dir}/evil.duckdb_extension'
SET enable_external_access = true
SET GLOBAL enable_external_access = true
SET lock_configuration = false
RESET lock_configuration
SET allowed_directories = ['/']
SET memory_limit = '100GB'
SET temp_directory = '{dir}'
SET secret_directory = '{dir}'
PRAGMA enable_profiling
PRAGMA database_list
CALL ducklake_snapshots('minato')
SELECT * FROM ducklake_list_files('minato', 'x')
SELECT * FROM ducklake_table_info('minato')
CALL ducklake_cleanup_old_files('minato', cleanup_all => true)
CALL postgres_execute('__ducklake_metadata_minato', 'DROP SCHEMA minato CASCADE')
SELECT * FROM postgres_query('__ducklake_metadata_minato', 'SELECT * FROM minato.account')
SELECT * FROM postgres_scan('host={pgdir} dbname=minato user=minato_gate', 'minato', 'account')
SELECT * FROM __ducklake_metadata_minato.minato.account
SELECT * FROM __ducklake_metadata_minato.ducklake.ducklake_snapshot
SELECT * FROM minato.account
SELECT * FROM ducklake.ducklake_data_file
SELECT path FROM duckdb_databases()
SELECT * FROM duckdb_secrets()
SELECT * FROM which_secret('{file}', 's3')
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_logs()
SELECT getenv('HOME')
SELECT current_setting('secret_directory')
SELECT current_setting('allowed_directories')
SELECT query FROM query('SELECT 1')
SELECT * FROM query('SELECT * FROM read_text(''{file}'')')
SELECT * FROM query_table('{file}')
SELECT list_aggregate([1], 'read_text')
SELECT * FROM json_execute_serialized_sql('{{}}')
CREATE MACRO m() AS TABLE SELECT * FROM read_text('{file}')
CREATE TEMP TABLE x AS SELECT * FROM read_text('{file}')
CREATE OR REPLACE SECRET s (TYPE s3)
PREPARE p AS SELECT * FROM read_text('{file}')
EXPLAIN SELECT * FROM read_text('{file}')
EXPLAIN ANALYZE COPY (SELECT 1) TO '{dir}/stolen.csv'
SELECT 1; SELECT * FROM read_text('{file}')
SELECT (SELECT content FROM read_text('{file}'))
SELECT * FROM (VALUES (1)) v(x), LATERAL (SELECT content FROM read_text('{file}'))
WITH x AS MATERIALIZED (SELECT * FROM read_text('{file}')) SELECT * FROM x
FROM read_text('{file}')
SUMMARIZE SELECT * FROM read_text('{file}')
DESCRIBE SELECT * FROM read_text('{file}')
PIVOT read_text('{file}') ON size
VACUUM
CHECKPOINT
FORCE CHECKPOINT
""".strip().split(
    "\n"
)


@pytest.fixture(scope="module")
def places(shared):
    directory = shared.directory.parent
    file = directory / "secret.txt"
    file.write_text(SECRET)
    file.chmod(0o644)
    return {
        "file": file,
        "dir": directory,
        "lake": shared.directory / "lake",
        "pgdir": shared.directory / ".minato" / "run",
    }


def refused(connection, sql):
    """True when refused, or an answer (never an error) that gives nothing away, as for names that
    do not exist."""
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql)
    text = str(caught.value)
    assert SECRET not in text
    assert not re.search(r"password=|minato_owner|\.minato/", text.replace(sql, "")), text
    return text


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda a: re.sub(r"\W+", "-", a)[:50])
def test_refused(shared, places, attempt):
    gates = set(shared.role_pids("gate"))
    sql = attempt.format(**places)
    with shared.connect(prepare_threshold=None) as c:
        c.pgconn.exec_(b"SELECT 1")
        result = c.pgconn.exec_(sql.encode())  # simple protocol: several statements are possible
        message = (result.error_message or b"").decode()
        assert message and SECRET not in message, f"{sql} was carried out: {result.status}"
        assert not re.search(r"password=|minato_owner", message), message
        assert c.execute("SELECT 1").fetchone() == (1,)  # the session lives on
        if ";" not in sql:
            with pytest.raises(psycopg.Error):  # and through the extended protocol
                c.execute(sql)
    assert not list(places["dir"].glob("stolen*")) and not list(
        pathlib.Path(places["lake"]).glob("stolen*")
    )
    assert set(shared.role_pids("gate")) == gates
