#include "gate/reader.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "gate/values.h"

namespace minato::gate {
namespace {

constexpr int kRollbacks = 20;
constexpr std::size_t kKeptMax = 64UL << 20;

/// Moves up to `rows_max` DataRow messages of what was kept; each says its own length.
std::uint64_t take_kept(Run& run, std::uint64_t rows_max, std::size_t bytes_max, std::string& out) {
  std::uint64_t rows = 0;
  while (run.kept_at < run.kept.size() && rows < rows_max && out.size() < bytes_max) {
    std::size_t size = 0;
    for (int i = 1; i <= 4; ++i) {
      size = size << 8 |
             static_cast<std::uint8_t>(run.kept[run.kept_at + static_cast<std::size_t>(i)]);
    }
    CHECK(run.kept_at + size + 1 <= run.kept.size());
    out.append(run.kept, run.kept_at, size + 1);
    run.kept_at += size + 1;
    ++rows;
  }
  if (run.kept_at == run.kept.size()) {
    run.kept = {};
    run.kept_at = 0;
  }
  return rows;
}

/// The next chunk when the present one is used up.
Status next_chunk(Run& run) {
  if (run.chunk && run.row < run.chunk->rows()) return {};
  run.chunk.reset();
  run.row = 0;
  TRY_ASSIGN(run.chunk, run.stream.next());
  if (!run.chunk) run.ended = true;
  return {};
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const lake::Engine& engine) {
  TRY_ASSIGN(lake::Session session, engine.connect());
  TRY_ASSIGN(lake::Session parser, engine.connect());
  return std::unique_ptr<Reader>(new Reader(std::move(session), std::move(parser)));
}

Status Reader::begin() {
  if (in_transaction_) return {};
  Status begun = session_.run("BEGIN TRANSACTION READ ONLY");
  in_transaction_ = true;
  ++serial_;
  // Without memory it may have begun half.
  if (!begun) end();
  return begun;
}

void Reader::end() {
  if (const auto run = live_.lock()) {
    run->chunk.reset();
    run->ended = true;
  }
  live_.reset();
  if (!in_transaction_) return;
  in_transaction_ = false;
  const auto set_ending = [this](bool ending) {
    const std::lock_guard lock(ending_mutex_);
    ending_ = ending;
  };
  set_ending(true);
  const auto roll_back = [this]() -> Status {
    Status done = session_.run("ROLLBACK");
    const bool gone =
        !done && done.error().detail.find("no transaction is active") != std::string::npos;
    return gone ? Status() : done;
  };
  Status status = roll_back();
  for (int attempt = 1; !status && attempt < kRollbacks; ++attempt) {
    // Memory may be short for a moment.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    status = roll_back();
  }
  set_ending(false);
  if (status) return;
  log::warn("gate.rollback_failed", {{"error", status.error()}});
  usable_ = false;
}

void Reader::interrupt() {
  const std::lock_guard lock(ending_mutex_);
  if (!ending_) session_.interrupt();
}

Result<lake::Prepared> Reader::prepare(const std::string& sql) {
  CHECK(in_transaction_);
  TRY(settle());
  return session_.prepare(sql);
}

Result<std::shared_ptr<Run>> Reader::execute(lake::Prepared& prepared,
                                             const std::vector<lake::Value>& values,
                                             const std::vector<std::int16_t>& formats) {
  CHECK(in_transaction_);
  TRY(settle());
  TRY_ASSIGN(lake::ResultStream stream, prepared.execute(values));
  auto run = std::make_shared<Run>(std::move(stream));
  live_ = run;
  live_formats_ = formats;
  return run;
}

Status Reader::settle() {
  const auto run = live_.lock();
  live_.reset();
  if (!run || run->ended) return {};
  std::string rest;
  while (!run->ended) {
    TRY(fetch(*run, live_formats_, UINT64_MAX, kKeptMax, rest));
    if (run->ended || rest.size() < kKeptMax) continue;
    run->ended = true;
    return fail(Code::exhausted,
                "A portal with many rows left would have to be kept while another statement runs: "
                "read it to its "
                "end first, or use a second connection.");
  }
  run->kept = std::move(rest);
  run->kept_at = 0;
  return {};
}

Result<std::uint64_t> Reader::fetch(Run& run, const std::vector<std::int16_t>& formats,
                                    std::uint64_t rows_max, std::size_t bytes_max,
                                    std::string& out) {
  std::uint64_t rows = take_kept(run, rows_max, bytes_max, out);
  while (!run.ended && rows < rows_max && out.size() < bytes_max) {
    TRY(next_chunk(run));
    if (run.ended) break;
    const std::uint64_t wanted =
        std::min<std::uint64_t>(run.chunk->rows() - run.row, rows_max - rows);
    const std::size_t end =
        append_rows(out, *run.chunk, formats, run.row, run.row + wanted, bytes_max);
    rows += end - run.row;
    run.row = end;
  }
  return rows;
}

}  // namespace minato::gate
