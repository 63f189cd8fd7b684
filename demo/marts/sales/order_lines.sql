-- Each line of each order with its product and customer: the wide table that the other marts read.
-- That it reads four tables of the shop is found by reading this SELECT; nobody declares it.
SELECT o.id AS order_id,
       i.line,
       o.ordered_at,
       o.status,
       c.prefecture,
       p.category,
       p.name AS product,
       i.quantity,
       i.quantity * i.price AS amount
FROM shop.orders o
JOIN shop.order_items i ON i.order_id = o.id
JOIN shop.products p ON p.id = i.product_id
JOIN shop.customers c ON c.id = o.customer_id
WHERE o.status <> 'cancelled'
