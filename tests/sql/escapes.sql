-- Attempts to get out of the lake with a query. Each must end in an error, and nothing secret may show in it.
-- Run by src/sql/tests/escape_test.cpp against the fence alone (engine wide open, secrets everywhere), and by
-- src/gate/tests/escapes_test.cpp through a real gate. An attempt is the text below a line "-- attempt: …".
-- {file}: a text file with a secret; {dir}: its directory; {lake}: the directory of the lake's Parquet files.

-- attempt: file functions
SELECT * FROM read_csv('{file}')
-- attempt: read_csv_auto with options
SELECT * FROM read_csv_auto('{file}', header => false, all_varchar => true)
-- attempt: read_text
SELECT * FROM read_text('{file}')
-- attempt: read_blob
SELECT filename, content FROM read_blob('{file}')
-- attempt: read_json
SELECT * FROM read_json('{file}')
-- attempt: read_ndjson_objects
SELECT * FROM read_ndjson_objects('{file}')
-- attempt: read_parquet
SELECT * FROM read_parquet('{lake}/**/*.parquet')
-- attempt: parquet_scan
SELECT * FROM parquet_scan('{dir}/secret.parquet')
-- attempt: parquet_kv_metadata
SELECT * FROM parquet_kv_metadata('{dir}/secret.parquet')
-- attempt: parquet_schema
SELECT * FROM parquet_schema('{dir}/secret.parquet')
-- attempt: read_duckdb
SELECT * FROM read_duckdb('{dir}/hidden.db', table_name => 'secret')
-- attempt: sniff_csv
SELECT * FROM sniff_csv('{file}')
-- attempt: glob
SELECT * FROM glob('{dir}/*')
-- attempt: schema-qualified function
SELECT * FROM main.read_text('{file}')
-- attempt: catalogue-qualified function
SELECT * FROM system.main.read_text('{file}')
-- attempt: quoted function name
SELECT * FROM "read_text"('{file}')
-- attempt: upper case function name
SELECT * FROM READ_TEXT('{file}')
-- attempt: replacement scan with single quotes
SELECT * FROM '{file}'
-- attempt: replacement scan with double quotes
SELECT * FROM "{dir}/secret.csv"
-- attempt: replacement scan of Parquet
FROM '{dir}/secret.parquet'
-- attempt: replacement scan by glob
SELECT * FROM '{dir}/*.csv'
-- attempt: replacement scan with an alias and columns
SELECT t.a FROM '{dir}/secret.csv' AS t(a)
-- attempt: replacement scan of a remote file
SELECT * FROM 'https://127.0.0.1:1/secret.parquet'
-- attempt: replacement scan of S3
SELECT * FROM 's3://bucket/secret.parquet'
-- attempt: replacement scan by schema and name
SELECT * FROM "{dir}/secret"."csv"
-- attempt: replacement scan by the three parts
SELECT * FROM "{dir}"."/secret"."csv"
-- attempt: replacement scan in the lake's catalogue
SELECT * FROM minato.main."{dir}/secret.csv"
-- attempt: SUMMARIZE of a file
SUMMARIZE '{dir}/secret.csv'
-- attempt: DESCRIBE of a file
DESCRIBE '{dir}/secret.parquet'
-- attempt: DESCRIBE TABLE of a file
DESCRIBE TABLE '{dir}/secret.parquet'
-- attempt: SHOW of a file
SHOW '{dir}/secret.parquet'
-- attempt: TABLE of a file
TABLE '{dir}/secret.csv'
-- attempt: PIVOT of a file
PIVOT '{dir}/secret.csv' ON name IN ('a') USING max(value)
-- attempt: UNPIVOT of a file
UNPIVOT '{dir}/secret.csv' ON name, value INTO NAME n VALUE v
-- attempt: dynamic PIVOT
PIVOT (SELECT * FROM read_csv('{dir}/secret.csv')) ON name USING max(value)
-- attempt: PIVOT by an ENUM
SELECT * FROM shop.orders PIVOT (sum(amount) FOR customer IN secret_enum)
-- attempt: in a CTE
WITH x AS (SELECT * FROM read_text('{file}')) SELECT * FROM x
-- attempt: in a CTE that nobody reads twice
WITH x AS MATERIALIZED (FROM '{dir}/secret.csv') SELECT (SELECT max(value) FROM x)
-- attempt: a CTE with the name of a file
WITH "{dir}/secret.csv" AS (SELECT 1) SELECT * FROM (SELECT * FROM "{dir}/secret.csv"), "{dir}/secret.csv"
-- attempt: a CTE that shadows only itself
WITH a AS (SELECT * FROM "{dir}/secret.csv") SELECT * FROM a
-- attempt: recursive CTE
WITH RECURSIVE x AS (SELECT content FROM read_text('{file}') UNION ALL SELECT content || 'x' FROM x WHERE false) FROM x
-- attempt: in the recursive half
WITH RECURSIVE x(c) AS (SELECT '' UNION ALL SELECT content FROM x, read_text('{file}') WHERE c = '') FROM x
-- attempt: USING KEY
WITH RECURSIVE x(k, v) USING KEY (k) AS (SELECT 1, '' UNION ALL SELECT 1, content FROM read_text('{file}'), x WHERE v = '') FROM x
-- attempt: in a scalar subquery
SELECT (SELECT content FROM read_text('{file}'))
-- attempt: in EXISTS
SELECT EXISTS (FROM read_text('{file}') WHERE content LIKE 't%')
-- attempt: in IN
SELECT 1 WHERE 'x' NOT IN (SELECT content FROM read_text('{file}'))
-- attempt: in ANY
SELECT 'x' <> ANY (SELECT content FROM read_text('{file}'))
-- attempt: in ARRAY
SELECT ARRAY (SELECT content FROM read_text('{file}'))
-- attempt: in LATERAL
SELECT * FROM (VALUES (1)) v(x), LATERAL (SELECT content FROM read_text('{file}'))
-- attempt: in a join condition
SELECT * FROM shop.orders o JOIN shop.orders p ON (SELECT length(content) > 0 FROM read_text('{file}'))
-- attempt: in ORDER BY
SELECT id FROM shop.orders ORDER BY (SELECT content FROM read_text('{file}'))
-- attempt: in LIMIT
SELECT id FROM shop.orders LIMIT (SELECT length(content) FROM read_text('{file}'))
-- attempt: in OFFSET
SELECT id FROM shop.orders LIMIT 1 OFFSET (SELECT length(content) FROM read_text('{file}'))
-- attempt: in GROUP BY and HAVING
SELECT count(*) FROM shop.orders GROUP BY customer HAVING (SELECT length(content) FROM read_text('{file}')) > 0
-- attempt: in DISTINCT ON
SELECT DISTINCT ON ((SELECT content FROM read_text('{file}'))) id FROM shop.orders
-- attempt: in FILTER
SELECT count(*) FILTER (WHERE (SELECT content FROM read_text('{file}')) LIKE 't%') FROM shop.orders
-- attempt: in a window
SELECT sum(id) OVER (PARTITION BY (SELECT content FROM read_text('{file}'))) FROM shop.orders
-- attempt: in the frame of a window
SELECT sum(id) OVER (ORDER BY id ROWS (SELECT length(content) FROM read_text('{file}')) PRECEDING) FROM shop.orders
-- attempt: in a named window
SELECT sum(id) OVER w FROM shop.orders WINDOW w AS (ORDER BY (SELECT content FROM read_text('{file}')))
-- attempt: in QUALIFY
SELECT id FROM shop.orders QUALIFY row_number() OVER () < (SELECT length(content) FROM read_text('{file}'))
-- attempt: in VALUES
VALUES ((SELECT content FROM read_text('{file}')))
-- attempt: in a lambda
SELECT list_transform([1], lambda x: (SELECT content FROM read_text('{file}')))
-- attempt: in a list comprehension
SELECT [(SELECT content FROM read_text('{file}')) FOR x IN [1]]
-- attempt: in CASE
SELECT CASE WHEN true THEN (SELECT content FROM read_text('{file}')) END
-- attempt: in REPLACE
SELECT * REPLACE ((SELECT content FROM read_text('{file}')) AS id) FROM shop.orders
-- attempt: in COLUMNS
SELECT COLUMNS(lambda c: (SELECT content LIKE 't%' FROM read_text('{file}'))) FROM shop.orders
-- attempt: in the argument of a table function
SELECT * FROM range((SELECT length(content) FROM read_text('{file}')))
-- attempt: in unnest
SELECT * FROM unnest((SELECT list(content) FROM read_text('{file}')))
-- attempt: in a set operation
SELECT id::VARCHAR FROM shop.orders UNION ALL BY NAME SELECT content AS id FROM read_text('{file}')
-- attempt: in EXCEPT
SELECT content FROM read_text('{file}') EXCEPT SELECT 'x'
-- attempt: in the struct of a table
SELECT x FROM read_text('{file}') AS x
-- attempt: behind a positional join
SELECT * FROM shop.orders POSITIONAL JOIN read_text('{file}')
-- attempt: behind an ASOF join
SELECT * FROM shop.orders o ASOF JOIN read_csv('{dir}/secret.csv') s ON o.id >= length(s.name)
-- attempt: between comments
SELECT * /* ; */ FROM/**/read_text/* -- */('{file}')
-- attempt: behind a comment
-- SELECT 1
SELECT * FROM read_text('{file}')
-- attempt: behind a nested comment
/* /* */ SELECT 1; */ SELECT * FROM read_text('{file}')
-- attempt: with Unicode spaces
SELECT　*　FROM　read_text('{file}')
-- attempt: with a zero-width space
SELECT * FROM​read_text('{file}')
-- attempt: with a byte order mark
﻿SELECT * FROM read_text('{file}')
-- attempt: with a Unicode escape
SELECT * FROM U&"read\005Ftext"('{file}')
-- attempt: with an escape string
SELECT * FROM read_text(E'\x2f{file}')
-- attempt: with dollar quotes
SELECT * FROM read_text($x${file}$x$)
-- attempt: text of a table in dollar quotes
SELECT * FROM query_table($${dir}/secret.csv$$)
-- attempt: two statements
SELECT 1; SELECT * FROM read_text('{file}')
-- attempt: two statements on one line without space
SELECT 1;FROM read_text('{file}')
-- attempt: a command and a query
BEGIN; SELECT * FROM read_text('{file}')
-- attempt: empty statements first
;;; SELECT * FROM read_text('{file}')
-- attempt: query()
SELECT * FROM query('SELECT * FROM read_text(''{file}'')')
-- attempt: query_table()
SELECT * FROM query_table('{dir}/secret.csv')
-- attempt: query_table() with a list
SELECT * FROM query_table(['hidden.main.secret'])
-- attempt: query() in a subquery
SELECT (SELECT max(COLUMNS(*)) FROM query('FROM hidden.main.secret'))
-- attempt: histogram as a table function
SELECT * FROM histogram('{dir}/secret.csv', value)
-- attempt: histogram_values
SELECT * FROM histogram_values('hidden.main.secret', value)
-- attempt: serialised SQL
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM hidden.main.secret'))
-- attempt: serialised SQL as a pragma
PRAGMA json_execute_serialized_sql('{"error":false,"statements":[]}')
-- attempt: serialised plan
SELECT json_serialize_plan('SELECT * FROM hidden.main.secret')
-- attempt: dynamic name of an aggregate
SELECT list_aggregate(['x'], (SELECT 'max'))
-- attempt: dynamic name of an aggregate by concatenation
SELECT list_aggr(['x'], 'm' || 'ax')
-- attempt: a name that is no aggregate
SELECT array_aggregate(['{file}'], 'read_text')
-- attempt: the scalar function as a macro
SELECT aggregate(['{file}'], getenv('HOME'))
-- attempt: another catalogue
SELECT * FROM hidden.main.secret
-- attempt: another catalogue without a schema
SELECT * FROM hidden.secret
-- attempt: another catalogue, quoted and in capitals
SELECT * FROM "HIDDEN"."MAIN"."SECRET"
-- attempt: another catalogue in a correlated subquery
SELECT (SELECT value FROM hidden.main.secret WHERE name = 'a' OR id > 0) FROM shop.orders
-- attempt: a table of the session
SELECT * FROM temp.secret
-- attempt: a table of the session without its catalogue
SELECT * FROM session_secret
-- attempt: a view of the default catalogue
SELECT * FROM memory.main.secret_view
-- attempt: a view without its catalogue
SELECT * FROM secret_view
-- attempt: a macro
SELECT secret_macro()
-- attempt: a table macro
SELECT * FROM secret_table_macro()
-- attempt: a macro of a catalogue
SELECT memory.main.secret_macro()
-- attempt: a macro as a method
SELECT 'x'.secret_macro()
-- attempt: an ENUM
SELECT enum_range(NULL::secret_enum)
-- attempt: a cast to an ENUM
SELECT 'x'::memory.main.secret_enum
-- attempt: a variable
SELECT getvariable('secret')
-- attempt: a setting
SELECT current_setting('secret_setting')
-- attempt: settings
SELECT * FROM duckdb_settings()
-- attempt: secrets
SELECT * FROM duckdb_secrets()
-- attempt: which_secret
SELECT * FROM which_secret('s3://bucket', 's3')
-- attempt: databases
SELECT * FROM duckdb_databases()
-- attempt: databases as a view
SELECT * FROM duckdb_databases
-- attempt: databases as a view of the lake
SELECT * FROM minato.main.duckdb_databases
-- attempt: databases by pragma
PRAGMA database_list
-- attempt: databases by pragma function
SELECT * FROM pragma_database_list()
-- attempt: tables
SELECT * FROM duckdb_tables()
-- attempt: columns
SELECT * FROM system.main.duckdb_columns
-- attempt: views
SELECT sql FROM duckdb_views()
-- attempt: functions
SELECT * FROM duckdb_functions()
-- attempt: variables
SELECT * FROM duckdb_variables()
-- attempt: logs
SELECT * FROM duckdb_logs()
-- attempt: prepared statements
SELECT * FROM duckdb_prepared_statements()
-- attempt: cache of files
SELECT * FROM duckdb_external_file_cache()
-- attempt: sqlite_master
SELECT * FROM sqlite_master
-- attempt: sqlite_master of the lake
SELECT * FROM minato.main.sqlite_master
-- attempt: pg_class
SELECT * FROM pg_catalog.pg_class
-- attempt: pg_class of the system
SELECT * FROM system.pg_catalog.pg_class
-- attempt: pg_settings without a schema
SELECT * FROM pg_settings
-- attempt: information_schema of another catalogue
SELECT * FROM hidden.information_schema.tables
-- attempt: a view of information_schema that is not filtered
SELECT * FROM information_schema.table_constraints
-- attempt: the lake's metadata
SELECT * FROM __ducklake_metadata_minato.ducklake.ducklake_snapshot
-- attempt: Minato's records
SELECT * FROM __ducklake_metadata_minato.minato.account
-- attempt: the lake's metadata by a function
SELECT * FROM ducklake_snapshots('minato')
-- attempt: the lake's files
SELECT * FROM ducklake_list_files('minato', 'orders')
-- attempt: the lake's settings
FROM ducklake_settings('minato')
-- attempt: the lake's options
CALL minato.options()
-- attempt: a table function of the catalogue
FROM minato.snapshots()
-- attempt: an older version
SELECT * FROM shop.orders AT (VERSION => 1)
-- attempt: an older version by a file
SELECT * FROM shop.orders AT (VERSION => (SELECT content FROM read_text('{file}')))
-- attempt: PostgreSQL by a function
SELECT * FROM postgres_scan('host=127.0.0.1 port=1', 'public', 't')
-- attempt: PostgreSQL by a query
SELECT * FROM postgres_query('__ducklake_metadata_minato', 'SELECT * FROM minato.account')
-- attempt: PostgreSQL by a statement
CALL postgres_execute('__ducklake_metadata_minato', 'DROP SCHEMA minato CASCADE')
-- attempt: MySQL
SELECT * FROM mysql_query('m', 'SELECT 1')
-- attempt: SQLite
SELECT * FROM sqlite_scan('{dir}/secret.sqlite', 't')
-- attempt: environment
SELECT getenv('MINATO_TEST_SECRET')
-- attempt: sequence
SELECT nextval('s')
-- attempt: completion
SELECT * FROM sql_auto_complete('SELECT * FROM hid')
-- attempt: COPY of a table to a file
COPY shop.orders TO '{dir}/stolen.csv'
-- attempt: COPY of a query to the lake's directory
COPY (SELECT 1) TO '{lake}/stolen.parquet' (FORMAT parquet)
-- attempt: COPY from a file
COPY shop.orders FROM '{file}'
-- attempt: COPY in capitals behind a comment
/* SELECT */ cOpY (SELECT 1) TO '{dir}/stolen.csv'
-- attempt: COPY FROM DATABASE
COPY FROM DATABASE hidden TO minato
-- attempt: EXPORT
EXPORT DATABASE minato TO '{dir}/stolen'
-- attempt: IMPORT
IMPORT DATABASE '{dir}'
-- attempt: ATTACH of a file
ATTACH '{dir}/hidden.db' AS stolen
-- attempt: ATTACH of a PostgreSQL
ATTACH 'host=127.0.0.1 port=1' AS p (TYPE postgres)
-- attempt: ATTACH OR REPLACE of the lake
ATTACH OR REPLACE ':memory:' AS minato
-- attempt: DETACH
DETACH minato
-- attempt: USE
USE hidden
-- attempt: INSTALL
INSTALL spatial
-- attempt: FORCE INSTALL
FORCE INSTALL sqlite FROM community
-- attempt: LOAD
LOAD '{dir}/evil.duckdb_extension'
-- attempt: UPDATE EXTENSIONS
UPDATE EXTENSIONS
-- attempt: PRAGMA
PRAGMA enable_profiling
-- attempt: PRAGMA with a file
PRAGMA profiling_output='{dir}/stolen.json'
-- attempt: PRAGMA of a table
PRAGMA table_info('hidden.main.secret')
-- attempt: PRAGMA as a query
PRAGMA show('hidden.main.secret')
-- attempt: PRAGMA storage_info
FROM pragma_storage_info('hidden.main.secret')
-- attempt: CALL
CALL pragma_database_size()
-- attempt: CHECKPOINT
FORCE CHECKPOINT
-- attempt: VACUUM
VACUUM
-- attempt: ANALYZE
ANALYZE
-- attempt: CREATE TABLE AS
CREATE TABLE minato.shop.stolen AS SELECT * FROM read_text('{file}')
-- attempt: CREATE TEMP TABLE
CREATE TEMP TABLE stolen AS SELECT * FROM read_text('{file}')
-- attempt: CREATE VIEW
CREATE VIEW stolen AS FROM read_text('{file}')
-- attempt: CREATE MACRO
CREATE MACRO stolen() AS TABLE SELECT * FROM read_text('{file}')
-- attempt: CREATE FUNCTION
CREATE OR REPLACE FUNCTION lower(x) AS (SELECT content FROM read_text('{file}'))
-- attempt: CREATE SECRET
CREATE PERSISTENT SECRET stolen (TYPE s3, KEY_ID 'x')
-- attempt: CREATE TYPE
CREATE TYPE stolen AS ENUM (SELECT content FROM read_text('{file}'))
-- attempt: DROP
DROP TABLE minato.shop.orders
-- attempt: ALTER
ALTER TABLE minato.shop.orders RENAME TO stolen
-- attempt: INSERT
INSERT INTO minato.shop.orders SELECT 1, 1, 1
-- attempt: INSERT RETURNING
INSERT INTO minato.shop.orders VALUES (1, 1, 1) RETURNING (SELECT content FROM read_text('{file}'))
-- attempt: UPDATE
UPDATE minato.shop.orders SET amount = 0
-- attempt: DELETE
DELETE FROM minato.shop.orders
-- attempt: TRUNCATE
TRUNCATE minato.shop.orders
-- attempt: MERGE
MERGE INTO minato.shop.orders USING hidden.main.secret ON false WHEN NOT MATCHED THEN INSERT VALUES (1, 1, 1)
-- attempt: INSERT in a CTE
WITH x AS (INSERT INTO minato.shop.orders VALUES (1, 1, 1) RETURNING id) SELECT * FROM x
-- attempt: WITH in front of an INSERT
WITH x AS (SELECT 1, 1, 1) INSERT INTO minato.shop.orders FROM x
-- attempt: SELECT INTO
SELECT * INTO stolen FROM shop.orders
-- attempt: PREPARE
PREPARE p AS SELECT * FROM read_text('{file}')
-- attempt: EXECUTE
EXECUTE p
-- attempt: EXPLAIN
EXPLAIN SELECT * FROM read_text('{file}')
-- attempt: EXPLAIN ANALYZE of a COPY
EXPLAIN ANALYZE COPY (SELECT 1) TO '{dir}/stolen.csv'
-- attempt: EXPLAIN of a table of the lake
EXPLAIN SELECT * FROM shop.orders
-- attempt: SET VARIABLE from a file
SET VARIABLE x = (SELECT content FROM read_text('{file}'))
-- attempt: FROM with SHOW
SELECT * FROM (SHOW ALL TABLES)
-- attempt: FROM with DESCRIBE
SELECT * FROM (DESCRIBE hidden.main.secret)
-- attempt: FROM with SUMMARIZE
SELECT * FROM (SUMMARIZE hidden.main.secret)
-- attempt: SUMMARIZE of another catalogue
SUMMARIZE hidden.main.secret
-- attempt: DESCRIBE of a table function
DESCRIBE FROM duckdb_secrets()
-- attempt: SHOW DATABASES in a query
SELECT * FROM (SHOW DATABASES)
-- attempt: writing to the log
SELECT write_log('x')
-- attempt: sleeping
SELECT sleep_ms(100000)
-- attempt: deep lambdas
SELECT list_transform([1], lambda a: list_transform([a], lambda b: list_transform([b], lambda c: list_transform([c], lambda d: list_transform([d], lambda e: list_transform([e], lambda f: f))))))
-- attempt: an unknown collation that is a path
SELECT 'a' COLLATE "../secret"
-- attempt: a state of an aggregate
SELECT sum(id) EXPORT_STATE FROM shop.orders
-- attempt: a named parameter
SELECT $secret
-- attempt: a column as a schema
SELECT hidden.main.secret.value
-- attempt: DEFAULT
VALUES (DEFAULT)
-- attempt: replacement scan that climbs out of the current directory
SELECT * FROM shop."/../../../../../../..{dir}/secret.csv"
-- attempt: replacement scan that climbs out, by the schema
SELECT * FROM "/../../../../../../..{dir}/secret"."csv"
-- attempt: replacement scan by a pattern
SELECT * FROM shop."../*/*.csv"
-- attempt: the file behind a row
SELECT filename FROM shop.orders
-- attempt: the file behind a row, of a table with an alias
SELECT o."FileName" FROM shop.orders AS o
-- attempt: the file behind a row, named in full
SELECT minato.shop.orders.filename FROM minato.shop.orders
-- attempt: the file behind a row, in ORDER BY
SELECT 1 FROM shop.orders ORDER BY filename
-- attempt: the file behind a row, as the key of a join
SELECT * FROM shop.orders a JOIN shop.orders b USING (filename)
-- attempt: the file behind a row, by a pattern
SELECT COLUMNS('filename') FROM shop.orders
-- attempt: the file behind a row, through a CTE
WITH t AS (FROM shop.orders SELECT filename AS f) SELECT * FROM t
-- attempt: the file behind a row, in an aggregate
SELECT max(filename) FROM shop.orders GROUP BY ALL
-- attempt: the place of a row in its file
SELECT file_row_number FROM shop.orders
-- attempt: the number of a row's file
SELECT file_index FROM shop.orders
-- attempt: the number of a row
SELECT rowid FROM shop.orders
-- attempt: the commit of a row
SELECT snapshot_id FROM shop.orders
-- attempt: databases as a view of the catalogue
SELECT * FROM minato.duckdb_databases
-- attempt: a file of the catalogue
SELECT * FROM minato."{dir}/secret.csv"
