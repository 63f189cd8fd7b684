#include "oncall/switchboard.h"

#include "base/failpoint.h"
#include "base/log.h"

namespace minato::oncall {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

constexpr int kPlaceTries = 3;
constexpr int kEndTries = 5;
constexpr int kWorkTries = 3;
constexpr seconds kLookingInVain{30};  // a carrier that cannot be asked so long has lost the call
constexpr std::size_t kOrdersMax = 20'000;
constexpr seconds kPatience{20};
constexpr milliseconds kJournalPause{200};  // after an error of the journal

}  // namespace

/// One call: places it or takes it up again, looks at it, ends it. Its thread ends with the call.
class Switchboard::CallLine {
 public:
  CallLine(Switchboard& board, std::shared_ptr<Carrier> carrier, Ask ask)
      : board_(board),
        carrier_(std::move(carrier)),
        ask_(std::move(ask)),
        thread_([this](std::stop_token stop) {
          run(stop);
          over_ = true;
        }) {}

  /// The call is to end, at the latest after `grace`.
  void end(milliseconds grace) {
    const std::lock_guard lock(mutex_);
    const auto at = SteadyClock::now() + grace;
    if (!end_at_ || at < *end_at_) end_at_ = at;
    changed_.notify_all();
  }
  bool over() const { return over_; }

 private:
  void run(std::stop_token stop) {
    std::string call = ask_.call_id;
    if (ask_.kind != Ask::Kind::resume && call.empty()) {
      auto placed = place(stop);
      if (!placed) {
        board_.post([id = ask_.call.attempt, error = placed.error()](Desk& desk) {
          return desk.not_placed(id, error);
        });
        return;
      }
      call = *placed;
      (void)failpoint("oncall.placed");
      board_.post([id = ask_.call.attempt, call](Desk& desk) { return desk.placed(id, call); });
    }
    follow(call, stop);
  }

  Result<std::string> place(std::stop_token stop) {
    bool again = ask_.again;
    for (int tried = 1;; ++tried) {
      auto placed = carrier_->place(ask_.call, again);
      if (placed || placed.error().code != Code::in_doubt || tried == kPlaceTries) return placed;
      again = true;
      wait(seconds(1), stop);
      if (stop.stop_requested()) return placed;
    }
  }

  void follow(const std::string& call, std::stop_token stop) {
    CallReport last;
    auto heard = SteadyClock::now();
    while (!stop.stop_requested()) {
      if (ending()) return end_now(call, stop);
      auto report = carrier_->look(call);
      if (report) {
        heard = SteadyClock::now();
        if (report->state != last.state || report->keys != last.keys) tell(*report);
        last = *report;
        if (report->state == CallState::ended) return;
      } else if (SteadyClock::now() - heard > kLookingInVain) {
        log::warn("oncall.lost_call", {{"carrier", ask_.carrier}, {"error", report.error()}});
        CallReport lost;
        lost.state = CallState::ended;
        lost.keys = last.keys;
        lost.outcome = Outcome::carrier_failed;
        lost.detail = describe(report.error());
        return tell(lost);
      }
      wait(carrier_->patience(), stop);
    }
  }

  void tell(const CallReport& report) {
    board_.post([id = ask_.call.attempt, report](Desk& desk) { return desk.reported(id, report); });
  }

  void end_now(const std::string& call, std::stop_token stop) {
    for (int tried = 0; tried < kEndTries && !stop.stop_requested(); ++tried) {
      const Status ended = carrier_->end(call);
      if (ended) return;
      log::warn("oncall.not_ended", {{"carrier", ask_.carrier}, {"error", ended.error()}});
      pause(milliseconds(500) * (tried + 1), stop);
    }
  }

  bool ending() {
    const std::lock_guard lock(mutex_);
    return end_at_ && SteadyClock::now() >= *end_at_;
  }

  void wait(milliseconds time, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    const auto until = SteadyClock::now() + time;
    while (!stop.stop_requested()) {
      const auto at = end_at_ ? std::min(*end_at_, until) : until;
      if (SteadyClock::now() >= at) return;
      changed_.wait_until(lock, stop, at, [this, before = end_at_] { return end_at_ != before; });
    }
  }

  /// As wait(), but the call's own end does not shorten it.
  void pause(milliseconds time, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, time, [] { return false; });
  }

  Switchboard& board_;
  std::shared_ptr<Carrier> carrier_;
  Ask ask_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<SteadyClock::time_point> end_at_;
  std::atomic<bool> over_ = false;
  std::jthread thread_;  // last: it uses all others
};

Switchboard::Switchboard(Options options) : options_(std::move(options)) {}
Switchboard::~Switchboard() { stop(); }

Status Switchboard::start(Teams teams, const std::string& default_team, const Speech& speech) {
  TRY_ASSIGN(journal_, Journal::open(options_.journal));
  DeskClock clock;
  clock.now = [] {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  };
  clock.steady = [] { return SteadyClock::now(); };
  desk_.emplace(*journal_, options_.order, std::move(clock));
  TRY(journal_->begin());
  TRY(desk_->configure(std::move(teams), default_team, speech));
  TRY(desk_->load());
  TRY(journal_->commit());
  thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
  return {};
}

void Switchboard::stop() {
  thread_ = {};
  lines_.clear();
  const std::lock_guard lock(mutex_);
  for (Order& order : orders_) {
    order.done.set_value(fail(Code::unavailable, "On-call is ending; try again."));
  }
  orders_.clear();
}

