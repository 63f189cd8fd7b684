// The page at /: everything it shows comes from /api/v1/status, asked once a second while it is
// visible. Texts are set as text, never as HTML: names come from databases.
#include "web/answers.h"

namespace minato::web {

// NOLINTNEXTLINE(readability-function-size): one text
std::string_view page_html() {
  static constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Minato</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: #8884; --good: #2a7; --bad: #c43; --dim: #888; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 70rem;
  padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 500; }
.n { text-align: right; }
.w { max-width: 28rem; overflow-wrap: anywhere; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.dim { color: var(--dim); }
</style></head><body>
<header><h1>Minato</h1><span id="state" role="status">…</span>
<span class="dim"><a href="/metrics">metrics</a> · <a href="/api/v1/status">JSON</a></span></header>
<main id="all"></main>
<script>
const good = new Set(["streaming", "stopped", "ok", "mart", "up", "running", "queued"]);
const span = s => s < 120 ? s.toFixed(0) + " s" : s < 7200 ? (s / 60).toFixed(0) + " min"
  : (s / 3600).toFixed(0) + " h";
const age = t => t ? span(Math.max(0, (Date.now() - Date.parse(t)) / 1000)) + " ago" : "never";
const ms = v => v == null ? "" : v < 1000 ? v + " ms" : span(v / 1000);
const mb = v => (v / 1048576).toFixed(0) + " MB";
const num = v => v == null ? "" : v.toLocaleString();
// Per list: title, how to show, and class ("s": a state).
const lists = {
  incidents: [["what", i => i.title], ["why", i => i.text, "w"],
    ["since", i => age(i.opened_at)], ["times", i => num(i.occurrences), "n"]],
  sources: [["source", s => s.name], ["state", s => s.state, "s"],
    ["lag", s => ms(s.lag_ms), "n"],
    ["behind", s => s.lag_bytes == null ? "" : num(s.lag_bytes) + " B", "n"],
    ["changes", s => num(s.changes), "n"], ["position", s => s.position, "w dim"],
    ["error", s => s.error || "", "w bad"]],
  tables: [["table", t => t.schema + "." + t.name], ["state", t => t.state, "s"],
    ["rows", t => num(t.rows) + (t.rows_read == null ? "" : " (read: " + num(t.rows_read) + ")"),
      "n"], ["lag", t => ms(t.lag_ms), "n"],
    ["last change", t => age(t.applied_at)], ["error", t => t.error || "", "w bad"]],
  marts: [["mart", m => m.schema + "." + m.name], ["state", m => m.state, "s"],
    ["built", m => age(m.last_success_at)], ["took", m => ms(m.duration_ms), "n"],
    ["why", m => m.why || "", "w"]],
  processes: [["process", p => p.name], ["state", p => p.up ? "up" : "down", "s"],
    ["pid", p => String(p.pid), "n"], ["restarts", p => num(p.restarts), "n"],
    ["memory", p => mb(p.memory_bytes), "n"]],
};
function table(name, rows) {
  const box = document.createElement("section");
  const head = document.createElement("h2");
  head.textContent = name + " (" + rows.length + ")";
  box.append(head);
  if (!rows.length) return box;
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  const grid = document.createElement("table");
  const top = grid.createTHead().insertRow();
  const body = grid.createTBody();
  for (const [title, , kind] of lists[name]) {
    const cell = document.createElement("th");
    cell.textContent = title;
    cell.className = kind === "n" ? "n" : "";
    top.append(cell);
  }
  for (const row of rows) {
    const line = body.insertRow();
    for (const [, show, kind] of lists[name]) {
      const cell = line.insertCell();
      cell.textContent = show(row);
      const state = good.has(cell.textContent) ? "good" : "bad";
      cell.className = kind === "s" ? state : kind || "";
    }
  }
  scroll.append(grid);
  box.append(scroll);
  return box;
}
async function refresh() {
  const state = document.getElementById("state");
  try {
    const answer = await fetch("/api/v1/status", { cache: "no-store" });
    const all = await answer.json();
    if (!answer.ok) throw new Error(all.error);
    const shown = Object.keys(lists).filter(n => n !== "incidents" || all.incidents.length);
    document.getElementById("all").replaceChildren(...shown.map(n => table(n, all[n])));
    const down = all.processes.filter(p => !p.up).length;
    const well = !all.incidents.length && !down;
    state.textContent = well ? "all is well"
      : all.incidents.length + " open incidents, " + down + " processes down";
    state.className = well ? "good" : "bad";
  } catch (error) {
    state.textContent = "no answer: " + error.message;
    state.className = "bad";
  }
}
setInterval(() => document.hidden || refresh(), 1000);
refresh();
</script></body></html>
)html";
  return kPage;
}

}  // namespace minato::web
