"""What the benchmarks share: servers, the load program, figures as JSON lines."""

import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from harness.compare import difference, source_tables  # noqa: E402
from harness.mariadb import MariaDb  # noqa: E402
from harness.minato import Platform, scratch  # noqa: E402
from harness.ports import wait_until  # noqa: E402,F401 (for the areas)

RESULTS = ROOT / "bench" / "results"
COLUMNS = "(id BIGINT PRIMARY KEY, a INT, b VARCHAR(40), c DECIMAL(12,2), d DATETIME(3), e DOUBLE)"
SEQUENCE = "seq, seq % 1000, CONCAT('value number ', seq), seq / 4, NOW(3), seq + 0.5"


def load_program():
    """bench/load.cpp, built when it is older than its source."""
    source, program = ROOT / "bench" / "load.cpp", ROOT / "build" / "bench-load"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(exist_ok=True)
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "libmariadb", "libpq"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        command = ["g++", "-O2", "-std=c++20", str(source), "-o", str(program), "-pthread", *flags]
        subprocess.run(command, check=True)
    return program


def machine():
    """Facts that make a figure comparable, and nothing that names the machine."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in open("/proc/cpuinfo", encoding="utf-8")
            if line.startswith("model name")
        ),
        "unknown",
    )
    kb = int(open("/proc/meminfo", encoding="utf-8").readline().split()[1])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "cores": os.cpu_count(),
        "cpu": model,
        "memory_gb": round(kb / 2**20),
        "commit": commit,
    }


class Figures:
    """Prints each figure as one JSON object and appends it to bench/results/AREA.jsonl."""

    publish = True  # else nothing is appended
    shown = []  # of all areas

    def __init__(self, area):
        self.area, self.path = area, RESULTS / f"{area}.jsonl"
        self.facts = machine()
        self.all_reached = True
        RESULTS.mkdir(exist_ok=True)

    def add(self, name, value, reach=None, at_least=False, beside=None, runs=1, **more):
        value = round(value, 3 if abs(value) < 100 else 1)
        figure = {"figure": f"{self.area}.{name}", "value": value}
        if reach is not None:
            ok = value >= reach if at_least else value <= reach
            figure.update({"reach": reach, "ok": ok})
            if at_least:
                figure["better"] = "more"
            self.all_reached &= ok
        figure.update({"beside": beside or {}, "runs": runs, **more})
        print(json.dumps(figure, ensure_ascii=False), flush=True)
        self.shown.append(figure)
        if not self.publish:
            return
        stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        with open(self.path, "a", encoding="utf-8") as out:
            out.write(json.dumps({**figure, "at": stamp, "machine": self.facts}) + "\n")


class Setting:
    """A private MariaDB with database `bench`, and a platform that captures it. Use with `with`."""

    def __init__(self, mariadb_options=()):
        self.directory = scratch("bench")
        options = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"]
        self.mariadb = MariaDb(self.directory / "db", [*options, *mariadb_options])
        self.platform = Platform(self.directory / "p0")
        self.platforms = 0

    def __enter__(self):
        self.mariadb.install().start().create_cdc_user()
        self.mariadb.run("CREATE DATABASE bench")
        self.new_platform()
        return self

    def new_platform(self):
        """An empty one in the place of the one before."""
        self.platform.stop()
        self.platforms += 1
        self.platform = Platform(self.directory / f"p{self.platforms}")
        self.platform.init()
        self.platform.account_add()
        return self.platform

    def __exit__(self, kind, *_):
        if kind:
            print(f"--- {self.platform.log}\n{self.platform.tail(4000)}", file=sys.stderr)
        self.platform.kill_all()
        self.mariadb.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def tables(self, count, rows):
        self.mariadb.run(
            "CREATE TABLE probe (id BIGINT PRIMARY KEY)",
            *(f"CREATE TABLE t{n} {COLUMNS}" for n in range(count)),
            *(f"INSERT INTO t{n} SELECT {SEQUENCE} FROM seq_1_to_{rows}" for n in range(count)),
            database="bench",
        )

    def capture(self, seconds=120):
        """Serves, and returns when all that stands at the source can be read."""
        self.platform.source_add(self.mariadb.url(), "bench.%", name="bench")
        self.platform.serve()
        self.caught_up(seconds)

    def caught_up(self, seconds=300):
        deadline = time.monotonic() + seconds
        while True:
            left = max(1, int(deadline - time.monotonic()))
            done = self.platform.call("wait", "--timeout", left, check=False, timeout=left + 30)
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not caught up in {seconds} s: {done.stderr[-500:]}")
            time.sleep(0.02)

    def load(self, gate=False, **options):
        words = [str(load_program()), "--socket", str(self.mariadb.socket)]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), str(value)]
        if gate:
            p = self.platform
            words += [
                "--gate",
                (
                    f"host=127.0.0.1 port={p.gate_port} dbname=minato user={p.user} "
                    f"password={p.password}"
                ),
            ]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def loaded(self, process):
        out, _ = process.communicate(timeout=3600)
        if process.returncode != 0:
            raise AssertionError(f"the load ended with {process.returncode}")
        return json.loads(out)

    def must_be_equal(self):
        """A fast but wrong capture has no figure."""
        self.caught_up()
        with self.mariadb.connect() as source, self.platform.connect() as gate:
            for table in source_tables(source, "bench"):
                if found := difference(source, gate, "bench", table):
                    raise AssertionError(found)

    def must_count_equal(self):
        """As must_be_equal, for tables too large to fetch: counts and sums."""
        self.caught_up()
        with self.mariadb.connect() as source, self.platform.connect() as gate:
            for table in source_tables(source, "bench"):
                if table == "probe":
                    continue
                question = f"SELECT count(*), sum(id), sum(a), sum(c), max(b) FROM bench.{table}"
                with source.cursor() as cursor:
                    cursor.execute(question)
                    here = cursor.fetchone()
                there = gate.execute(question).fetchone()
                if tuple(here) != tuple(there):
                    raise AssertionError(f"{table}: source {here}, lake {there}")

    def drained(self, changes):
        """Starts Minato on a backlog that was made while it was stopped; seconds until all of it
        can be read, and facts. Leaves it stopped again."""
        self.platform.stop()
        began = time.monotonic()
        self.platform.start()
        self.caught_up()
        took, cpu = time.monotonic() - began, self.cpu_seconds()
        self.platform.ready()  # an empty backlog can be in before the gate is up
        self.must_count_equal()
        peak = self.peak_mb()
        self.platform.stop()
        return took, {
            "changes": changes,
            "cpu_seconds": round(cpu, 1),
            "changes_per_cpu_second": round(changes / max(cpu, 0.01)),
            "peak_rss_mb": peak,
        }

    def memory_mb(self):
        """PSS of all roles, the private PostgreSQL included: shared pages count once."""
        total = {}
        for pid in self.platform.pids():
            try:
                words = open(f"/proc/{pid}/cmdline", "rb").read().decode().split("\0")
                name = (
                    words[words.index("role") + 1] if "role" in words else words[0].split("/")[-1]
                )
                name = "postgres" if name.startswith("postgres") else name
                for line in open(f"/proc/{pid}/smaps_rollup", encoding="utf-8"):
                    if line.startswith("Pss:"):
                        total[name] = total.get(name, 0) + int(line.split()[1]) / 1024
            except OSError:
                pass
        return {name: round(mb, 1) for name, mb in sorted(total.items())}

    def peak_mb(self):
        """The most that each role ever held, added up: shared pages count in each."""
        total = 0
        for pid in self.platform.pids():
            try:
                for line in open(f"/proc/{pid}/status", encoding="utf-8"):
                    if line.startswith("VmHWM:"):
                        total += int(line.split()[1]) / 1024
            except OSError:
                pass
        return round(total)

    def cpu_seconds(self):
        """CPU time of Minato's processes until now, by role; dead ones are forgotten."""
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0.0
        for pid in self.platform.pids():
            try:
                fields = (
                    open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()
                )
                total += (int(fields[11]) + int(fields[12])) / ticks
            except OSError:
                pass
        return total


def median_seconds(action, runs):
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
