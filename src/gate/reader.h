// The engine's side of a conversation: one engine session with its snapshot transaction. Blocking:
// pool threads only, but for interrupt().
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "lake/engine.h"

namespace minato::gate {

/// A statement's result as far as it has been read. Declared so that the chunk goes before its
/// stream.
struct Run {
  explicit Run(lake::ResultStream source) : stream(std::move(source)) {}
  lake::ResultStream stream;
  std::optional<lake::Chunk> chunk;
  std::size_t row = 0;      // next one of `chunk`
  bool ended = false;       // the stream has no more
  std::string kept;         // rows read ahead, as DataRow messages: see Reader::settle()
  std::size_t kept_at = 0;  // next one of `kept`
};

class Reader {
 public:
  static Result<std::unique_ptr<Reader>> open(const lake::Engine& engine);

  /// Opens the snapshot transaction unless it is open: all that is read until end() sees one lake
  /// snapshot.
  Status begin();
  /// Ends it, with all results. Never fails.
  void end();
  bool in_transaction() const { return in_transaction_; }
  /// Grows with each transaction: what was prepared in an earlier one must be prepared again.
  std::uint64_t serial() const { return serial_; }

  Result<lake::Prepared> prepare(const std::string& sql);
  /// Runs; the result is the session's live one until settle() or end().
  Result<std::shared_ptr<Run>> execute(lake::Prepared& prepared,
                                       const std::vector<lake::Value>& values,
                                       const std::vector<std::int16_t>& formats);
  /// The engine has one live result a session: reads the rest of a suspended one into memory,
  /// within a limit.
  Status settle();
  /// Appends up to `rows_max` rows while `out` is below `bytes_max`; the number of rows appended.
  /// `run.ended` says whether there are more.
  static Result<std::uint64_t> fetch(Run& run, const std::vector<std::int16_t>& formats,
                                     std::uint64_t rows_max, std::size_t bytes_max,
                                     std::string& out);

  /// For parsing only: never has a transaction, so that parsing leaves live results alone.
  lake::Session& parser() { return parser_; }
  /// From any thread.
  void interrupt();
  /// False once a transaction could not be ended: nothing can be read in this session any more.
  bool usable() const { return usable_; }

 private:
  Reader(lake::Session session, lake::Session parser)
      : session_(std::move(session)), parser_(std::move(parser)) {}

  lake::Session session_;
  lake::Session parser_;
  bool in_transaction_ = false;
  bool usable_ = true;
  std::mutex ending_mutex_;
  bool ending_ = false;  // ROLLBACK runs: an interrupt would leave the transaction open
  std::uint64_t serial_ = 0;
  std::weak_ptr<Run> live_;
  std::vector<std::int16_t> live_formats_;
};

}  // namespace minato::gate
