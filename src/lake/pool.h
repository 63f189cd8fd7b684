// Inside src/lake only: objects lent to one thread at a time and kept for the next one.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/result.h"

namespace minato::lake {

template <class T>
class Pool {
 public:
  using Make = std::function<Result<T>()>;
  using Usable = std::function<bool(T&)>;

  class Lent {
   public:
    Lent(Pool* pool, std::unique_ptr<T> item) : pool_(pool), item_(std::move(item)) {}
    Lent(Lent&&) noexcept = default;
    Lent& operator=(Lent&&) noexcept = default;
    ~Lent() {
      if (item_) pool_->give_back(std::move(item_));
    }
    T& operator*() { return *item_; }
    T* operator->() { return item_.get(); }

   private:
    Pool* pool_;
    std::unique_ptr<T> item_;
  };

  explicit Pool(Make make, Usable usable = {})
      : make_(std::move(make)), usable_(std::move(usable)) {}

  Result<Lent> take() {
    {
      const std::lock_guard lock(mutex_);
      while (!idle_.empty()) {
        std::unique_ptr<T> item = std::move(idle_.back());
        idle_.pop_back();
        if (!usable_ || usable_(*item)) return Lent(this, std::move(item));
      }
    }
    TRY_ASSIGN(T made, make_());
    return Lent(this, std::make_unique<T>(std::move(made)));
  }

 private:
  void give_back(std::unique_ptr<T> item) {
    if (usable_ && !usable_(*item)) return;
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(item));
  }

  Make make_;
  Usable usable_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace minato::lake
