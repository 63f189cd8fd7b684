#include "oncall/carriers/token_bucket.h"

#include <algorithm>

#include "base/check.h"

namespace minato::oncall {

TokenBucket::TokenBucket(double per_second, int burst)
    : interval_(static_cast<std::int64_t>(1e9 / per_second)), burst_(interval_ * burst) {
  CHECK(per_second > 0 && burst >= 1);
}

std::optional<std::chrono::milliseconds> TokenBucket::reserve(Time now,
                                                              std::chrono::milliseconds patience) {
  const std::lock_guard lock(mutex_);
  const Time full_at = std::max(full_at_, now) + interval_;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(full_at - burst_ - now);
  if (wait > patience) return std::nullopt;
  full_at_ = full_at;
  return std::max(wait, std::chrono::milliseconds(0));
}

void TokenBucket::drain(Time now) {
  const std::lock_guard lock(mutex_);
  full_at_ = std::max(full_at_, now + burst_);
}

}  // namespace minato::oncall
