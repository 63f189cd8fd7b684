// How many bytes of a source's binary log lie behind a position. Asked every few seconds over a
// connection of its own with short timeouts, on a thread of its own: the stream never waits for it.
// What is not known (the source cannot be reached, the file is gone) is nothing, never a guess.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ingest/mysql/connection.h"
#include "ingest/mysql/position.h"

namespace minato::ingest::mysql {

/// Where a source's log ends. `files` in the log's order with their sizes in bytes: only when they
/// were asked for.
struct LogEnd {
  LogPosition place;
  std::vector<std::pair<std::string, std::uint64_t>> files;
};

/// Bytes of the log after `from`; nothing when the files do not tell. Bytes without a transaction
/// (a file's head, rotations) do not count at the end.
std::optional<std::uint64_t> bytes_between(const LogPosition& from, const LogEnd& end);

class LogGauge {
 public:
  explicit LogGauge(SourceOptions options) : options_(std::move(options)) {}
  ~LogGauge() { stop(); }
  LogGauge(const LogGauge&) = delete;
  LogGauge& operator=(const LogGauge&) = delete;

  /// Bytes after `stored` when the source was asked last, at most seconds ago. The first call
  /// begins the asking.
  std::optional<std::uint64_t> behind(const LogPosition& stored);
  void stop();

 private:
  void run(const std::stop_token& stop);
  Result<LogEnd> ask(std::optional<Connection>& connection);
  void set_socket(int socket);

  SourceOptions options_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  int socket_ = -1;  // of the live connection, for stop()
  bool stopping_ = false;
  std::string from_file_;  // of the position that was asked about last
  std::optional<LogEnd> end_;
  std::chrono::steady_clock::time_point asked_{};
  std::jthread thread_;
};

}  // namespace minato::ingest::mysql
