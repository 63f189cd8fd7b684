"""The demo's shop: its data, and customers who keep on ordering."""

import random
import threading
import time

import pymysql

PRODUCTS = [
    ("茶", "抹茶 30g", 1200),
    ("茶", "煎茶 100g", 980),
    ("茶", "ほうじ茶 100g", 640),
    ("茶", "玉露 50g", 2400),
    ("茶", "玄米茶 200g", 580),
    ("茶", "Earl Grey 100g", 890),
    ("菓子", "羊羹", 750),
    ("菓子", "どら焼き 5個", 900),
    ("菓子", "最中 6個", 1100),
    ("菓子", "金平糖", 420),
    ("菓子", "Shortbread", 680),
    ("菓子", "煎餅", 500),
    ("器", "湯呑み", 1800),
    ("器", "急須", 5400),
    ("器", "茶筅", 2600),
    ("器", "Teapot, glass", 3900),
    ("器", "茶碗", 6800),
    ("器", "風呂敷", 1500),
    ("本", "茶の本", 660),
    ("本", "Harbour Stories", 1400),
    ("本", "港町の地図", 1250),
    ("旅", "手ぬぐい", 800),
    ("旅", "水筒 500ml", 2900),
    ("旅", "折りたたみ傘", 3300),
]
PREFECTURES = [
    "東京都",
    "神奈川県",
    "大阪府",
    "兵庫県",
    "福岡県",
    "北海道",
    "愛知県",
    "京都府",
    "広島県",
    "長崎県",
]

SCHEMA = [
    "CREATE DATABASE shop",
    (
        "CREATE TABLE shop.products (id INT PRIMARY KEY, category VARCHAR(20), name VARCHAR(60),"
        " price DECIMAL(10,0))"
    ),
    (
        "CREATE TABLE shop.customers (id INT PRIMARY KEY, name VARCHAR(60), prefecture VARCHAR(20),"
        " since DATE)"
    ),
    (
        "CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT NOT NULL,"
        " status ENUM('new','paid','shipped','cancelled') NOT NULL, ordered_at DATETIME(3) NOT"
        " NULL)"
    ),
    (
        "CREATE TABLE shop.order_items (order_id INT, line INT, product_id INT NOT NULL, quantity"
        " INT NOT NULL, price DECIMAL(10,0) NOT NULL, PRIMARY KEY (order_id, line))"
    ),
    (
        "CREATE TABLE shop.stock (product_id INT PRIMARY KEY, quantity INT NOT NULL, changed_at"
        " TIMESTAMP(3) NOT NULL)"
    ),
    "CREATE TABLE shop.visits (at DATETIME(3), page VARCHAR(40))",
    "CREATE TABLE shop.probe (id BIGINT PRIMARY KEY)",
]
HISTORY = 20000


def fill(mariadb):
    """A quarter of a year of trade, so that there is something to snapshot."""
    mariadb.run(*SCHEMA)
    with mariadb.connect("shop") as c, c.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO products VALUES (%s, %s, %s, %s)",
            [(n + 1, category, name, price) for n, (category, name, price) in enumerate(PRODUCTS)],
        )
        cursor.execute("INSERT INTO stock SELECT id, 2000 + id * 37 % 900, NOW(3) FROM products")
        places = ", ".join(f"'{p}'" for p in PREFECTURES)
        cursor.execute(
            "INSERT INTO customers SELECT seq, CONCAT('Customer ', seq), ELT(1 + seq * 7 % 10,"
            f" {places}), '2024-01-01' + INTERVAL seq % 700 DAY FROM seq_1_to_2000"
        )
        cursor.execute(
            "INSERT INTO orders SELECT seq, 1 + seq * 31 % 2000, IF(seq % 40, 'shipped',"
            f" 'cancelled'), NOW(3) - INTERVAL ({HISTORY} - seq) * 6 MINUTE FROM seq_1_to_{HISTORY}"
        )
        cursor.execute(
            "INSERT INTO order_items SELECT o.seq, l.seq, p.id, 1 + (o.seq + l.seq) % 3, p.price "
            f"FROM seq_1_to_{HISTORY} o JOIN seq_1_to_4 l ON l.seq <= 1 + o.seq % 4 "
            f"JOIN products p ON p.id = 1 + (o.seq * 13 + l.seq * 7) % {len(PRODUCTS)}"
        )


