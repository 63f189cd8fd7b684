-- Sales of each day.
SELECT CAST(ordered_at AS DATE) AS day,
       count(DISTINCT order_id) AS orders,
       CAST(sum(quantity) AS BIGINT) AS pieces,
       CAST(sum(amount) AS BIGINT) AS amount
FROM sales.order_lines
GROUP BY 1
