// The login: encryption, start-up message, SCRAM-SHA-256, limits.
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "gate/session.h"

namespace minato::gate {
namespace {

using namespace wire::pgwire;
using namespace std::string_view_literals;

constexpr std::string_view kDatabase = "minato";
constexpr std::chrono::milliseconds kFailureDelay(300);  // slows the guessing of passwords
constexpr std::size_t kAdministratorReserve = 3;

/// Settings of the start-up message: known parameters, and "-c name=value" of `options`.
std::vector<std::pair<std::string, std::string>> settings_of(const Startup& startup) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (const auto& [name, value] : startup.parameters) {
    if (name == "user" || name == "database" || name == "replication" || name.starts_with("_pq_."))
      continue;
    if (name != "options") {
      settings.emplace_back(name, value);
      continue;
    }
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      std::string_view word = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (word.starts_with("-c")) word.remove_prefix(2);
      if (word.starts_with("--")) word.remove_prefix(2);
      const std::size_t equals = word.find('=');
      if (equals != std::string_view::npos) {
        settings.emplace_back(word.substr(0, equals), word.substr(equals + 1));
      }
    }
  }
  return settings;
}

std::string parameter(const Startup& startup, std::string_view wanted) {
  for (const auto& [name, value] : startup.parameters) {
    if (name == wanted) return std::string(value);
  }
  return {};
}

}  // namespace

asio::awaitable<bool> Session::encryption(bool tls_asked) {
  input_.erase(0, 8);
  const bool offered = tls_asked && hub_.tls && !transport_.tls();
  const std::string_view answer = offered ? "S" : "N";
  // Bytes sent before the handshake could be somebody else's, taken for the client's own.
  if (offered && !input_.empty()) co_return false;
  const bool written = co_await transport_.write(answer);
  if (!written || !offered) co_return written;
  const bool agreed = co_await transport_.start_tls(*hub_.tls);
  co_return agreed;
}

asio::awaitable<std::optional<Startup>> Session::start_up() {
  for (int packets = 0; packets < 4; ++packets) {
    const auto frame = co_await next_message(true);
    if (!frame) co_return std::nullopt;
    const auto message = parse_frontend(*frame);
    if (!message) {
      refuse("08P01", message.error().message);
      co_return std::nullopt;
    }
    if (const auto* request = std::get_if<CancelRequest>(&*message)) {
      const auto found = hub_.sessions.find(request->process);
      const auto session = found == hub_.sessions.end() ? nullptr : found->second.lock();
      if (session) session->cancel(request->secret);
      co_return std::nullopt;
    }
    if (const auto* startup = std::get_if<Startup>(&*message)) co_return *startup;
    const bool tls_asked = std::holds_alternative<SslRequest>(*message);
    const bool go_on = co_await encryption(tls_asked);
    if (!go_on) co_return std::nullopt;
  }
  co_return std::nullopt;
}

asio::awaitable<bool> Session::log_in() {
  const auto startup = co_await start_up();
  if (!startup) co_return false;
  if (startup->version >> 16 != 3) {
    refuse("0A000", "unsupported frontend protocol: this server speaks 3.0");
    co_return false;
  }
  NegotiateVersion negotiate;
  for (const auto& [name, value] : startup->parameters) {
    if (name.starts_with("_pq_.")) negotiate.unknown_options.push_back(name);
  }
  if (startup->version != protocol_3_0 || !negotiate.unknown_options.empty()) {
    encode(BackendMessage{std::move(negotiate)}, output_);
  }
  account_ = parameter(*startup, "user");
  const std::string account = account_;
  const std::string database = parameter(*startup, "database");
  const std::string replication = parameter(*startup, "replication");
  Conversation::Client client{
      {account, process_}, secret_, account == admin_account, settings_of(*startup)};
  // The message's bytes are not needed any more.
  input_.erase(0, next_frame(input_, true, startup_size_max).value()->size);
  if (hub_.options.require_tls && !transport_.tls()) {
    refuse("28000", "this server takes no connections without encryption",
           "Connect with TLS: sslmode=require or stricter.");
    co_return false;
  }
  if (account.empty()) {
    refuse("28000", "no user name specified in the startup packet");
    co_return false;
  }
  const bool genuine = co_await authenticate(account);
  if (!genuine) co_return false;
  if (database != kDatabase && !(database.empty() && account == kDatabase)) {
    refuse("3D000", "database \"" + (database.empty() ? account : database) + "\" does not exist",
           "The database's name is minato.");
    co_return false;
  }
  if (!replication.empty() && replication != "false" && replication != "off" &&
      replication != "0") {
    refuse("0A000", "replication connections are not supported");
    co_return false;
  }
  const bool opened = co_await open_conversation(std::move(client));
  co_return opened;
}

