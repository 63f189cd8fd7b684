#include "marts/watchdog.h"

#include <cstdlib>

#include "base/log.h"

namespace minato::marts {

using Clock = std::chrono::steady_clock;

Watchdog::Watchdog(lake::Session& session, std::chrono::milliseconds timeout,
                   std::chrono::milliseconds grace, std::stop_token stop)
    : session_(session),
      timeout_(timeout),
      grace_(grace),
      stop_(std::move(stop)),
      thread_([this](const std::stop_token& done) { watch(done); }) {}

Watchdog::~Watchdog() {
  thread_.request_stop();
  thread_.join();
}

Watchdog::Verdict Watchdog::verdict() {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

void Watchdog::watch(const std::stop_token& done) {
  const std::stop_callback on_stop(stop_, [this] {
    { const std::lock_guard lock(mutex_); }  // not between its look at `stop_` and its wait
    wake_.notify_all();
  });
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, done, timeout_, [this] { return stop_.stop_requested(); });
  if (done.stop_requested()) return;
  verdict_ = stop_.stop_requested() ? Verdict::stopped : Verdict::timeout;
  const auto end = Clock::now() + grace_;
  // An interrupt between two statements is forgotten by the engine: say it again.
  while (!done.stop_requested()) {
    session_.interrupt();
    wake_.wait_for(lock, done, std::chrono::milliseconds(50), [] { return false; });
    if (Clock::now() < end || done.stop_requested()) continue;
    log::error("marts.interrupt_ignored", {{"stopping", verdict_ == Verdict::stopped}});
    std::_Exit(EXIT_FAILURE);
  }
}

}  // namespace minato::marts