Result<std::future<Status>> Switchboard::enqueue(Work work,
                                                 std::shared_ptr<std::atomic<Turn>> turn) {
  std::future<Status> done;
  {
    const std::lock_guard lock(mutex_);
    if (orders_.size() >= kOrdersMax) {
      return fail(Code::unavailable, "On-call has more to do than it can take; try again.");
    }
    orders_.push_back({std::move(work), {}, std::move(turn)});
    done = orders_.back().done.get_future();
  }
  changed_.notify_all();
  return done;
}

Status Switchboard::run(Work work) {
  const auto turn = std::make_shared<std::atomic<Turn>>(Turn::waiting);
  TRY_ASSIGN(std::future<Status> done, enqueue(std::move(work), turn));
  if (done.wait_for(kPatience) != std::future_status::ready) {
    Turn waiting = Turn::waiting;
    if (turn->compare_exchange_strong(waiting, Turn::abandoned)) {
      return fail(Code::deadline, "On-call is too busy; try again.");
    }
  }
  return done.get();
}

Status Switchboard::run_within(milliseconds patience, Work work) {
  TRY_ASSIGN(std::future<Status> done, enqueue(std::move(work), nullptr));
  if (done.wait_for(patience) != std::future_status::ready) {
    return fail(Code::deadline, "On-call is busy; it will be done.");
  }
  return done.get();
}

/// Of calls: never refused.
void Switchboard::post(Work work) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back({std::move(work), {}, nullptr});
  }
  changed_.notify_all();
}

std::string Switchboard::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void Switchboard::serve(std::stop_token stop) {
  for (bool first = true; !stop.stop_requested(); first = false) {
    std::deque<Order> orders;
    {
      std::unique_lock lock(mutex_);
      if (!first) {  // what load() wants is asked at once
        changed_.wait_until(lock, stop, desk_->next_due(), [this] { return !orders_.empty(); });
      }
      orders.swap(orders_);
    }
    if (stop.stop_requested() && orders.empty()) return;
    const Status done = work_off(orders);
    {
      const std::lock_guard lock(mutex_);
      trouble_ = done ? "" : describe(done.error());
    }
    if (done) {
      sweep();
      dispatch(desk_->take_asks());
      continue;
    }
    log::error("oncall.journal", {{"error", done.error()}});
    // The journal is the truth. What a caller was told to have failed is forgotten; what calls told
    // (a key that was pressed) is told again.
    journal_->rollback();
    // A call whose last word waits here is not asked about again.
    if (!keep_for_later(orders)) sweep();
    if (Status loaded = desk_->load(); loaded) dispatch(desk_->take_asks());
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, kJournalPause, [] { return false; });
  }
}

/// True when there are some.
bool Switchboard::keep_for_later(std::deque<Order>& orders) {
  std::erase_if(orders, [](const Order& order) {
    return order.turn != nullptr || order.refused >= kWorkTries;
  });
  const std::lock_guard lock(mutex_);
  orders_.insert(orders_.begin(), std::make_move_iterator(orders.begin()),
                 std::make_move_iterator(orders.end()));
  return !orders.empty();
}

/// One transaction for all. Orders that are refused have changed nothing; the journal's own errors
/// undo all of them: those that are done in any case are then not answered.
Status Switchboard::work_off(std::deque<Order>& orders) {
  std::vector<Status> results;
  Status journal = journal_->begin();
  for (Order& order : orders) {
    if (!journal) break;
    Turn waiting = Turn::waiting;
    if (order.turn && !order.turn->compare_exchange_strong(waiting, Turn::begun)) {
      results.push_back(fail(Code::deadline, ""));  // nobody waits for it any more
      continue;
    }
    Status done = order.work(*desk_);
    if (!done && (done.error().code == Code::exhausted || done.error().code == Code::internal ||
                  done.error().code == Code::unavailable)) {
      journal = done;
      order.refused += 1;
    }
    results.push_back(std::move(done));
  }
  if (journal) journal = desk_->advance();
  if (journal) journal = failpoint("oncall.before_commit");
  if (journal) journal = journal_->commit();
  (void)failpoint("oncall.committed");
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const bool later = !journal && !orders[i].turn && orders[i].refused < kWorkTries;
    if (!later) orders[i].done.set_value(journal ? results[i] : journal);
  }
  return journal;
}

void Switchboard::sweep() {
  std::erase_if(lines_, [](const auto& line) { return line.second->over(); });
}

void Switchboard::dispatch(std::vector<Ask> asks) {
  for (Ask& ask : asks) {
    const std::string attempt = ask.call.attempt;
    const auto line = lines_.find(attempt);
    if (ask.kind == Ask::Kind::end && line != lines_.end()) {
      line->second->end(ask.grace);
      continue;
    }
    if (line != lines_.end()) continue;  // asked again after a journal that failed
    if (ask.kind == Ask::Kind::end && ask.call_id.empty()) continue;
    const auto carrier = options_.carriers.find(ask.carrier);
    if (carrier == options_.carriers.end()) {
      if (ask.kind == Ask::Kind::end) continue;
      post([attempt](Desk& desk) {
        return desk.not_placed(attempt,
                               Error{Code::unavailable, "This carrier is not configured.", ""});
      });
      continue;
    }
    const auto grace = ask.grace;
    const bool end = ask.kind == Ask::Kind::end;
    if (end) ask.kind = Ask::Kind::resume;
    auto made = std::make_unique<CallLine>(*this, carrier->second, std::move(ask));
    if (end) made->end(grace);
    lines_.emplace(attempt, std::move(made));
  }
}

}  // namespace minato::oncall
