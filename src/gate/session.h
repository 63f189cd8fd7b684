// One client's connection: login, then its conversation. Lives on the event loop; the engine's part
// on the pool. Coroutines take no temporaries as arguments, and await into variables of their own:
// GCC 12 destroys some temporaries twice and makes wrong code of some conditions.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "access/scram.h"
#include "gate/conversation.h"
#include "gate/hub.h"
#include "gate/transport.h"
#include "wire/pgwire.h"

namespace minato::gate {

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Clock = std::chrono::steady_clock;

  Session(Hub& hub, asio::ip::tcp::socket socket, std::uint32_t process);

  /// From the first packet to the end of the connection.
  asio::awaitable<void> run();

  /// Deadlines and insistent interrupts; called every few ten milliseconds. True while a statement
  /// runs.
  bool tick(Clock::time_point now);
  /// Ends the running statement, if there is one, so that the process lives on.
  void spare_memory(Clock::time_point now);
  /// Whether a statement runs; what it is thought to have taken, in bytes.
  bool working() const { return phase_ == Phase::working; }
  void put_down(std::uint64_t bytes) { taken_ += bytes; }
  std::uint64_t taken() const { return taken_; }
  std::uint32_t process() const { return process_; }
  const std::string& account() const { return account_; }
  /// Ends the running statement, when `secret` fits.
  void cancel(std::string_view secret);
  /// Closes the connection if it has not logged in yet; false: it has.
  bool drop_login();
  /// Ends the session with a last word to the client.
  void shut_down();

 private:
  enum class Phase { login, reading, working, writing };

  asio::awaitable<bool> log_in();
  asio::awaitable<std::optional<wire::pgwire::Startup>> start_up();
  asio::awaitable<bool> encryption(bool tls_asked);
  asio::awaitable<bool> authenticate(const std::string& account);
  asio::awaitable<std::optional<access::Credentials>> look_up(const std::string& account);
  asio::awaitable<std::optional<std::string>> sasl_message();
  asio::awaitable<bool> open_conversation(Conversation::Client client);
  asio::awaitable<void> converse();
  asio::awaitable<bool> read_more();
  asio::awaitable<bool> flush();
  /// Last words to the client: run() sends them and ends the connection.
  void refuse(std::string sqlstate, std::string message, std::string hint = {});
  /// A whole message in the input, kept until used_ is added; nothing at the end of the connection.
  asio::awaitable<std::optional<wire::pgwire::Frame>> next_message(bool startup);
  asio::awaitable<Step> advance();
  asio::awaitable<void> on_pool(Pool& pool, const std::function<void()>& work);
  void interrupt(Interruption reason, Clock::time_point now);
  std::chrono::milliseconds idle_limit() const;

  Hub& hub_;
  Transport transport_;
  std::uint32_t process_;
  std::string secret_;
  std::string account_;
  std::string input_;
  std::string output_;
  std::unique_ptr<Conversation> conversation_;
  bool counted_ = false;  // in hub_.logged_in

  Phase phase_ = Phase::login;
  Clock::time_point deadline_;  // of the phase
  std::optional<Clock::time_point> statement_deadline_;
  std::uint64_t taken_ = 0;  // memory, by the running statement
  bool statement_ = false;   // between the first step and ReadyForQuery
  Interruption wanted_ = Interruption::none;
  Clock::time_point wanted_since_;
  bool dropped_ = false;
  bool ending_ = false;  // shut_down() or idle too long
  std::string last_state_, last_words_;
};

}  // namespace minato::gate
