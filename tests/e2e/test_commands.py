"""The command line is a contract: shapes, exit codes, and messages that say what to do."""

import csv
import io
import json
import os
import signal
import urllib.request

import pytest

from harness.compare import compare
from harness.minato import alive, wait_for_rows
from harness.ports import wait_until

COMMANDS = [
    ["init"],
    ["source", "add"],
    ["account", "add"],
    ["check"],
    ["serve"],
    ["status"],
    ["wait"],
    ["sql"],
    ["doctor"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(new_platform, command):
    out = new_platform(init=False).call(*command, "--help", platform=False)
    assert "xample" in out.stdout and "minato" in out.stdout


def test_unknown_words_are_refused(new_platform):
    platform = new_platform(init=False)
    for words in (["sevre"], ["init"], ["sql"], ["wait", "--timeout", "soon"]):
        result = platform.call(*words, platform=False, check=False)
        assert result.returncode != 0 and (result.stderr + result.stdout).strip(), words


def test_init_makes_a_platform_that_check_accepts(new_platform):
    platform = new_platform(account=False)
    assert (
        str(platform.gate_port) in platform.config.read_text()
        and "#" in platform.config.read_text()
    )
    assert (platform.directory / ".gitignore").read_text().strip()
    assert platform.call("check").returncode == 0
    again = platform.call("init", platform.directory, platform=False, check=False)
    assert again.returncode != 0 and platform.config.exists()


def test_check_names_line_and_suggestion(new_platform):
    platform = new_platform(account=False)
    platform.config.write_text(platform.config.read_text() + "\n[gaet]\nport = 1\n")
    line = platform.config.read_text().split("\n").index("[gaet]") + 1
    result = platform.call("check", check=False)
    text = result.stdout + result.stderr
    assert (
        result.returncode != 0
        and str(line) in text
        and "gaet" in text
        and "gate" in text.replace("gaet", "")
    ), text


def test_accounts_with_and_without_serve(shared):
    shared.account_add("second", "another-pass-2")
    with shared.connect(user="second", password="another-pass-2") as c:
        assert c.execute("SELECT current_user").fetchone() == ("second",)
    shared.account_add(
        "second", "changed-pass-3"
    )  # the same again changes the password, or says how
    with shared.connect(user="second", password="changed-pass-3") as c:
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_sql_formats(mariadb, shared, db):
    mariadb.run(
        "CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(30))",
        "INSERT INTO t VALUES (1, 'a,\"b'), (2, NULL), (3, '港')",
        database=db,
    )
    shared.wait(20)
    question = f"SELECT id, s FROM {db}.t ORDER BY id"
    table = shared.call("sql", question).stdout
    assert "港" in table and "id" in table
    rows = list(csv.reader(io.StringIO(shared.call("sql", question, "--format", "csv").stdout)))
    assert rows[0] == ["id", "s"] and rows[1] == ["1", 'a,"b'] and rows[3] == ["3", "港"]
    answer = json.loads(shared.call("sql", question, "--format", "json").stdout)
    assert answer == [{"id": 1, "s": 'a,"b'}, {"id": 2, "s": None}, {"id": 3, "s": "港"}]
    bad = shared.call("sql", "SELECT * FROM nowhere.x", check=False)
    assert bad.returncode != 0 and bad.stdout == "" and "nowhere" in bad.stderr


def test_wait_fails_with_a_reason(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
    platform = new_platform()
    result = platform.call("wait", "--timeout", "2", check=False)
    assert result.returncode != 0 and result.stderr.strip()  # nothing serves
    platform.source_add(own_mariadb.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    platform.wait(10, source="shop")
    result = platform.call("wait", "--source", "typo", "--timeout", "2", check=False)
    assert result.returncode != 0 and "typo" in result.stderr and "shop" in result.stderr
    own_mariadb.kill()
    result = platform.call("wait", "--timeout", "2", check=False)
    assert result.returncode != 0 and "shop" in result.stderr


def test_second_serve_is_refused_and_names_the_first(shared):
    result = shared.call("serve", check=False, timeout=30)
    assert result.returncode != 0
    assert str(shared.process.pid) in result.stderr, result.stderr
    assert shared.query("SELECT 1") == [(1,)]


def test_http_status_health_metrics(mariadb, shared, db):
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)", database=db)
    shared.mart(f"{db}_m.n", f"SELECT count(*) AS n FROM {db}.t")
    wait_for_rows(shared, f"SELECT n FROM {db}_m.n", [(1,)], 20)

    def get(path):
        with urllib.request.urlopen(
            f"http://127.0.0.1:{shared.http_port}{path}", timeout=5
        ) as answer:
            return answer.status, answer.read().decode()

    assert get("/healthz")[0] == 200
    status = json.loads(get("/api/v1/status")[1])
    assert {s["name"] for s in status["sources"]} == {"shop"}
    assert any((t["schema"], t["name"]) == (db, "t") for t in status["tables"])
    assert any(m["name"] == "n" for m in status["marts"])
    metrics = get("/metrics")[1]
    assert (
        "# TYPE" in metrics
        and "minato_" in metrics
        and 'source="shop"' in metrics
        and db in metrics
    )
    sample = 'minato_source_lag_bytes{source="shop"} 0\n'
    shared.wait(20)
    wait_until(lambda: sample in get("/metrics")[1], 15, 0.2, sample)
    wait_until(lambda: "lag_bytes=0" in shared.call("status").stdout, 15, 0.2, "status")
    for page in ("/nowhere", "/../minato.toml", "/api/v1/../../minato.toml"):
        with pytest.raises(urllib.error.HTTPError):
            get(page)


def test_clean_stop_leaves_nothing_and_starts_again(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.t (id INT PRIMARY KEY)",
        "INSERT INTO shop.t VALUES (1)",
    )
    platform = new_platform()
    platform.source_add(own_mariadb.url(), "shop.%")
    for round_number in range(3):
        platform.serve()
        platform.wait(30)
        pids = set(platform.pids())
        assert len(pids) >= 5  # supervisor, postgres, core, worker, gate, web
        assert platform.stop() == 0
        wait_until(lambda p=pids: not [x for x in p if alive(x)], 10, what="all processes to end")
        own_mariadb.run(f"INSERT INTO shop.t VALUES ({round_number + 10})")
    platform.serve()
    platform.wait(30)
    compare(own_mariadb, platform, "shop")
    os.kill(platform.process.pid, signal.SIGINT)  # Ctrl-C is the same as SIGTERM
    assert platform.process.wait(30) == 0


def test_configuration_is_reloaded_without_a_restart(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.t (id INT PRIMARY KEY)",
        "INSERT INTO shop.t VALUES (1)",
        "CREATE DATABASE second",
        "CREATE TABLE second.t (id INT PRIMARY KEY)",
        "INSERT INTO second.t VALUES (7)",
    )
    platform = new_platform()
    platform.serve()
    platform.source_add(own_mariadb.url(), "shop.%")  # a source added while serving
    wait_for_rows(platform, "SELECT id FROM shop.t", [(1,)], 30)
    text = platform.config.read_text()
    broken = text + "\n[capture\n"
    platform.config.write_text(broken)  # a broken file changes nothing
    own_mariadb.run("INSERT INTO shop.t VALUES (2)")
    wait_for_rows(platform, "SELECT count(*) FROM shop.t", [(2,)], 30)
    platform.config.write_text(text.replace("shop.%", "%.t"))  # a wider pattern reaches more tables
    wait_for_rows(platform, "SELECT id FROM second.t", [(7,)], 60)


def test_doctor_says_all_is_well_and_what_is_not(own_mariadb, new_platform):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
    platform = new_platform()
    platform.source_add(own_mariadb.url(), "shop.%")
    well = platform.call("doctor")
    for word in ("binlog", "privilege"):
        assert word in well.stdout.lower(), well.stdout
    own_mariadb.run("SET GLOBAL binlog_row_image = MINIMAL")
    ill = platform.call("doctor", check=False)
    assert ill.returncode != 0 and "binlog_row_image" in ill.stdout + ill.stderr
