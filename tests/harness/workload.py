"""A random workload at the source, reproducible by its seed, and readers that watch the lake while
it runs.

Some things always hold at the source: money is moved between two tables but never made or lost, and
a counter only
grows. A lake that shows half a transaction or goes back in time breaks one of them."""

import random
import threading
import time

import psycopg
import pymysql

MONEY_TOTAL = 2 * 50 * 1000

TABLES = [
    (
        "CREATE TABLE orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, customer INT, amount"
        " DECIMAL(10,2), note VARCHAR(60), at DATETIME(6))"
    ),
    (
        "CREATE TABLE items (order_id BIGINT, line INT, sku VARCHAR(20), qty INT, PRIMARY KEY"
        " (order_id, line))"
    ),
    "CREATE TABLE `在庫` (sku VARCHAR(20) PRIMARY KEY, qty INT, f FLOAT)",
    "CREATE TABLE log (at INT, what VARCHAR(20))",
    "CREATE TABLE money_a (id INT PRIMARY KEY, money BIGINT)",
    "CREATE TABLE money_b (id INT PRIMARY KEY, money BIGINT)",
    "CREATE TABLE counter (id INT PRIMARY KEY, n BIGINT)",
    "CREATE TABLE large (id INT PRIMARY KEY, v INT, what VARCHAR(20))",
    "INSERT INTO money_a SELECT seq, 1000 FROM seq_1_to_50",
    "INSERT INTO money_b SELECT seq, 1000 FROM seq_1_to_50",
    "INSERT INTO counter VALUES (1, 0)",
    "INSERT INTO `在庫` SELECT CONCAT('品', seq), 100, seq / 7 FROM seq_1_to_40",
    "INSERT INTO orders (customer, amount) SELECT seq % 20, seq FROM seq_1_to_500",
]

MARTS = {
    "m.by_customer": (
        "SELECT customer, count(*) AS n, sum(amount) AS amount FROM {db}.orders GROUP BY customer"
    ),
    "m.top": "SELECT customer, amount FROM m.by_customer ORDER BY amount DESC, customer LIMIT 5",
    "m.lines": (
        "SELECT o.customer, sum(i.qty)::BIGINT AS qty FROM {db}.orders o JOIN {db}.items i "
        "ON i.order_id = o.id GROUP BY o.customer"
    ),
    "m.品切れ": 'SELECT sku, qty FROM {db}."在庫" WHERE qty < 50',
}


