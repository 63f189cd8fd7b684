-- Statements of analysts that must pass the fence and run, on shop.orders(id, customer, amount, note, placed_at),
-- shop.customers(id, name, tags) and "売上"."明細"("品名", "数量"). Run by src/sql/tests/escape_test.cpp.
-- A statement is the text below a line "-- allowed: …".

-- allowed: constants
SELECT 1, 1.5, 1e10, 'x', true, NULL, x'ab', DATE '2024-01-01', INTERVAL 3 DAY, [1, 2], {'a': 1}, MAP {'k': 1}
-- allowed: filters
SELECT * FROM shop.orders WHERE amount > 1 AND note ILIKE '%a%' AND id IN (1, 2, 3) OR customer IS NULL
-- allowed: joins
SELECT o.id, c.name FROM shop.orders o LEFT JOIN shop.customers c ON o.customer = c.id CROSS JOIN range(2) r(n)
-- allowed: names in full
SELECT shop.orders.id, minato.shop.orders.amount FROM minato.shop.orders
-- allowed: Japanese names
SELECT "品名", sum("数量") AS 合計 FROM "売上"."明細" GROUP BY ALL ORDER BY 合計 DESC
-- allowed: Japanese names without quotes, with wide spaces
SELECT　品名,　数量　FROM　売上.明細
-- allowed: FROM first
FROM shop.orders SELECT id WHERE amount > 0 LIMIT 3
-- allowed: CTEs
WITH a AS (SELECT * FROM shop.orders), b AS (SELECT customer, sum(amount) AS s FROM a GROUP BY 1) SELECT * FROM b JOIN a USING (customer)
-- allowed: materialised CTE
WITH a AS MATERIALIZED (FROM shop.orders) SELECT count(*) FROM a UNION ALL SELECT sum(amount) FROM a
-- allowed: recursive CTE
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t
-- allowed: a CTE with the name of a table
WITH orders AS (SELECT * FROM shop.orders WHERE id > 1) SELECT * FROM orders
-- allowed: subqueries
SELECT *, (SELECT max(amount) FROM shop.orders) FROM shop.customers c WHERE EXISTS (FROM shop.orders o WHERE o.customer = c.id) AND id NOT IN (SELECT customer FROM shop.orders WHERE amount < 0)
-- allowed: lateral
SELECT c.name, t.amount FROM shop.customers c, LATERAL (SELECT amount FROM shop.orders o WHERE o.customer = c.id ORDER BY amount DESC LIMIT 1) t
-- allowed: set operations
SELECT id FROM shop.orders UNION SELECT id FROM shop.customers EXCEPT SELECT 3 INTERSECT SELECT 4
-- allowed: UNION BY NAME
SELECT id, amount FROM shop.orders UNION ALL BY NAME SELECT id, name FROM shop.customers
-- allowed: windows
SELECT id, row_number() OVER w, lag(amount, 1, 0) OVER w, sum(amount) OVER (ORDER BY placed_at RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW), ntile(4) OVER (PARTITION BY customer ORDER BY id) FROM shop.orders WINDOW w AS (PARTITION BY customer ORDER BY placed_at)
-- allowed: QUALIFY
SELECT * FROM shop.orders QUALIFY row_number() OVER (PARTITION BY customer ORDER BY placed_at DESC) = 1
-- allowed: aggregates
SELECT customer, count(*), count(DISTINCT note), sum(amount) FILTER (WHERE amount > 1), median(amount), quantile_cont(amount, 0.9), string_agg(note, ',' ORDER BY id), arg_max(id, amount), list(id), histogram(customer), approx_count_distinct(id) FROM shop.orders GROUP BY customer HAVING count(*) > 0
-- allowed: grouping sets
SELECT customer, note, sum(amount), grouping(customer) FROM shop.orders GROUP BY GROUPING SETS ((customer), (note), ()) ORDER BY ALL
-- allowed: rollup and cube
SELECT customer, note, sum(amount) FROM shop.orders GROUP BY ROLLUP (customer, note)
-- allowed: WITHIN GROUP
SELECT mode() WITHIN GROUP (ORDER BY customer), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM shop.orders
-- allowed: star with changes
SELECT * EXCLUDE (note) REPLACE (amount * 2 AS amount) RENAME (customer AS who) FROM shop.orders
-- allowed: COLUMNS
SELECT max(COLUMNS('id|amount')), min(COLUMNS(* EXCLUDE (note))) FROM shop.orders
-- allowed: COLUMNS with a lambda
SELECT COLUMNS(lambda c: c LIKE 'a%') FROM shop.orders
-- allowed: lists
SELECT list_transform([1, 2], lambda x: x + 1), [x * 2 FOR x IN [1, 2, 3] IF x > 1], list_aggregate([1, 2], 'sum'), list_sort([3, 1]), [1, 2, 3][1:2], list_reduce([1, 2], lambda a, b: a + b), flatten([[1], [2]])
-- allowed: structs
SELECT {'a': 1, 'b': {'c': 2}}.b.c, struct_pack(x := 1), row(1, 2), struct_extract({'a': 1}, 'a')
-- allowed: JSON
SELECT '{"a": [1]}'::JSON -> 'a', '{"a": 1}'::JSON ->> '$.a', json_extract_string('{"a": 1}', '$.a'), to_json({'a': 1})
-- allowed: JSON as a table
SELECT * FROM json_each('{"a": 1, "b": 2}')
-- allowed: text
SELECT upper('a'), substring('abc' FROM 2 FOR 1), trim(BOTH 'x' FROM 'xax'), position('b' IN 'abc'), 'a' || 'b', replace('a', 'a', 'b'), regexp_replace('abc', '[a-b]', ''), split_part('a,b', ',', 2), format('{} {}', 1, 2), lpad('1', 3, '0'), strip_accents('é'), 'abc' SIMILAR TO 'a.*', 'abc' ~ 'a.*', concat_ws('-', 'a', 'b'), levenshtein('a', 'b'), md5('x')
-- allowed: dates
SELECT now()::DATE, current_date, current_timestamp, date_trunc('month', DATE '2024-02-03'), extract(YEAR FROM DATE '2024-02-03'), date_diff('day', DATE '2024-01-01', DATE '2024-02-01'), strftime(DATE '2024-01-01', '%Y/%m'), DATE '2024-01-01' + INTERVAL 1 MONTH, TIMESTAMP '2024-01-01' AT TIME ZONE 'Asia/Tokyo', last_day(DATE '2024-01-01'), age(DATE '2024-01-01', DATE '2023-01-01'), time_bucket(INTERVAL 7 DAY, DATE '2024-01-01'), strptime('2024', '%Y')
-- allowed: numbers
SELECT round(1.25, 1), abs(-1), ceil(1.2), 7 // 2, 7 % 2, 2 ^ 3, greatest(1, 2), ln(2.0), random() < 2, -(-1), @ -1, 5!, 6 & 3, 1 << 2, log2(8), sign(-1)
-- allowed: conditions
SELECT CASE WHEN 1 = 1 THEN 'a' ELSE 'b' END, coalesce(NULL, 1), nullif(1, 2), ifnull(NULL, 1), if(true, 1, 2), 1 BETWEEN 0 AND 2, NULL IS DISTINCT FROM 1, try_cast('x' AS INTEGER), TRY(1 / 0), 1 IN (SELECT 1), 1 = ANY ([1, 2])
-- allowed: casts
SELECT '1'::INTEGER, '1'::DECIMAL(10, 2), '2024-01-01'::TIMESTAMPTZ, '[1]'::INTEGER[], {'a': 1}::STRUCT(a BIGINT), '[1]'::JSON, '1'::HUGEINT, 'x'::BLOB, uuid()::VARCHAR, '1'::text, '1'::int8, true::bool, '1'::numeric
-- allowed: collation
SELECT note FROM shop.orders ORDER BY note COLLATE NOCASE, note COLLATE ja
-- allowed: sample
SELECT * FROM shop.orders TABLESAMPLE 50% (bernoulli, 42)
-- allowed: USING SAMPLE
SELECT * FROM shop.orders USING SAMPLE reservoir(2 ROWS) REPEATABLE (1)
-- allowed: ASOF join
SELECT o.id, p.id FROM shop.orders o ASOF JOIN shop.orders p ON o.customer = p.customer AND o.placed_at >= p.placed_at
-- allowed: semi and anti joins
SELECT * FROM shop.customers c SEMI JOIN shop.orders o ON o.customer = c.id
-- allowed: natural join
SELECT * FROM shop.orders NATURAL JOIN (SELECT id, 1 AS one FROM shop.customers)
-- allowed: PIVOT
PIVOT shop.orders ON customer IN (1, 2) USING sum(amount) GROUP BY note
-- allowed: SQL PIVOT
SELECT * FROM (SELECT customer, note, amount FROM shop.orders) PIVOT (sum(amount) FOR customer IN (1, 2))
-- allowed: UNPIVOT
UNPIVOT (SELECT id, amount FROM shop.orders) ON amount INTO NAME what VALUE how_much
-- allowed: UNPIVOT of columns
UNPIVOT (SELECT id, amount, customer FROM shop.orders) ON COLUMNS(* EXCLUDE (id)) INTO NAME what VALUE how_much
-- allowed: VALUES
VALUES (1, 'a'), (2, 'b')
-- allowed: VALUES as a table
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s) WHERE n = 1
-- allowed: series
SELECT * FROM generate_series(DATE '2024-01-01', DATE '2024-01-10', INTERVAL 1 DAY) AS t(day), unnest([1, 2]) AS u(n)
-- allowed: unnest
SELECT id, unnest(tags) FROM shop.customers
-- allowed: ordinality
SELECT * FROM unnest(['a', 'b']) WITH ORDINALITY
-- allowed: DISTINCT ON
SELECT DISTINCT ON (customer) id, customer FROM shop.orders ORDER BY customer, placed_at DESC NULLS LAST
-- allowed: LIMIT in percent
SELECT * FROM shop.orders ORDER BY 1 LIMIT 10% OFFSET 1
-- allowed: positional reference
SELECT id, amount FROM shop.orders ORDER BY #2
-- allowed: TABLE
TABLE shop.orders
-- allowed: DESCRIBE
DESCRIBE shop.orders
-- allowed: DESCRIBE of a query
DESCRIBE SELECT id FROM shop.orders
-- allowed: SUMMARIZE
SUMMARIZE shop.orders
-- allowed: SHOW of a table
SHOW shop.orders
-- allowed: SHOW TABLES
SHOW TABLES
-- allowed: SHOW ALL TABLES
SHOW ALL TABLES
-- allowed: SHOW SCHEMAS
SHOW SCHEMAS
-- allowed: SHOW DATABASES
SHOW DATABASES
-- allowed: SHOW TABLES FROM
SHOW TABLES FROM shop
-- allowed: information_schema
SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL
-- allowed: information_schema with aliases
SELECT c.column_name FROM minato.information_schema.columns AS c JOIN information_schema . /* the tables */ "tables" t USING (table_schema, table_name) WHERE t.table_name = 'orders'
-- allowed: a comment and a semicolon at the end
SELECT 1 -- one
;
-- allowed: parentheses
(SELECT 1) UNION (SELECT 2)
-- allowed: nested parentheses in FROM
SELECT * FROM ((shop.orders o JOIN shop.customers c ON o.customer = c.id))
-- allowed: keywords as names
SELECT o."placed_at" AS "select", o.note AS "from" FROM shop.orders AS o
-- allowed: a quoted name with quotes in it
SELECT 1 AS "a""b", 'it''s', E'tab\t', $$text with 'quotes'$$
