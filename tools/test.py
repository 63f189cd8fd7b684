"""`./dev test`: builds and runs every kind of test and adds them up.

The last line printed is `N passed, N failed`, whatever happened; the exit code is 0 only when
nothing failed. Call it through ./dev, which installs what is missing first.
"""

import argparse
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree

# Long before CI would end the run without a word: this one ends itself, with its last line.
deadline = time.monotonic() + 65 * 60
JOBS = str(os.cpu_count() or 2)
WORKERS = 2 * (os.cpu_count() or 2)  # of end-to-end tests
# Rooms whose tests start threads; the others have nothing for ThreadSanitizer to find.
THREADED = ["base", "runtime", "lake", "ingest", "marts", "oncall", "gate", "web", "app"]
# Figures: under a sanitizer they tell nothing.
FIGURES = ("Board.ThousandsOfMarts", "*MysqlLive.*_speed")
# Unit tests that take a second or more, or that quick end-to-end tests repeat: not in --fast.
SLOW_UNITS = (
    *FIGURES,
    "ApplierTest.IndexesOutliveCompactions",
    "AttachTest.NoPasswordShows",
    "CarriersLive.*",
    "ChaosTest.*",
    "DdlWalk.*",
    "DifferentialTest.*",
    "GateEscapes.*",  # tests/e2e/test_escapes.py
    "Gate.IdleSessionsEnd",
    "InitialTest.InEveryQuestion",
    "LogGauge.MeasuresMariadb",
    "MaintenanceTest.*",
    "MartsTest.*",  # tests/e2e/test_marts.py
    "Mutation.*",
    "MysqlLive.survives*",
    "MysqlSourceSettings.*",
    "RandomTest.*",
    "Sandbox.*",
    "Speak.*",
    "State.AJobThatEnds*",
    "State.Migrations*",
    "Values.*",
)
SUPPRESSIONS = os.path.join(os.getcwd(), "tools", "sanitizers")


class Tally:
    """What ran, stage by stage."""

    def __init__(self):
        self.rows = []
        self.passed = 0
        self.failed = 0

    def add(self, stage, passed, failed, skipped, seconds):
        self.rows.append((stage, passed, failed, skipped, seconds))
        self.passed += passed
        self.failed += failed

    def print(self):
        print("\n%-28s %7s %7s %7s %9s" % ("stage", "passed", "failed", "skipped", "seconds"))
        for stage, passed, failed, skipped, seconds in self.rows:
            print("%-28s %7d %7d %7d %9.1f" % (stage, passed, failed, skipped, seconds))
        print("%d passed, %d failed" % (self.passed, self.failed), flush=True)


def title(text):
    print("\033[1m== %s\033[0m" % text, flush=True)