class Workload:
    def __init__(self, mariadb, database, seed, threads=3, ddl=True, pace=0.0):
        self.mariadb, self.database, self.seed, self.ddl, self.pace = (
            mariadb,
            database,
            seed,
            ddl,
            pace,
        )
        self.thread_count = threads
        self.transactions = 0
        self._running = threading.Event()
        self._threads = []
        self._errors = []

    def create(self):
        self.mariadb.run(f"CREATE DATABASE {self.database}")
        self.mariadb.prepare(self.database)
        self.mariadb.run(*TABLES, database=self.database)

    def start(self):
        self._running.set()
        self._threads = [
            threading.Thread(target=self._work, args=(n,), daemon=True)
            for n in range(self.thread_count)
        ]
        for t in self._threads:
            t.start()

    def stop(self):
        """Stops; afterwards nothing changes at the source any more."""
        self._running.clear()
        for t in self._threads:
            t.join(60)
            assert not t.is_alive()
        self._threads = []
        self.seed += 1
        if self._errors:
            raise self._errors[0]

    def _work(self, number):
        rng = random.Random(self.seed * 1000 + number)
        connection = None
        while self._running.is_set():
            try:
                connection = connection or self.mariadb.connect(self.database, autocommit=False)
                self._transaction(rng, connection, number)
                self.transactions += 1
            except (pymysql.OperationalError, pymysql.InterfaceError, ConnectionError, OSError):
                # deadlocks, shape changes under way, a source that is being restarted
                connection = self._forget(connection)
                time.sleep(0.05)
            except (pymysql.IntegrityError, pymysql.ProgrammingError, pymysql.DataError):
                connection.rollback()
            except Exception as error:  # noqa: BLE001
                self._errors.append(error)
                return
            time.sleep(self.pace * rng.random())
        self._forget(connection)

    @staticmethod
    def _forget(connection):
        try:
            if connection:
                connection.close()
        except Exception:  # noqa: BLE001
            pass

    def _transaction(self, rng, connection, number):
        steps = (
            [self._order] * 6
            + [self._change] * 4
            + [self._cancel] * 2
            + [self._money] * 4
            + [self._count, self._log, self._log, self._stock, self._bulk, self._rekey]
        )
        with connection.cursor() as cursor:
            if self.ddl and number == 0 and rng.random() < 0.02:
                self._ddl(rng, cursor)
                return
            if rng.random() < 0.004:
                self._large(rng, cursor)
            for _ in range(rng.choice((1, 1, 1, 2, 5))):
                rng.choice(steps)(rng, cursor)
            if rng.random() < 0.05:
                connection.rollback()
            else:
                connection.commit()

    def _order(self, rng, cursor):
        cursor.execute(
            "INSERT INTO orders (customer, amount, note, at) VALUES (%s, %s, %s, NOW(6))",
            (
                rng.randrange(20),
                rng.randrange(100000) / 100,
                rng.choice((None, "", "急ぎ", "x" * 50)),
            ),
        )
        order = cursor.lastrowid
        for line in range(rng.randrange(4)):
            sku = f"品{rng.randrange(40) + 1}"
            cursor.execute(
                "INSERT INTO items VALUES (%s, %s, %s, %s)", (order, line, sku, rng.randrange(5))
            )
            cursor.execute("UPDATE `在庫` SET qty = qty - 1 WHERE sku = %s", (sku,))

    def _some_order(self, rng, cursor):
        cursor.execute("SELECT max(id) FROM orders")
        return rng.randrange(1, (cursor.fetchone()[0] or 1) + 1)

    def _change(self, rng, cursor):
        order = self._some_order(rng, cursor)
        cursor.execute(
            "UPDATE orders SET amount = amount + 1, note = %s WHERE id BETWEEN %s AND %s",
            (rng.choice(("changed", None)), order, order + rng.randrange(5)),
        )

    def _cancel(self, rng, cursor):
        order = self._some_order(rng, cursor)
        cursor.execute("DELETE FROM items WHERE order_id = %s", (order,))
        cursor.execute("DELETE FROM orders WHERE id = %s", (order,))
        if rng.random() < 0.2:  # the same key again, in the same transaction
            cursor.execute(
                "INSERT INTO orders (id, customer, note) VALUES (%s, 1, 'again')", (order,)
            )

    def _money(self, rng, cursor):
        cursor.execute(
            "UPDATE money_a SET money = money - %s WHERE id = %s", (7, rng.randrange(50) + 1)
        )
        cursor.execute(
            "UPDATE money_b SET money = money + %s WHERE id = %s", (7, rng.randrange(50) + 1)
        )

    def _count(self, rng, cursor):
        cursor.execute("UPDATE counter SET n = n + 1")

    def _log(self, rng, cursor):
        if rng.random() < 0.7:
            cursor.execute(
                "INSERT INTO log SELECT seq %% 5, %s FROM seq_1_to_10",
                (rng.choice(("a", "b", None)),),
            )
        else:
            cursor.execute(
                rng.choice(
                    (
                        "DELETE FROM log WHERE at = 3 LIMIT 4",
                        "UPDATE log SET what = 'z' LIMIT 5",
                        "DELETE FROM log WHERE what IS NULL LIMIT 7",
                    )
                )
            )

    def _stock(self, rng, cursor):
        cursor.execute("UPDATE `在庫` SET qty = 100, f = f + 0.1 WHERE qty < 20")

    def _bulk(self, rng, cursor):
        cursor.execute(
            "INSERT INTO orders (customer, amount) SELECT seq %% 20, seq / 10 FROM seq_1_to_2000 "
            "WHERE seq %% %s = 0",
            (rng.randrange(1, 50),),
        )
        if rng.random() < 0.3:
            cursor.execute(
                "DELETE FROM orders WHERE customer = %s AND note IS NULL LIMIT 500",
                (rng.randrange(20),),
            )

    def _rekey(self, rng, cursor):
        """New primary keys, also onto one that was given up in the same transaction."""
        order = self._some_order(rng, cursor)
        cursor.execute("DELETE FROM orders WHERE id = %s", (order + 1,))
        cursor.execute("UPDATE orders SET id = id + 1 WHERE id = %s", (order,))

    def _large(self, rng, cursor):
        cursor.execute("DELETE FROM large")
        cursor.execute(
            "INSERT INTO large SELECT (b.seq - 1) * 2000 + a.seq, a.seq MOD 7, 'row'"
            " FROM seq_1_to_2000 a, seq_1_to_10 b"
        )
        cursor.execute("UPDATE large SET v = v + 1 WHERE id %% 3 = %s", (rng.randrange(3),))

    def _ddl(self, rng, cursor):
        n = rng.randrange(3)
        cursor.execute("SET lock_wait_timeout = 2")
        choices = [
            f"ALTER TABLE orders ADD COLUMN IF NOT EXISTS x{n} INT DEFAULT {n}",
            f"ALTER TABLE orders DROP COLUMN IF EXISTS x{n}",
            f"ALTER TABLE orders RENAME COLUMN x{n} TO x{(n + 1) % 3}",
            f"ALTER TABLE items ADD COLUMN IF NOT EXISTS y{n} VARCHAR(10) DEFAULT 'y' FIRST",
            f"ALTER TABLE items DROP COLUMN IF EXISTS y{n}",
            # Read anew, unlike the two above.
            f"ALTER TABLE items ADD COLUMN IF NOT EXISTS z{n} INT DEFAULT (1 + {n})",
            f"ALTER TABLE items DROP COLUMN IF EXISTS z{n}",
            f"CREATE TABLE IF NOT EXISTS extra{n} AS SELECT * FROM items LIMIT 20",
            f"CREATE TABLE IF NOT EXISTS extra{n} (id INT PRIMARY KEY) AS SELECT seq AS id, 'k'"
            " AS k FROM seq_1_to_40",
            f"DROP TABLE IF EXISTS extra{n}",
            f"RENAME TABLE extra{n} TO extra{(n + 1) % 3}",
            "TRUNCATE TABLE log",
            # Two tables exchange their names.
            f"RENAME TABLE extra{n} TO swap, extra{(n + 1) % 3} TO extra{n},"
            f" swap TO extra{(n + 1) % 3}",
            f"RENAME TABLE extra{n} TO swap, extra{(n + 1) % 3} TO extra{n},"
            f" swap TO extra{(n + 1) % 3}",
        ]
        statement = rng.choice(choices)
        if not self.mariadb.column_if_exists:
            statement = statement.replace("COLUMN IF NOT EXISTS", "COLUMN")
            statement = statement.replace("COLUMN IF EXISTS", "COLUMN")
        cursor.execute(statement)


