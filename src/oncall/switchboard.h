// Runs the desk: one thread owns it and its journal, takes commands in groups, commits each group
// once, and then answers and calls. Every call has a thread of its own that speaks with its
// carrier.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "oncall/desk.h"

namespace minato::oncall {

class Switchboard {
 public:
  struct Options {
    std::filesystem::path journal;
    std::map<std::string, std::shared_ptr<Carrier>> carriers;
    std::vector<std::string> order;  // of preference; names of `carriers`
  };
  using Work = std::function<Status(Desk&)>;

  explicit Switchboard(Options options);
  ~Switchboard();

  /// Opens the journal and goes on where it stopped. Errors as Journal::open().
  Status start(Teams teams, const std::string& default_team, const Speech& speech);
  /// Calls go on at their carriers; the next start takes them up again.
  void stop();

  /// Runs `work` on the desk and returns when the journal has it. The error is `work`'s own, or
  /// `unavailable`, `exhausted` when the journal cannot be written, or `deadline` when its turn did
  /// not come within 20 s; nothing was done then.
  Status run(Work work);

  /// The same, but Error{deadline} comes after `patience`, and the work is done later, also when
  /// the journal fails meanwhile: it must own what it uses, and may be begun more than once.
  Status run_within(std::chrono::milliseconds patience, Work work);

  /// The last thing that went wrong with the journal, empty when all is well.
  std::string trouble() const;

 private:
  class CallLine;
  enum class Turn : std::uint8_t { waiting, begun, abandoned };
  struct Order {
    Work work;
    std::promise<Status> done;
    std::shared_ptr<std::atomic<Turn>> turn;  // null: it is done in any case
    int refused = 0;                          // by the journal, because of this work
  };
  Result<std::future<Status>> enqueue(Work work, std::shared_ptr<std::atomic<Turn>> turn);

  void serve(std::stop_token stop);
  Status work_off(std::deque<Order>& orders);
  bool keep_for_later(std::deque<Order>& orders);
  void sweep();
  void dispatch(std::vector<Ask> asks);
  void post(Work work);

  Options options_;
  std::optional<Journal> journal_;
  std::optional<Desk> desk_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Order> orders_;
  std::string trouble_;
  std::map<std::string, std::unique_ptr<CallLine>> lines_;  // by attempt; desk's thread only
  std::jthread thread_;
};

}  // namespace minato::oncall
