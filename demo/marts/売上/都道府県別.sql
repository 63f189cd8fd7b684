-- 都道府県別の売上 (sales by prefecture): any name in any language is a name.
SELECT prefecture AS "都道府県", count(DISTINCT order_id) AS "注文数", CAST(sum(amount) AS BIGINT) AS "金額"
FROM sales.order_lines
GROUP BY prefecture