class Trade:
    """Customers at work: orders with their items and stock, payments, cancellations, visits."""

    def __init__(self, mariadb, orders_per_second, customers=2):
        self.mariadb, self.rate, self.customers = mariadb, orders_per_second, customers
        self.transactions = self.changes = 0
        self.error = None
        self._running = threading.Event()
        self._threads = []

    def start(self):
        self._running.set()
        self._threads = [
            threading.Thread(target=self._trade, args=(n,), daemon=True)
            for n in range(self.customers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._running.clear()
        for thread in self._threads:
            thread.join(20)

    def _trade(self, number):
        rng = random.Random(number)
        popularity = [1 / (n + 1) for n in range(len(PRODUCTS))]
        ids = list(range(1, len(PRODUCTS) + 1))
        random.Random(7).shuffle(ids)
        pause = self.customers / self.rate
        next_at = time.monotonic()
        try:
            with self.mariadb.connect("shop", autocommit=False) as c, c.cursor() as cursor:
                while self._running.is_set():
                    try:
                        self.changes += self._one(rng, cursor, ids, popularity)
                        c.commit()
                        self.transactions += 1
                    except pymysql.OperationalError:  # a deadlock: another customer was quicker
                        c.rollback()
                    next_at = max(next_at + pause, time.monotonic() - 1)
                    time.sleep(max(0.0, next_at - time.monotonic()))
        except Exception as error:  # noqa: BLE001 (shown in the view; the demo then fails)
            self.error = error

    def _one(self, rng, cursor, ids, popularity):
        if rng.random() < 0.25:
            cursor.execute("SELECT max(id) FROM orders")
            order = cursor.fetchone()[0] - rng.randrange(200)
            status = rng.choices(("paid", "shipped", "cancelled"), (5, 5, 1))[0]
            return cursor.execute("UPDATE orders SET status = %s WHERE id = %s", (status, order))
        cursor.execute(
            "INSERT INTO visits VALUES (NOW(3), %s), (NOW(3), '/cart')", (f"/p/{rng.choice(ids)}",)
        )
        cursor.execute(
            "INSERT INTO orders (customer_id, status, ordered_at) VALUES (%s, 'new', NOW(3))",
            (rng.randrange(2000) + 1,),
        )
        order = cursor.lastrowid
        products = sorted(
            set(rng.choices(ids, popularity, k=rng.randrange(1, 5)))
        )  # one order: no deadlocks
        cursor.executemany(
            "INSERT INTO order_items VALUES (%s, %s, %s, %s, %s)",
            [
                (order, line + 1, p, rng.randrange(1, 4), PRODUCTS[p - 1][2])
                for line, p in enumerate(products)
            ],
        )
        for p in products:
            cursor.execute(
                "UPDATE stock SET quantity = IF(quantity < 50, quantity + 2000, quantity - 2), "
                "changed_at = NOW(3) WHERE product_id = %s",
                (p,),
            )
        return 3 + 2 * len(products)


class Probe:
    """Measures from a commit at the source until a query at the gate sees it."""

    def __init__(self, mariadb, platform):
        self.mariadb, self.platform = mariadb, platform
        self.samples_ms = []
        self.error = None
        self._running = threading.Event()
        self._thread = None

    def start(self):
        self._running.set()
        self._thread = threading.Thread(target=self._measure, daemon=True)
        self._thread.start()

    def stop(self):
        self._running.clear()
        if self._thread:
            self._thread.join(20)

    def percentile(self, p, newest=None):
        samples = sorted(self.samples_ms[-newest:] if newest else self.samples_ms)
        return samples[min(len(samples) - 1, int(len(samples) * p / 100))] if samples else None

    def _measure(self):
        try:
            with self.mariadb.connect(
                "shop"
            ) as c, c.cursor() as cursor, self.platform.connect() as gate:
                number = 0
                while self._running.is_set():
                    number += 1
                    cursor.execute("INSERT INTO probe VALUES (%s)", (number,))
                    committed = time.monotonic()
                    while self._running.is_set():
                        if (
                            gate.execute("SELECT max(id) FROM shop.probe").fetchone()[0] or 0
                        ) >= number:
                            self.samples_ms.append((time.monotonic() - committed) * 1000)
                            break
                        time.sleep(0.005)
                    time.sleep(0.25)
        except Exception as error:  # noqa: BLE001 (shown in the view; the demo then fails)
            self.error = error
