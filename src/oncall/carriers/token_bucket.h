// How often something may be asked: so many a second on average, so many at once at most.
// First come, first served: each caller gets a time of its own, and nobody is overtaken.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>

namespace minato::oncall {

class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  TokenBucket(double per_second, int burst);

  /// How long to wait before the request, which then is counted. nullopt, and nothing is counted,
  /// when that were longer than `patience`.
  std::optional<std::chrono::milliseconds> reserve(Time now, std::chrono::milliseconds patience);

  /// The other side says that it was too much: no burst for a while.
  void drain(Time now);

 private:
  std::chrono::nanoseconds interval_;
  std::chrono::nanoseconds burst_;
  std::mutex mutex_;
  Time full_at_{};  // when the whole burst is free again (a virtual clock, as in GCRA)
};

}  // namespace minato::oncall
