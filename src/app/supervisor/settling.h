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
    if (seen_ == taken_ || now - since_ < kRest) return false;
    taken_ = seen_;
    return true;
  }

  /// The next look is to find a change.
  void forget() { taken_.clear(); }

 private:
  std::string taken_;
  std::string seen_;
  Clock::time_point since_;  // when `seen_` was seen first
};

}  // namespace minato::app
