"""The demo's terminal view: one screen, drawn anew each second; plain lines where there is no
terminal."""

import datetime
import sys
import time
import unicodedata

BOLD, DIM, GREEN, YELLOW, RED, CYAN, OFF = (
    "\033[1m",
    "\033[2m",
    "\033[32m",
    "\033[33m",
    "\033[31m",
    "\033[36m",
    "\033[0m",
)
BARS = "▁▂▃▄▅▆▇█"
STATE_COLOURS = {
    "streaming": GREEN,
    "ok": GREEN,
    "running": CYAN,
    "queued": CYAN,
    "snapshotting": CYAN,
    "waiting": YELLOW,
    "starting": YELLOW,
    "failed": RED,
    "invalid": RED,
    "error": RED,
}


def cells(text):
    """How many columns a terminal needs for it: Japanese letters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text, width):
    while cells(text) > width:
        text = text[:-1]
    return text


def left(text, width):
    text = cut(str(text), width)
    return text + " " * (width - cells(text))


def right(text, width):
    text = cut(str(text), width)
    return " " * (width - cells(text)) + text


def milliseconds(value):
    if value is None:
        return "–"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def state(word, width):
    return STATE_COLOURS.get(word, "") + left(word or "", width) + OFF


def ago(text):
    if not text:
        return "–"
    try:
        then = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return "–"
    then = then if then.tzinfo else then.replace(tzinfo=datetime.timezone.utc)
    return (
        f"{max(0, (datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()):.0f} s ago"
    )


class View:
    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.started = time.monotonic()
        self.rates = []
        self._last_changes = (self.started, 0)

    def step(self, text):
        """One line while things start."""
        print(
            f"  {GREEN if self.terminal else ''}✓{OFF if self.terminal else ''} {text}", flush=True
        )

    def open(self):
        if self.terminal:
            sys.stdout.write("\033[?1049h\033[?25l")

    def close(self):
        if self.terminal:
            sys.stdout.write("\033[?25h\033[?1049l")
            sys.stdout.flush()

    def draw(self, facts):
        now, changes = time.monotonic(), facts["trade"].changes
        before, changes_before = self._last_changes
        self.rates.append((changes - changes_before) / max(0.2, now - before))
        self._last_changes = (now, changes)
        if not self.terminal:
            if int(now - self.started) % 5 == 0:
                print("  " + self._summary_line(facts), flush=True)
            return
        lines = self._screen(facts)
        sys.stdout.write("\033[H" + "".join(line + "\033[K\n" for line in lines) + "\033[J")
        sys.stdout.flush()

    def _summary_line(self, facts):
        source = (facts["status"].get("sources") or [{}])[0]
        probe = facts["probe"]
        return (
            f"{time.monotonic() - self.started:4.0f} s  {source.get('state', 'starting')}, lag"
            f" {milliseconds(source.get('lag_ms'))}; {facts['trade'].transactions:,} transactions;"
            f" visible after p50 {milliseconds(probe.percentile(50))}, p99"
            f" {milliseconds(probe.percentile(99))}; {facts['mart_runs']} mart runs"
        )

    def _screen(self, facts):
        status, probe, trade = facts["status"], facts["probe"], facts["trade"]
        source = (status.get("sources") or [{}])[0]
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        spark = "".join(
            BARS[min(7, int(r / (max(self.rates[-40:]) or 1) * 7))] for r in self.rates[-40:]
        )
        lines = [
            "",
            f"  {BOLD}⚓ Minato{OFF}  {DIM}demo · {minutes:02}:{seconds:02}{OFF}",
            "",
            (
                f"  MariaDB :{facts['source_port']}  {DIM}──binlog──▶{OFF}  lake  {DIM}──▶{OFF}  "
                f"{len(status.get('marts', []))} marts  {DIM}──▶{OFF}  gate :{facts['gate_port']}"
            ),
            "",
            (
                f"  {BOLD}Capture{OFF}   {state(source.get('state', 'starting'), 13)} lag"
                f" {BOLD}{milliseconds(source.get('lag_ms'))}{OFF}   commit → visible at the gate "
                f" p50 {BOLD}{milliseconds(probe.percentile(50, 120))}{OFF}  p99"
                f" {BOLD}{milliseconds(probe.percentile(99, 120))}{OFF}"
            ),
            (
                f"            {trade.transactions:,} transactions, {trade.changes:,} changes,"
                f" {self.rates[-1]:,.0f}/s  {CYAN}{spark}{OFF}"
            ),
        ]
        for problem in (source.get("error"), trade.error, probe.error):
            if problem:
                lines.append(f"            {RED}{cut(str(problem), 100)}{OFF}")
        lines += ["", *self._tables_and_marts(status), ""]
        if facts["best_sellers"]:
            lines.append(f"  {BOLD}Best sellers{OFF} {DIM}of the last hour, from the gate{OFF}")
            most = max(row[2] for row in facts["best_sellers"])
            for product, _, pieces, amount in facts["best_sellers"][:5]:
                bar = "█" * max(1, int(24 * pieces / most))
                lines.append(
                    f"    {left(product, 18)} {CYAN}{left(bar, 24)}{OFF} {right(f'{pieces:,}', 7)} "
                    f" {right(f'¥{amount:,}', 13)}"
                )
            lines.append("")
        lines += [
            f"  {BOLD}Try it{OFF} in another terminal:",
            *(f"    {line}" for line in facts["try_it"]),
            "",
            f"  {DIM}Ctrl-C ends everything that this started.{OFF}",
        ]
        return lines

    def _tables_and_marts(self, status):
        tables = sorted(
            (t for t in status.get("tables", []) if t["schema"] == "shop" and t["name"] != "probe"),
            key=lambda t: t["name"],
        )
        marts = sorted(status.get("marts", []), key=lambda m: (m["schema"], m["name"]))
        rows = [
            f"  {BOLD}{left('Tables', 20)}{right('rows', 10)}    "
            f" {left('Marts', 22)}{left('state', 10)}{right('last run', 9)}{right('took', 9)}{OFF}"
        ]
        for n in range(max(len(tables), len(marts))):
            row = " " * 32
            if n < len(tables):
                count = tables[n].get("rows")
                row = (
                    "  "
                    + left("shop." + tables[n]["name"], 20)
                    + right("–" if count is None else f"{count:,}", 10)
                )
            if n < len(marts):
                m = marts[n]
                row += (
                    "     "
                    + left(f"{m['schema']}.{m['name']}", 22)
                    + state(m["state"], 10)
                    + right(ago(m.get("last_success_at")), 9)
                    + right(milliseconds(m.get("duration_ms")), 9)
                )
                if m["state"] in ("failed", "invalid", "waiting") and m.get("why"):
                    row += f"  {DIM}{cut(m['why'], 50)}{OFF}"
            rows.append(row)
        return rows
