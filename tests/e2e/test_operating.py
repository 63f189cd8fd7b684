"""What people do is what the documents say: each command in the `sh` blocks of docs/operating.md
and in README's "Your own platform" is run here, in order."""

import os
import pathlib
import re
import subprocess

import pytest

from harness.mariadb import CDC_PASSWORD
from harness.minato import Platform, binary, scratch
from harness.ports import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operating.md"
DOCUMENTS = [ROOT / n for n in ("README.md", "README.ja.md", "CONTRIBUTING.md")] + [
    *ROOT.glob("docs/*.md")
]


def commands():
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S):
        yield from block.strip().splitlines()


def readme_commands(name):
    """Of the block that makes a platform, without the explanations behind the commands."""
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / name).read_text(), re.M | re.S)
    (block,) = [b for b in blocks if "minato init" in b]
    return [re.sub(r"\s+#.*", "", line) for line in block.strip().splitlines()]


@pytest.fixture
def shop(own_mariadb):
    own_mariadb.start().create_cdc_user()
    own_mariadb.run(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.orders (id INT PRIMARY KEY)",
        "INSERT INTO shop.orders VALUES (1), (2)",
    )
    return own_mariadb


@pytest.fixture
def reader(shop):
    """Runs lines in a directory of its own, as somebody who reads a page; the platform is where
    `minato init` puts it. Ports and the source's address are ours."""
    directory = scratch("op")
    platform = Platform(directory / "shop")
    environment = {
        **os.environ,
        "PATH": f"{binary().parent}:{os.environ['PATH']}",
        "HOME": str(directory),
        "PGPASSWORD": "a long password",
    }

    def run(line, cwd=directory):
        line = re.sub(r"mysql://cdc@db\.example(\.com)?:3306/", shop.url(), line)
        ports = f" --gate-port {platform.gate_port} --http-port {platform.http_port}"
        line = re.sub(r"^(minato init \S+)", rf"\1{ports}", line)
        line = line.replace("port=5439", f"port={platform.gate_port}")
        if re.search(r"\bserve( &)?$", line):
            platform.start()
            wait_until(lambda: platform.call("sql", "SELECT 1"), 60, what="the gate")
            return ""
        done = subprocess.run(
            ["bash", "-ec", line],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    run.platform, run.directory = platform, directory
    yield run
    platform.kill_all()
    subprocess.run(["rm", "-rf", str(directory)], check=True)


def test_every_command_on_the_page(reader):
    platform = reader.platform
    (reader.directory / "cdc.password").write_text(CDC_PASSWORD + "\n")
    lines = list(commands())
    assert len(lines) > 15
    for line in lines:
        said = reader(line)
        if "count(*) FROM shop.orders" in line and " sql " in line:
            assert "2" in said
        if "account add" in line:
            platform.user, platform.password = "clerk", "a long password"
            assert platform.query("SELECT current_user") == [("clerk",)]
    wait_until(lambda: platform.query("SELECT orders FROM sales.orders") == [(2,)], 60)
    assert platform.stop() == 0


def test_the_platform_of_the_readme(reader):
    lines = readme_commands("README.md")
    assert lines == readme_commands("README.ja.md")
    platform = reader.platform
    platform.directory = reader.directory / "shop-platform"
    (reader.directory / ".cdc").write_text(CDC_PASSWORD + "\n")
    (reader.directory / ".analyst").write_text("a long password\n")
    first, enter = lines[0].split(" && ")
    assert enter == "cd shop-platform"
    reader(first)
    for line in lines[1:]:
        if line.startswith("psql"):
            platform.wait(60)
            line += " -Atc 'SELECT count(*) FROM shop.orders'"
        said = reader(line, platform.directory)
    assert said == "2\n"
    assert platform.stop() == 0


@pytest.mark.no_minato
def test_the_front_door_knows_what_the_documents_say():
    helped = subprocess.run(
        [ROOT / "dev", "help"], capture_output=True, text=True, check=True
    ).stdout
    for document in DOCUMENTS:
        for command, options in re.findall(
            r"\./dev ([a-z]+)((?: --[a-z]+| -k)*)", document.read_text()
        ):
            assert re.search(rf"^  {command}\b", helped, re.M), (document, command)
            for option in options.split():
                assert f"{option} " in helped, (document, command, option)


def test_every_command_of_the_program_is_on_the_page_or_has_help():
    helped = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ([a-z]+) +\S", helped.split("Subcommands:")[1], re.M)
    assert set(names) == {
        "init", "source", "account", "check", "serve", "status", "wait", "sql", "doctor", "version",
        "oncall",
    }  # fmt: skip
    page = PAGE.read_text()
    for name in names:
        assert f"minato -C shop {name}" in page or f"minato {name}" in page, name
