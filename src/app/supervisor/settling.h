// Tells when a file is another one and at rest. An editor truncates and then writes: what a look
// in between finds may be a valid file that says something else, such as one without sources.
#pragma once

#include <chrono>
#include <string>
#include <utility>

namespace minato::app {

class Settling {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kRest{200};

  /// `stamp` changes whenever the file does.
  explicit Settling(std::string stamp = {}) : taken_(stamp), seen_(std::move(stamp)) {}

  /// True once for each change, when the file has been the same for kRest.
  bool changed(std::string stamp, Clock::time_point now) {
    if (stamp != seen_) {
      seen_ = std::move(stamp);
      since_ = now;
    }
    if (!complete_ && (seen_ == taken_ || now - since_ < kRest)) return false;
    complete_ = false;
    taken_ = seen_;
    return true;
  }
  /// A change was seen that has to rest.
  bool waits() const { return seen_ != taken_; }
  /// Somebody says that the file is complete: the next look finds a change at once.
  void complete() { complete_ = true; }

 private:
  std::string taken_;
  std::string seen_;
  Clock::time_point since_;  // when `seen_` was seen first
  bool complete_ = false;
};

}  // namespace minato::app
