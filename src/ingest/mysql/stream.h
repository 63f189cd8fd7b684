// The connection that follows a source's binary log: dump, heartbeats, reconnection with
// back-off.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "ingest/mysql/assembler.h"
#include "ingest/mysql/connection.h"

namespace minato::ingest::mysql {

class Stream {
 public:
  explicit Stream(SourceOptions options) : options_(std::move(options)) {}
  ~Stream() { stop(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Checks the source's settings over a first connection, then starts the reader thread.
  /// With `cut`, the piece that reaches it ends there, and its tables are followed from there on.
  Status start(const Position& from, const std::vector<TableSchemaPtr>& shapes,
               std::optional<Assembler::Join> cut);
  Result<std::optional<StreamBatch>> next(std::chrono::milliseconds wait) {
    return queue_->next(wait);
  }
  void stop();
  bool running() const { return thread_.joinable(); }
  Source::Lag lag() const;

 private:
  void run(const std::stop_token& stop, Assembler& assembler);
  /// One connection from the assembler's position to its end; only returns with an Error.
  Error follow(const std::stop_token& stop, Assembler& assembler);
  Result<Connection> connect(const LogPosition& from);
  /// What the log leaves open, asked of the source over a connection of its own. Reader thread
  /// only. Waits until the source answers: a step of the log that ended without the answer would
  /// count as taken in when the log is read on. Error{cancelled} when stopped; other errors are
  /// final.
  template <typename Question>
  std::invoke_result_t<Question, Connection&> answer(const Question& question);
  ShapeBook::Ask questions(bool json_is_text);
  void set_state(bool connected, std::string error);

  SourceOptions options_;
  std::unique_ptr<PieceQueue> queue_;
  std::unique_ptr<Assembler> assembler_;
  std::stop_token stop_;  // the reader thread's own
  std::jthread thread_;

  mutable std::mutex mutex_;
  int socket_ = -1;  // of the live connection, for stop()
  bool stopping_ = false;
  bool connected_ = false;
  std::atomic<std::chrono::steady_clock::rep> heard_{0};  // when the last packet came
  std::string error_;
};

}  // namespace minato::ingest::mysql
