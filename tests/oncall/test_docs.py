"""docs/oncall.md is what people do: its `sh` blocks are run here in order, its settings are read by
the program, and its arithmetic is the cost meter's."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
from harness.minato import MARK, Platform, binary, scratch
from harness.ports import free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "oncall.md").read_text()


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def reader():
    """Runs blocks in a directory of its own, as somebody who reads the page. Only the ports are
    ours, and the moment for which `serve` is waited."""
    directory = scratch("od")
    platform = Platform(directory / "shop")
    port = free_port()
    environment = {
        **os.environ,
        MARK: platform.mark,
        "PATH": f"{binary().parent}:{os.environ['PATH']}",
        "HOME": str(directory),
    }

    def run(block, check=True):
        block = block.replace("8751", str(port)).replace(
            "oncall serve &", f"oncall serve >>{directory}/oncall.log 2>&1 &"
        )
        block = re.sub(
            r"^minato init shop$",
            f"minato init shop --gate-port {platform.gate_port} --http-port {platform.http_port}",
            block,
            flags=re.M,
        )
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", block],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        log = directory / "oncall.log"
        assert not check or done.returncode == 0, (
            block, done.stdout, done.stderr, log.read_text()[-2000:] if log.exists() else "",
        )  # fmt: skip
        if "oncall serve" in block:
            wait_until(lambda: "oncall works" in log.read_text(), 20, what="on-call's start")
        return done.stdout

    run.directory, run.platform = directory, platform
    yield run
    platform.kill_all()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.slow
def test_every_command_on_the_page(reader):
    said = []
    for block in blocks("sh"):
        # Absences are those of the larger rota above them.
        if "oncall change" in block:
            (rota,) = [b for b in blocks("toml") if "[[team.data.shift]]" in b]
            rota = rota.replace("secrets/pagerduty-data", "secrets/oncall-tokens")
            (reader.directory / "shop" / "oncall" / "teams.toml").write_text(rota)
            log = reader.directory / "oncall.log"
            wait_until(lambda: "taken over" in log.read_text(), 10, what="the rota")
        said.append(reader(block))
    everything = "\n".join(said)
    assert "acknowledged first" in everything and "call to first by paper" in everything
    assert "+81********01" in everything and "+819000000001" not in everything
    assert "db01" in everything and "is covered by second" in everything
    assert (reader.directory / "say.wav").stat().st_size > 10_000
    # After `who --at`: second has first's turn on that day.
    (changes,) = [text for text in said if "is covered by" in text]
    assert re.search(r"^1\. second ", changes, re.M) and not re.search(r"^2\. first", changes, re.M)
    assert re.search(r"paper +\d+ calls, +\d+ answered", everything)


def test_the_settings_of_the_page_are_settings(reader):
    """Every TOML block that belongs into minato.toml is read without a complaint."""
    settings = [b for b in blocks("toml") if b.startswith(("[oncall", "[[oncall"))]
    assert len(settings) >= 6
    reader("minato init shop; mkdir -p shop/oncall shop/secrets")
    (reader.directory / "shop" / "secrets" / "oncall-tokens").write_text("x" * 32 + "\n")
    config = reader.directory / "shop" / "minato.toml"
    before = config.read_text()
    for block in settings:
        for name in re.findall(r'^[a-z_]+_file = "(.+?)"', block, re.M):
            (reader.directory / "shop" / name).write_text("a secret of the page\n")
    names = {}
    for block in settings:
        names.setdefault(re.search(r"^\[+([a-z._]+)", block)[1], []).append(block)
    (full,) = [blocks_[0] for name, blocks_ in names.items() if name == "oncall.carrier.connect"]
    priced = names.pop("oncall.carrier.connect")[1].split("\n", 1)[1]
    config.write_text(
        before
        + '\n[oncall]\ncarriers = ["connect", "twilio", "sip", "paper"]\n'
        + full
        + priced
        + "\n".join(b for blocks_ in names.values() for b in blocks_)
    )
    (rota,) = [b for b in blocks("toml") if "[[team.data.shift]]" in b]
    (beat,) = [b for b in blocks("toml") if b.startswith("[heartbeat")]
    (reader.directory / "shop" / "oncall" / "teams.toml").write_text(rota + beat)
    reader("minato -C shop check")
    # Both files are really looked at.
    (reader.directory / "shop" / "oncall" / "teams.toml").write_text(rota + "[heartbeat.x]\n")
    assert "within_seconds" in complaint(reader.directory)
    config.write_text(config.read_text() + "\n[oncall.zabix]\n")
    assert "zabbix" in complaint(reader.directory)


def complaint(directory):
    done = subprocess.run(
        [binary(), "-C", directory / "shop", "check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, (done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.mark.no_minato
def test_the_arithmetic_of_the_page():
    source = (ROOT / "src" / "oncall" / "cost.cpp").read_text()
    dollar = float(re.search(r"kYenPerDollar = ([0-9.]+)", source)[1])
    voice, line = map(
        float, re.search(r"return \{([0-9.]+) \* kYenPerDollar, ([0-9.]+) \* kYen", source).groups()
    )
    twilio = float(re.search(r'"twilio"\) return \{0, ([0-9.]+)\}', source)[1])
    connect = voice * dollar * 40 / 60 + line * dollar
    assert f"{voice * dollar:.2f} yen/min" in PAGE and f"{line * dollar:.2f} yen/min" in PAGE
    assert f"| one call | {connect:.2f} | {twilio:.2f} |" in PAGE
    year = [round(300 * one, -1) for one in (connect, twilio)]
    assert f"| 300 calls | {year[0]:,.0f} | {year[1]:,.0f} |" in PAGE
    total = [amount + 12 * 450 for amount in year]
    assert f"| **a year** | **{total[0]:,.0f} yen** | **{total[1]:,.0f} yen** |" in PAGE
