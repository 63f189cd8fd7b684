#include "ingest/mysql/piece_queue.h"

#include <utility>

#include "base/check.h"

namespace minato::ingest::mysql {
namespace {

constexpr std::size_t ready_max = 2;
// A piece that only moves the position (transactions of other tables) is not worth a commit each
// time.
constexpr std::chrono::milliseconds quiet_interval{200};

}  // namespace

bool PieceQueue::has_work(const StreamBatch& piece, bool eager) {
  if (!piece.tables.empty() || !piece.ddl.empty() || !piece.lost.empty()) return true;
  return eager && !piece.end.text.empty();
}

StreamBatch& PieceQueue::open() {
  const std::lock_guard lock(mutex_);
  filling_ = true;
  return open_;
}

void PieceQueue::boundary() {
  const std::lock_guard lock(mutex_);
  CHECK(filling_);
  filling_ = false;
  if (wanted_) consumer_.notify_one();
}

bool PieceQueue::push() {
  std::unique_lock lock(mutex_);
  reader_.wait(lock, [&] { return closed_ || ready_.size() < ready_max; });
  filling_ = false;
  if (closed_) return false;
  ready_.push_back(std::exchange(open_, StreamBatch{}));
  ++generation_;
  consumer_.notify_one();
  return true;
}

void PieceQueue::close(std::optional<Error> error) {
  const std::lock_guard lock(mutex_);
  if (!closed_) {
    closed_ = true;
    error_ = std::move(error);
  }
  consumer_.notify_all();
  reader_.notify_all();
}

std::optional<StreamBatch> PieceQueue::take_locked(bool eager) {
  std::optional<StreamBatch> piece;
  if (!ready_.empty()) {
    piece = std::move(ready_.front());
    ready_.pop_front();
    reader_.notify_one();
  } else if (!filling_ && has_work(open_, eager)) {
    piece = std::exchange(open_, StreamBatch{});
    ++generation_;
  }
  if (piece) last_taken_ = std::chrono::steady_clock::now();
  return piece;
}

Result<std::optional<StreamBatch>> PieceQueue::next(std::chrono::milliseconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  std::unique_lock lock(mutex_);
  while (true) {
    const auto now = std::chrono::steady_clock::now();
    const auto quiet_until = last_taken_ + quiet_interval;
    if (auto piece = take_locked(now >= quiet_until)) return piece;
    if (closed_) {
      if (error_) return fail(*error_);
      return fail(Code::cancelled, "the stream was stopped");
    }
    if (now >= deadline) return std::optional<StreamBatch>();
    wanted_ = true;
    // Wakes for the position-only piece as well, should there be one by then.
    consumer_.wait_until(lock, quiet_until > now ? std::min(deadline, quiet_until) : deadline);
    wanted_ = false;
  }
}

}  // namespace minato::ingest::mysql