class Watcher:
    """Reads at the gate while all kinds of things break. Connections may fail; answers may not be
    wrong."""

    def __init__(self, platform, database):
        self.platform, self.database = platform, database
        self.answers, self.refusals, self.wrong = 0, 0, []
        self._running = threading.Event()
        self._running.set()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self):
        self._running.clear()
        self._thread.join(60)
        assert not self.wrong, self.wrong[:5]

    def _watch(self):
        counter, connection, begun = -1, None, False
        question = (
            f"SELECT CAST((SELECT sum(money) FROM {self.database}.money_a) + (SELECT sum(money)"
            f" FROM {self.database}.money_b) AS BIGINT), (SELECT n FROM {self.database}.counter)"
        )
        while self._running.is_set():
            try:
                connection = connection or self.platform.connect()
                total, n = connection.execute(question).fetchone()
                self.answers += 1
                begun = begun or total is not None
                if begun and total != MONEY_TOTAL:
                    self.wrong.append(f"money: {total} instead of {MONEY_TOTAL}")
                if n is not None and n < counter:
                    self.wrong.append(f"counter went back from {counter} to {n}")
                counter = n if n is not None else counter
            except psycopg.Error:
                self.refusals += 1
                try:
                    if connection:
                        connection.close()
                except psycopg.Error:
                    pass
                connection = None
            time.sleep(0.1)
