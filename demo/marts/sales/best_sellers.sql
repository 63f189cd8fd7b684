-- The ten products that sold best during the last hour.
SELECT product, category, CAST(sum(quantity) AS BIGINT) AS pieces, CAST(sum(amount) AS BIGINT) AS amount
FROM sales.order_lines
WHERE ordered_at > (SELECT max(ordered_at) FROM sales.order_lines) - INTERVAL 1 HOUR
GROUP BY product, category
ORDER BY pieces DESC, product
LIMIT 10
