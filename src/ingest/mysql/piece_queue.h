// Between the reader thread and the consumer: the piece being filled, and finished ones. The
// consumer may take the open piece whenever the reader stands between two transactions, so that an
// idle source has no delay, and a backlog makes large pieces.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "base/result.h"
#include "model/change.h"

namespace minato::ingest::mysql {

class PieceQueue {
 public:
  /// Reader: the open piece, for the reader alone until boundary() or push().
  StreamBatch& open();
  /// Reader, after open(): tells one open piece from the next.
  std::uint64_t generation() const { return generation_; }
  /// Reader: the open piece ends with a whole transaction now; the consumer may take it.
  void boundary();
  /// Reader: hands the open piece over; waits while too much waits already. False: closed.
  bool push();
  /// Either side: no more pieces; what is queued is still handed out, then `error` (or nothing).
  void close(std::optional<Error> error);

  /// Consumer. Nothing after `wait`; the error once closed and empty.
  Result<std::optional<StreamBatch>> next(std::chrono::milliseconds wait);

 private:
  static bool has_work(const StreamBatch& piece, bool eager);
  std::optional<StreamBatch> take_locked(bool eager);

  std::mutex mutex_;
  std::condition_variable consumer_;
  std::condition_variable reader_;
  StreamBatch open_;
  std::uint64_t generation_ = 1;
  bool filling_ = false;  // the reader is inside a transaction: open_ is not to be touched
  bool wanted_ = false;   // the consumer waits
  bool closed_ = false;
  std::optional<Error> error_;
  std::deque<StreamBatch> ready_;
  std::chrono::steady_clock::time_point last_taken_{};
};

}  // namespace minato::ingest::mysql
