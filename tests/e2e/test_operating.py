"""docs/operating.md is what people do: each command in its `sh` blocks is run here, in order."""

import os
import pathlib
import re
import subprocess

from harness.mariadb import CDC_PASSWORD
from harness.minato import Platform, binary, scratch
from harness.ports import wait_until

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operating.md"


def commands():
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S):
        yield from block.strip().splitlines()


def test_every_command_on_the_page(own_mariadb):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.orders (id INT PRIMARY KEY)",
        "INSERT INTO shop.orders VALUES (1), (2)",
    )
    directory = scratch("op")
    (directory / "cdc.password").write_text(CDC_PASSWORD + "\n")
    platform = Platform(directory / "shop")
    environment = {**os.environ, "PATH": f"{binary().parent}:{os.environ['PATH']}"}
    lines = list(commands())
    assert len(lines) > 15
    try:
        for line in lines:
            if line.endswith("serve &"):
                platform.start()
                wait_until(lambda: platform.call("sql", "SELECT 1"), 60, what="the gate")
                continue
            line = line.replace("mysql://cdc@db.example:3306/", own_mariadb.url())
            if line.startswith("minato init "):  # the default ports may be taken on this machine
                line += f" --gate-port {platform.gate_port} --http-port {platform.http_port}"
            result = subprocess.run(
                ["bash", "-ec", line],
                cwd=directory,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert result.returncode == 0, (line, result.stdout, result.stderr)
            if "count(*) FROM shop.orders" in line and " sql " in line:
                assert "2" in result.stdout
            if "account add" in line:
                platform.user, platform.password = "clerk", "a long password"
                assert platform.query("SELECT current_user") == [("clerk",)]
        wait_until(lambda: platform.query("SELECT orders FROM sales.orders") == [(2,)], 60)
        assert platform.stop() == 0
    finally:
        platform.kill_all()
        subprocess.run(["rm", "-rf", str(directory)], check=True)


def test_every_command_of_the_program_is_on_the_page_or_has_help():
    helped = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ([a-z]+) +\S", helped.split("Subcommands:")[1], re.M)
    assert set(names) == {
        "init", "source", "account", "check", "serve", "status", "wait", "sql", "doctor", "version",
    }  # fmt: skip
    page = PAGE.read_text()
    for name in names:
        assert f"minato -C shop {name}" in page or f"minato {name}" in page, name
