-- Products that run out: little is left, and they are among the best sellers.
SELECT p.name AS product, s.quantity AS left_over, b.pieces AS sold_last_hour
FROM shop.stock s
JOIN shop.products p ON p.id = s.product_id
JOIN sales.best_sellers b ON b.product = p.name
WHERE s.quantity < 300