asio::awaitable<std::optional<access::Credentials>> Session::look_up(const std::string& account) {
  std::optional<Result<access::Credentials>> found;
  const std::function<void()> find = [&] { found = hub_.accounts.find(account); };
  co_await on_pool(hub_.login_pool, find);
  if (!found->has_value()) {
    log::warn("gate.accounts_unavailable", {{"error", found->error()}});
    refuse("57P03", "accounts cannot be read at the moment",
           "Try again in a few seconds; `minato status` says more.");
    co_return std::nullopt;
  }
  co_return std::move(found->value());
}

/// The body of the next message of type 'p'.
asio::awaitable<std::optional<std::string>> Session::sasl_message() {
  const auto frame = co_await next_message(false);
  if (!frame) co_return std::nullopt;
  const char type = frame->type;
  std::string body(frame->body);
  input_.erase(0, frame->size);
  if (type != 'p') {
    refuse("08P01", "expected a message of the SASL login");
    co_return std::nullopt;
  }
  co_return std::move(body);
}

asio::awaitable<bool> Session::authenticate(const std::string& account) {
  auto credentials = co_await look_up(account);
  if (!credentials) co_return false;
  encode(BackendMessage{Authentication{Authentication::sasl, "SCRAM-SHA-256\0\0"sv}}, output_);
  const bool offered = co_await flush();
  if (!offered) co_return false;
  const auto first = co_await sasl_message();
  if (!first) co_return false;
  const auto initial = parse_sasl_initial(*first);
  if (!initial || initial->mechanism != access::scram_mechanism || !initial->data) {
    refuse("08P01", "the login must use SCRAM-SHA-256");
    co_return false;
  }
  access::ScramServer server(std::move(credentials->verifier), credentials->genuine,
                             access::base64(access::random_bytes(18)));
  auto answer = server.first(*initial->data);
  if (answer) {
    encode(BackendMessage{Authentication{Authentication::sasl_continue, *answer}}, output_);
    const bool challenged = co_await flush();
    if (!challenged) co_return false;
    const auto last = co_await sasl_message();
    if (!last) co_return false;
    answer = server.last(*last);
  }
  if (!answer) {
    log::warn("gate.login_failed", {{"account", account}});
    asio::steady_timer delay(hub_.loop, kFailureDelay);
    co_await delay.async_wait(asio::use_awaitable);
    const bool wrong = answer.error().code == Code::unauthenticated;
    refuse(wrong ? "28P01" : "08P01",
           wrong ? "password authentication failed for user \"" + account + "\""
                 : answer.error().message);
    co_return false;
  }
  encode(BackendMessage{Authentication{Authentication::sasl_final, *answer}}, output_);
  co_return true;
}

asio::awaitable<bool> Session::open_conversation(Conversation::Client client) {
  const std::size_t limit =
      hub_.options.sessions_max + (client.administrator ? kAdministratorReserve : 0);
  if (hub_.logged_in >= limit) {
    refuse("53300", "sorry, too many clients already",
           "The gate serves " + std::to_string(hub_.options.sessions_max) + " sessions at once.");
    co_return false;
  }
  ++hub_.logged_in;
  counted_ = true;
  std::optional<Result<std::unique_ptr<Conversation>>> opened;
  const std::function<void()> open = [&] {
    opened = Conversation::open(hub_.engine, hub_.options, std::move(client), output_);
  };
  co_await on_pool(hub_.login_pool, open);
  if (!opened->has_value()) {
    append_error(output_, report_of(opened->error(), Origin::session), true);
    co_return false;
  }
  conversation_ = std::move(opened->value());
  // The login's deadline is over; the first step of the conversation sends what open() wrote.
  phase_ = Phase::writing;
  deadline_ = Clock::now() + hub_.options.login_timeout;
  const bool written = co_await flush();
  co_return written;
}

}  // namespace minato::gate