def run(command, timeout, **more):
    """The exit code. What hangs is ended and has failed: the run always comes to its last line."""
    timeout = min(timeout, max(1, deadline - time.monotonic()))
    process = subprocess.Popen(command, start_new_session=True, **more)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        print("still running after %d s, ended: %s" % (timeout, " ".join(command)), flush=True)
    # An interrupt lets pytest clean up and report; the others do not mind being ended harder.
    for number, patience in ((signal.SIGINT, 60), (signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        if number == signal.SIGINT:
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)
        try:
            process.wait(patience)
            return 124
        except subprocess.TimeoutExpired:
            pass
    return 124


def build(preset, targets, tally):
    started = time.monotonic()
    code = run(["./dev", "build-only", preset, *targets], timeout=1800)
    if code != 0:
        tally.add("build " + preset, 0, 1, 0, time.monotonic() - started)
    else:
        tally.rows.append(("build " + preset, 0, 0, 0, time.monotonic() - started))
    return code == 0


def tests_of(directory):
    """The names of the unit test programs that ctest knows in a build directory."""
    listing = subprocess.run(
        ["ctest", "--test-dir", directory, "--show-only=json-v1"], capture_output=True, text=True
    )
    return [test["name"] for test in json.loads(listing.stdout)["tests"]]


def unit(stage, directory, rooms, words, timeout, tally):
    """GoogleTest programs by ctest; single tests are counted from GoogleTest's own reports."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as reports:
        environment = dict(os.environ, GTEST_OUTPUT="json:" + reports + "/")
        environment.setdefault("GTEST_SHUFFLE", "1")
        if words:
            environment["GTEST_FILTER"] = "*%s*" % words
        elif "MINATO_FAST" in os.environ:
            environment["GTEST_FILTER"] = "-" + ":".join(SLOW_UNITS)
        elif directory != "build":
            # setuid() in a process with threads: what glibc does then is unknown to TSan.
            sandbox = ("Sandbox.*",) if directory == "build-tsan" else ()
            environment["GTEST_FILTER"] = "-" + ":".join(FIGURES + sandbox)
        if directory == "build-tsan":
            # The threads are the same with MariaDB.
            environment["MINATO_WITHOUT_MYSQL"] = "1"
        # DuckDB is not instrumented; what it keeps for the life of the process is not our leak.
        environment["LSAN_OPTIONS"] = "print_suppressions=0:suppressions=%s/lsan.txt" % SUPPRESSIONS
        # A long history: a report whose stack is forgotten matches no suppression.
        # The deadlock detector gives up when DuckDB's allocator takes its 64 locks around a fork.
        environment["TSAN_OPTIONS"] = (
            "halt_on_error=1:detect_deadlocks=0:history_size=7:suppressions=%s/tsan.txt"
            % SUPPRESSIONS
        )
        environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
        command = [
            "ctest",
            "--test-dir",
            directory,
            "-j",
            JOBS,
            "--output-on-failure",
            "--no-tests=ignore",
            "-R",
            "^(%s)$" % "|".join(rooms),
        ]
        code = run(command, timeout, env=environment)
        passed = failed = skipped = 0
        for path in glob.glob(reports + "/*.json"):
            with open(path, encoding="utf-8") as file:
                for suite in json.load(file)["testsuites"]:
                    for test in suite["testsuite"]:
                        if test.get("failures"):
                            failed += 1
                        elif test["result"] == "SKIPPED":
                            skipped += 1
                        elif test["status"] == "RUN":
                            passed += 1
    if code != 0 and failed == 0:
        failed = 1  # a program that crashed or hung leaves no report
    tally.add(stage, passed, failed, skipped, time.monotonic() - started)


def end_to_end(stage, arguments, unit_of_work, workers, timeout, tally):
    """pytest with several workers: what these tests do most is wait. `unit_of_work` is what one
    worker takes at a time: "loadscope" a module (with its platform), "load" a test."""
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--junitxml=" + report.name,
            "--timeout=300",
            "--numprocesses=%d" % workers,
            "--dist=" + unit_of_work,
            *arguments,
        ]
        code = run(command, timeout)
        passed = failed = skipped = 0
        try:
            for suite in ElementTree.parse(report.name).getroot().iter("testsuite"):
                failed += int(suite.get("failures")) + int(suite.get("errors"))
                skipped += int(suite.get("skipped"))
                passed += int(suite.get("tests"))
            passed -= failed + skipped
        except ElementTree.ParseError:
            pass  # ended before the report was written
    if code not in (0, 5) and failed == 0:
        failed = 1
    tally.add(stage, passed, failed, skipped, time.monotonic() - started)


def check(stage, command, tally):
    started = time.monotonic()
    code = run(command, timeout=900)
    tally.add(stage, int(code == 0), int(code != 0), 0, time.monotonic() - started)


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="unit tests and quick end-to-end tests")
    parser.add_argument("--all", action="store_true", help="everything (the default)")
    parser.add_argument("--lint", action="store_true", help="lint as well (what CI runs)")
    parser.add_argument("--chaos", action="store_true", help="more random kills than CI has")
    parser.add_argument("-k", metavar="WORDS", default="", help="only tests of that name")
    options = parser.parse_args()
    small = options.fast or bool(options.k)
    if options.fast:
        os.environ["MINATO_WITHOUT_MYSQL"] = os.environ["MINATO_FAST"] = "1"

    tally = Tally()
    if options.lint:
        title("lint")
        check("lint", ["./dev", "lint", "--ci"], tally)
    title("unit tests")
    if build("release", ["minato", "minato-failpoints", "unit_tests"], tally):
        rooms = tests_of("build")
        units = threading.Thread(target=unit, args=("unit", "build", rooms, options.k, 1200, tally))
        units.start()
        if not options.fast:  # else beside the end-to-end tests, which mostly wait
            units.join()
        if not small:
            title("unit tests under AddressSanitizer and UndefinedBehaviorSanitizer")
            if build("asan-ubsan", ["unit_tests"], tally):
                unit("unit, asan-ubsan", "build-asan-ubsan", rooms, "", 1200, tally)
            title("unit tests under ThreadSanitizer")
            threaded = [room for room in rooms if room in THREADED]
            if build("tsan", [room + "_test" for room in threaded], tally):
                unit("unit, tsan", "build-tsan", threaded, "", 1200, tally)
        if os.path.isdir("tests"):
            title("end-to-end tests")
            arguments = ["-m", "not slow"] if options.fast else []
            arguments += ["-k", options.k] if options.k else []
            rooms = ["tests/e2e", "tests/clients", "tests/oncall"]
            # Each worker makes a MariaDB of its own: seconds, which quick tests do not earn back.
            workers = 3 if options.fast else WORKERS
            end_to_end("end to end", [*arguments, *rooms], "loadscope", workers, 1800, tally)
            if not options.fast:
                title("chaos")
                if options.chaos:
                    os.environ["MINATO_CHAOS_KILLS"] = "60"
                # The longest first.
                files = sorted(glob.glob("tests/chaos/test_*.py"), key=lambda f: "kills" not in f)
                end_to_end("chaos", [*arguments, *files], "load", WORKERS, 3000, tally)
        units.join()
    tally.print()
    return 0 if tally.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
