#include "gate/pool.h"

#include <pthread.h>

#include "base/check.h"

namespace minato::gate {

Pool::Pool(const std::string& name, std::size_t threads) {
  CHECK(threads > 0 && name.size() < 12);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, name, i] {
      pthread_setname_np(pthread_self(), (name + "-" + std::to_string(i)).c_str());
      loop();
    });
  }
}

void Pool::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Pool::loop() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

void Pool::stop() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::size_t Pool::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace minato::gate
