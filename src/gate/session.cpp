#include "gate/session.h"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/log.h"

namespace minato::gate {
namespace {

constexpr std::size_t kReadStep = 64UL << 10;
constexpr std::chrono::minutes kWriteLimit(5);  // for one piece of output
// An engine that does not obey an interrupt for so long is given up.
constexpr std::chrono::seconds kInterruptLimit(60);
constexpr auto kForever = Session::Clock::time_point::max();

}  // namespace

Session::Session(Hub& hub, asio::ip::tcp::socket socket, std::uint32_t process)
    : hub_(hub),
      transport_(std::move(socket)),
      process_(process),
      secret_(access::random_bytes(4)),
      deadline_(Clock::now() + hub.options.login_timeout) {}

asio::awaitable<void> Session::run() {
  const auto self = shared_from_this();
  const bool logged_in = co_await log_in();
  if (logged_in) co_await converse();
  phase_ = Phase::writing;
  deadline_ = Clock::now() + kWriteLimit;
  co_await flush();  // last words
  transport_.close();
  // The engine's session rolls back when it closes: not on this thread.
  const std::function<void()> end = [this] { conversation_.reset(); };
  if (conversation_) co_await on_pool(hub_.pool, end);
  if (counted_) --hub_.logged_in;
  hub_.sessions.erase(process_);
}

asio::awaitable<void> Session::on_pool(Pool& pool, const std::function<void()>& work) {
  const auto executor = co_await asio::this_coro::executor;
  const auto initiate = [&pool, &work, executor](auto handler) {
    const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    pool.post([&work, shared, executor] {
      work();
      asio::post(executor, [shared]() mutable { std::move (*shared)(); });
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(initiate,
                                                                       asio::use_awaitable);
}

asio::awaitable<bool> Session::read_more() {
  const std::size_t size = input_.size();
  input_.resize(size + kReadStep);
  const std::size_t count = co_await transport_.read(input_.data() + size, kReadStep);
  input_.resize(size + count);
  co_return count > 0;
}

asio::awaitable<bool> Session::flush() {
  if (output_.empty()) co_return true;
  const bool written = co_await transport_.write(output_);
  output_.clear();
  if (output_.capacity() > (1UL << 20)) output_.shrink_to_fit();
  co_return written;
}

void Session::refuse(std::string sqlstate, std::string message, std::string hint) {
  append_error(output_, Report{std::move(sqlstate), std::move(message), {}, std::move(hint)}, true);
}

asio::awaitable<std::optional<wire::pgwire::Frame>> Session::next_message(bool startup) {
  for (;;) {
    const auto frame = wire::pgwire::next_frame(input_, startup, wire::pgwire::startup_size_max);
    if (!frame) {
      refuse("08P01", frame.error().message);
      co_return std::nullopt;
    }
    if (*frame) co_return **frame;
    const bool more = co_await read_more();
    if (!more) co_return std::nullopt;
  }
}

asio::awaitable<void> Session::converse() {
  for (;;) {
    const Step step = co_await advance();
    if (step == Step::close) co_return;
    if (!output_.empty()) {
      phase_ = Phase::writing;
      deadline_ = Clock::now() + kWriteLimit;
      const bool written = co_await flush();
      if (!written) co_return;
    }
    if (step != Step::read) continue;
    statement_ = false;
    statement_deadline_.reset();
    wanted_ = Interruption::none;
    phase_ = Phase::reading;
    const auto limit = idle_limit();
    deadline_ = limit.count() == 0 ? kForever : Clock::now() + limit;
    bool more = false;
    if (!ending_) more = co_await read_more();
    if (ending_) {
      refuse(last_state_, last_words_);
      co_return;
    }
    if (!more) co_return;
  }
}

std::chrono::milliseconds Session::idle_limit() const {
  return conversation_->in_block() ? hub_.options.idle_in_transaction_timeout
                                   : hub_.options.idle_timeout;
}

asio::awaitable<Step> Session::advance() {
  std::string_view input = input_;
  Step step = conversation_->advance(input, output_, false);
  if (step == Step::engine) {
    if (!statement_) {
      statement_ = true;
      taken_ = 0;
      const auto limit = conversation_->statement_timeout();
      if (limit.count() > 0) statement_deadline_ = Clock::now() + limit;
    }
    phase_ = Phase::working;
    const std::function<void()> work = [&] { step = conversation_->advance(input, output_, true); };
    co_await on_pool(hub_.pool, work);
    phase_ = Phase::writing;
    deadline_ = kForever;
  }
  input_.erase(0, input_.size() - input.size());
  co_return step;
}

void Session::interrupt(Interruption reason, Clock::time_point now) {
  if (wanted_ == Interruption::none) {
    wanted_ = reason;
    wanted_since_ = now;
  }
  conversation_->interrupt(wanted_);
}

bool Session::tick(Clock::time_point now) {
  if (phase_ == Phase::working) {
    const bool late = statement_deadline_ && now > *statement_deadline_;
    if (late) interrupt(Interruption::timeout, now);
    // An interrupt between two steps of the engine is lost: repeat until it is heard.
    if (wanted_ != Interruption::none) {
      interrupt(wanted_, now);
    } else if (transport_.hung_up()) {
      interrupt(Interruption::client, now);
    }
    if (wanted_ != Interruption::none && now - wanted_since_ > kInterruptLimit) {
      log::error("gate.statement_does_not_end", {{"process", process_}, {"account", account_}});
      // The supervisor starts the gate again; clients reconnect.
      ::_exit(exit_not_obeyed);
    }
    return true;
  }
  if (now < deadline_) return false;
  if (phase_ == Phase::reading) {
    ending_ = true;
    const bool block = conversation_->in_block();
    last_state_ = block ? "25P03" : "57P05";
    last_words_ = block ? "terminating connection due to idle-in-transaction timeout"
                        : "terminating connection due to idle-session timeout";
    deadline_ = kForever;
    transport_.cancel();
  } else {
    deadline_ = kForever;
    transport_.close();
  }
  return false;
}

void Session::spare_memory(Clock::time_point now) {
  if (phase_ == Phase::working) interrupt(Interruption::memory, now);
}

void Session::cancel(std::string_view secret) {
  if (!access::equal_secrets(secret, secret_) || !conversation_ || !statement_) return;
  interrupt(Interruption::client, Clock::now());
}

bool Session::drop_login() {
  if (phase_ != Phase::login || dropped_) return false;
  dropped_ = true;
  transport_.close();
  return true;
}

void Session::shut_down() {
  ending_ = true;
  last_state_ = "57P01";
  last_words_ = "terminating connection due to administrator command";
  if (phase_ == Phase::working) {
    interrupt(Interruption::shutdown, Clock::now());
  } else if (phase_ == Phase::reading) {
    transport_.cancel();
  } else {
    transport_.close();
  }
}

}  // namespace minato::gate
