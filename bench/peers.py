"""Capture beside Debezium's embedded engine, on the same binlog of the same MariaDB."""

import json
import resource
import subprocess
import time

from lib import ROOT, Figures, Setting

# What Debezium's documentation asks for; more than Minato needs.
PRIVILEGES = "SELECT, RELOAD, SHOW DATABASES, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT"


class Peer:
    """The Java program of bench/debezium, built by Maven; its offsets live in a directory."""

    def __init__(self, directory, mariadb):
        self.directory, self.mariadb = directory, mariadb
        out = ROOT / "build" / "bench-debezium"
        classpath = out / "classpath"
        if not classpath.exists():
            command = ["mvn", "-q", "-B", "-f", str(ROOT / "bench" / "debezium"), "package"]
            command += [f"-DoutputDirectory={out}", "dependency:build-classpath"]
            subprocess.run([*command, f"-Dmdep.outputFile={classpath}"], check=True)
        self.classpath = f"{out / 'classes'}:{classpath.read_text().strip()}"
        directory.mkdir()
        mariadb.create_cdc_user("peer", "peer-secret", PRIVILEGES)

    def start(self, events):
        words = ["java", "-Xmx2g", "-cp", self.classpath, "Peer", str(self.directory)]
        words += [str(self.mariadb.port), "peer", "peer-secret", str(events)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def register(self):
        """Lets it find its position: everything later in the binlog is its backlog too."""
        process = self.start(1)
        number = 0
        while process.poll() is None:
            number += 1
            self.mariadb.run(f"INSERT INTO bench.probe VALUES ({number})")
            time.sleep(0.5)
        return number

    def drain(self, events):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out, _ = self.start(events).communicate(timeout=900)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = json.loads(out.strip().splitlines()[-1])
        told["cpu_seconds"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return told


def debezium(options):
    """Backlogs of inserts and of small transactions, beside Debezium that stores nothing."""
    figures = Figures("debezium")
    changes = 2_000_000 if not options.quick else 200_000

    def inserts(s):
        for first in range(20_001, changes + 20_001, 1000):
            s.mariadb.run(
                "INSERT INTO t0 SELECT seq, seq % 1000, CONCAT('value number ', seq), seq / 4, "
                f"NOW(3), seq + 0.5 FROM seq_{first}_to_{first + 999}",
                database="bench",
            )
        return changes

    def mixed(s):
        return s.loaded(s.load(tables=20, changes=changes, writers=4, rows=10000))["changes"]

    for name, tables, make in (("inserts", 1, inserts), ("small_transactions", 20, mixed)):
        with Setting() as s:
            s.tables(tables, 10000)
            s.capture()
            peer = Peer(s.directory / "peer", s.mariadb)
            peer.register()
            s.caught_up()
            floor = s.drained(0)[0]
            made = make(s)
            took, about = s.drained(made)
            theirs = peer.drain(made)
            ours_per_s = made / max(0.01, took - floor)
            theirs_per_s = made / theirs["seconds"]
            beside = {
                "minato_per_s": round(ours_per_s),
                "debezium_per_s": round(theirs_per_s),
                "debezium_cpu_seconds": round(theirs["cpu_seconds"], 1),
                **about,
            }
            figures.add(f"{name}_ratio", ours_per_s / theirs_per_s, 3, True, beside=beside)
    return figures
