"""The areas of `./dev bench`: one function each. Every figure has its peer or floor in the same
run."""

import signal
import statistics
import subprocess
import time

from lib import Figures, Setting, median_seconds, wait_until
from oncall import oncall
from peers import debezium


def freshness(options, tables):
    """One run: the load's percentiles, CPU in percent of one core, memory of each role."""
    with Setting() as s:
        s.tables(tables, 10000)
        s.capture()
        s.platform.mart("m.totals", "SELECT count(*) AS n, sum(a)::BIGINT AS a FROM bench.t0")
        cpu, began = s.cpu_seconds(), time.monotonic()
        load = s.load(True, tables=tables, rate=5000, seconds=options.seconds, rows=10000)
        memory = []
        while load.poll() is None:
            memory.append(s.memory_mb())
            time.sleep(2)
        result = s.loaded(load)
        used, took = s.cpu_seconds() - cpu, time.monotonic() - began
        s.must_be_equal()
        result["cpu_percent"] = round(100 * used / took)
        result["changes_per_cpu_second"] = round(result["changes"] / used)
        result["memory"] = max(memory, key=lambda m: sum(m.values()))
        return result


def capture(options):
    """Freshness under a steady load of 5,000 changes/s, over 5 and over 20 tables; memory."""
    figures = Figures("capture")
    for tables, p50, p99 in ((5, 300, 1000), (20, 700, 1500)):
        runs = [freshness(options, tables) for _ in range(options.runs)]
        for key, reach in (("p50_ms", p50), ("p99_ms", p99)):
            values = [run[key] for run in runs]
            beside = {
                "worst": max(values),
                "best": min(values),
                "max_ms": max(run["max_ms"] for run in runs),
                "changes_per_s": round(min(run["changes"] / run["seconds"] for run in runs)),
                "cpu_percent": statistics.median(run["cpu_percent"] for run in runs),
                "changes_per_cpu_second": min(run["changes_per_cpu_second"] for run in runs),
                "seconds": options.seconds,
            }
            name = f"freshness_{tables}_tables_{key}"
            figures.add(name, statistics.median(values), reach, beside=beside, runs=len(runs))
        peak = max((run["memory"] for run in runs), key=lambda m: sum(m.values()))
        name = f"memory_load_{tables}_tables_mb"
        figures.add(name, sum(peak.values()), 1536, beside=peak, runs=len(runs))
    return figures


def memory(options):
    """What an idle platform with a source and a mart needs."""
    figures = Figures("memory")
    with Setting() as s:
        s.tables(5, 10000)
        s.capture()
        s.platform.mart("m.totals", "SELECT count(*) AS n FROM bench.t0")
        wait_until(lambda: s.platform.query("SELECT n FROM m.totals"), 30)
        time.sleep(20 if not options.quick else 5)
        idle = s.memory_mb()
        figures.add("idle_mb", sum(idle.values()), 400, beside=idle)
    return figures


def backlog(options):
    """The binlog is made while Minato is stopped; then the time until `minato wait` returns,
    less the time that a start without any backlog takes."""
    figures = Figures("backlog")
    million = 1_000_000 if not options.quick else 200_000

    def start_up(s):
        return min(s.drained(0)[0] for _ in range(2))

    def figure(name, reach, took, floor, about):
        about = {**about, "seconds": round(took, 2), "start_up_s": round(floor, 2)}
        figures.add(name, about["changes"] / max(0.01, took - floor), reach, True, beside=about)

    with Setting() as s:
        s.tables(1, 1000)
        s.capture()
        floor = start_up(s)
        s.platform.stop()
        for first in range(2001, 2 * million + 2001, 1000):
            s.mariadb.run(
                "INSERT INTO t0 SELECT seq, seq % 1000, CONCAT('value number ', seq), seq / 4, "
                f"NOW(3), seq + 0.5 FROM seq_{first}_to_{first + 999}",
                database="bench",
            )
        took, about = s.drained(2 * million)
        figure("inserts_per_s", 500_000, took, floor, about)
        s.mariadb.run(
            f"UPDATE t0 SET a = a + 1, c = c + 1 WHERE id BETWEEN 2001 AND {million + 2000}",
            database="bench",
        )
        took, about = s.drained(million)
        figure("one_update_per_s", 300_000, took, floor, about)
    with Setting() as s:
        s.tables(20, 10000)
        s.capture()
        floor = start_up(s)
        load = s.load(tables=20, changes=2 * million, writers=4, rows=10000)
        about_load = s.loaded(load)
        took, about = s.drained(about_load["changes"])
        figure("small_transactions_per_s", 200_000, took, floor, about)
    return figures


