// A fixed number of threads that take work in the order of arrival. It is the gate's admission:
// what is not running waits, and since a session has at most one piece of work here, the order of
// arrival is fair.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace minato::gate {

class Pool {
 public:
  Pool(const std::string& name, std::size_t threads);
  ~Pool() { stop(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// `work` must not throw. After stop() it is dropped.
  void post(std::function<void()> work);
  /// Waits for what is running; what waits is dropped.
  void stop();
  std::size_t waiting() const;

 private:
  void loop();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace minato::gate
