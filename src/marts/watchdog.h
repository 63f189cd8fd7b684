// Interrupts a statement when its time is over or the process is to stop. A statement that does not
// obey ends the process: its job is then run again elsewhere, and counted (see requeue_lost).
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "lake/engine.h"

namespace minato::marts {

class Watchdog {
 public:
  /// `session` must outlive this.
  Watchdog(lake::Session& session, std::chrono::milliseconds timeout,
           std::chrono::milliseconds grace, std::stop_token stop);
  ~Watchdog();
  enum class Verdict { fine, timeout, stopped };
  /// Why the statement was interrupted, if it was.
  Verdict verdict();

 private:
  void watch(const std::stop_token& done);

  lake::Session& session_;
  std::chrono::milliseconds timeout_;
  std::chrono::milliseconds grace_;
  std::stop_token stop_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  Verdict verdict_ = Verdict::fine;
  std::jthread thread_;
};

}  // namespace minato::marts