def snapshot(options):
    """1 M rows × 8 columns, beside the MariaDB client that writes them as text."""
    figures = Figures("snapshot")
    rows = 1_000_000 if not options.quick else 200_000
    with Setting() as s:
        s.mariadb.run(
            "CREATE TABLE big (id BIGINT PRIMARY KEY, a INT, b VARCHAR(40), c DECIMAL(12,2), "
            "d DATETIME(3), e DOUBLE, f VARCHAR(60), g DATE)",
            "INSERT INTO big SELECT seq, seq % 1000, CONCAT('value number ', seq), seq / 4, "
            "NOW(3), seq + 0.5, SHA1(seq), '2026-01-01' + INTERVAL seq % 365 DAY "
            f"FROM seq_1_to_{rows}",
            "SELECT count(*), sum(a) FROM big",
            database="bench",
        )
        text = s.directory / "text"
        client = [
            *("mariadb", "--no-defaults", f"--socket={s.mariadb.socket}", "-u", "root"),
            *("--quick", "-B", "bench", "-e", "SELECT * FROM big"),
        ]

        def dump():
            with open(text, "wb") as out:
                subprocess.run(client, check=True, stdout=out)

        dump()  # the buffer pool is warm for both
        floor = median_seconds(dump, 3)
        times, cpu, peaks = [], [], []
        for _ in range(max(3, options.runs)):
            s.new_platform().serve()
            time.sleep(1)
            began, used = time.monotonic(), s.cpu_seconds()
            s.platform.source_add(s.mariadb.url(), "bench.%", name="bench")
            s.platform.process.send_signal(signal.SIGHUP)  # now, not within half a second
            wait_until(
                lambda: s.platform.query("SELECT count(*) FROM bench.big") == [(rows,)], 300, 0.02
            )
            times.append(time.monotonic() - began)
            cpu.append(s.cpu_seconds() - used)
            peaks.append(s.peak_mb())
            s.must_count_equal()
        took = statistics.median(times)
        beside = {
            "mariadb_quick_B_s": round(floor, 3),
            "slowest_s": round(max(times), 3),
            "rows_per_s": round(rows / took),
            "rows_per_cpu_second": round(rows / statistics.median(cpu)),
            "peak_rss_mb": max(peaks),
        }
        figures.add("seconds_1m_rows", took, round(floor, 3), beside=beside, runs=len(times))
    return figures


def scan(options):
    """A table that capture has written for a while, beside the same rows written in one piece."""
    figures = Figures("scan")
    with Setting() as s:
        s.tables(5, 200_000)
        s.capture()
        seconds = options.seconds if not options.long else 600
        s.loaded(s.load(tables=5, rate=5000, seconds=seconds, rows=200_000))
        s.caught_up()
        s.platform.mart("m.fresh", "SELECT * FROM bench.t0")
        wait_until(lambda: s.platform.query("SELECT count(*) FROM m.fresh"), 60)
        question = "SELECT a % 10, count(*), sum(c), max(b), avg(e) FROM {} GROUP BY 1 ORDER BY 1"
        with s.platform.connect() as gate:
            ask = lambda table: gate.execute(question.format(table)).fetchall()  # noqa: E731
            assert ask("bench.t0") == ask("m.fresh")
            pairs = [
                (
                    median_seconds(lambda: ask("bench.t0"), 5),
                    median_seconds(lambda: ask("m.fresh"), 5),
                )
                for _ in range(5)
            ]
        captured, fresh = (statistics.median(times) for times in zip(*pairs))
        beside = {
            "captured_ms": round(captured * 1000, 1),
            "fresh_ms": round(fresh * 1000, 1),
            "capture_s": seconds,
        }
        figures.add("captured_to_fresh_ratio", captured / fresh, 1.3, beside=beside, runs=5)
    return figures


def mart(options):
    """From the commit of a mart's last input to the start of its run, on an idle machine."""
    figures = Figures("mart")
    with Setting() as s:
        s.mariadb.run("CREATE TABLE t (id INT PRIMARY KEY)", database="bench")
        s.platform.configure("marts", refresh_seconds=0)
        s.capture()
        s.platform.mart("m.n", "SELECT count(*) AS n FROM bench.t")
        wait_until(lambda: s.platform.query("SELECT n FROM m.n") == [(0,)], 30)
        delays, runs = [], 20 if options.quick else 100
        for number in range(1, runs + 1):
            s.mariadb.run(f"INSERT INTO t VALUES ({number})", database="bench")
            wait_until(lambda n=number: s.platform.query("SELECT n FROM m.n") == [(n,)], 30, 0.05)
            delay = s.platform.catalogue(
                "SELECT extract(epoch FROM r.started_at - p.snapshot_time) * 1000 FROM "
                "minato.mart_run r, ducklake.ducklake_snapshot p, minato.lake_table t WHERE "
                "t.schema_name = 'bench' AND t.table_name = 't' AND p.snapshot_id = "
                "t.last_snapshot ORDER BY r.id DESC LIMIT 1"
            )
            delays.append(float(delay[0][0]))
            time.sleep(0.2)
        delays.sort()
        at = lambda p: delays[min(len(delays) - 1, int(len(delays) * p))]  # noqa: E731
        beside = {"p50_ms": round(at(0.5), 1), "max_ms": round(delays[-1], 1)}
        figures.add("start_p99_ms", at(0.99), 100, beside=beside, runs=runs)
    return figures


def start(options):
    """From `minato serve` to the first answer at the gate, on an existing platform."""
    figures = Figures("start")
    with Setting() as s:
        s.tables(20, 10000)
        s.capture()
        times = []
        for _ in range(3 if options.quick else 5):
            s.platform.stop()
            began = time.monotonic()
            s.platform.start()
            wait_until(lambda: s.platform.query("SELECT count(*) FROM bench.t7"), 60, 0.01)
            times.append(time.monotonic() - began)
        beside = {"fastest_s": round(min(times), 2), "slowest_s": round(max(times), 2)}
        figures.add("first_answer_s", statistics.median(times), 3, beside=beside, runs=len(times))
    return figures


AREAS = {
    "capture": capture,
    "backlog": backlog,
    "snapshot": snapshot,
    "scan": scan,
    "mart": mart,
    "memory": memory,
    "start": start,
    "oncall": oncall,
    "debezium": debezium,
}
