#include "gate/server.h"

#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "base/failpoint.h"
#include "base/log.h"
#include "gate/hub.h"
#include "gate/memory.h"
#include "gate/session.h"

namespace minato::gate {
namespace {

using asio::ip::tcp;

constexpr std::chrono::milliseconds kTickBusy(50);
constexpr std::chrono::milliseconds kTickIdle(200);
constexpr std::chrono::seconds kShutdownLimit(5);
constexpr std::chrono::seconds kPatience(1);     // with a cancelled statement, before the next one
constexpr std::chrono::seconds kShortLimit(30);  // without memory the gate is of no use to anybody
constexpr std::uint64_t kSpaceKept = 256UL << 20;  // of address space, for small allocations
constexpr std::size_t kLoginsMax = 100;            // connections that are not logged in yet

/// A listening socket without an event loop of its own yet: the loop is made when privileges are
/// gone.
Result<int> bind_socket(const GateOptions& options, std::uint16_t& port) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.listen, error);
  if (error) {
    return fail(Code::invalid, "gate.listen is not an IP address: \"" + options.listen +
                                   "\". Use 127.0.0.1 for this machine only, 0.0.0.0 for all.");
  }
  asio::io_context loop;
  tcp::acceptor acceptor(loop);
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return fail(Code::unavailable,
                "The gate cannot listen on " + options.listen + ":" + std::to_string(options.port) +
                    ": " + error.message() +
                    ". End what uses the port, or choose another one: [gate] port in minato.toml.");
  }
  port = acceptor.local_endpoint().port();
  return acceptor.release();
}

Result<std::optional<asio::ssl::context>> tls_context(const GateOptions& options) {
  if (options.certificate_file.empty() && options.key_file.empty()) return std::nullopt;
  std::optional<asio::ssl::context> context(asio::ssl::context::tls_server);
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                       asio::ssl::context::no_tlsv1_1);
  boost::system::error_code error;
  context->use_certificate_chain_file(options.certificate_file, error);
  if (error) {
    return fail(Code::invalid,
                "The gate's certificate cannot be read: " + options.certificate_file.string(),
                error.message());
  }
  context->use_private_key_file(options.key_file, asio::ssl::context::pem, error);
  if (error) {
    return fail(Code::invalid,
                "The gate's private key cannot be read: " + options.key_file.string(),
                error.message());
  }
  return context;
}

class AsioServer : public Server {
 public:
  AsioServer(const GateOptions& options, int socket, std::uint16_t port,
             std::optional<asio::ssl::context> tls)
      : options_(options), socket_(socket), port_(port), tls_(std::move(tls)) {}
  ~AsioServer() override {
    if (socket_ >= 0) ::close(socket_);
  }
  std::uint16_t port() const override { return port_; }
  Status serve(lake::Engine& engine, std::stop_token stop) override;

 private:
  asio::awaitable<void> accept();
  void drop_oldest_login();
  asio::awaitable<void> tick();
  void shut_down();
  void watch_memory(const std::vector<std::shared_ptr<Session>>& sessions,
                    Session::Clock::time_point now);

  const GateOptions& options_;
  int socket_;
  std::uint16_t port_;
  std::optional<asio::ssl::context> tls_;
  std::uint64_t memory_before_ = 0;  // at the last tick
  bool memory_short_ = false;
  Session::Clock::time_point short_since_, spared_at_;
  Hub* hub_ = nullptr;
  tcp::acceptor* acceptor_ = nullptr;
  Session::Clock::time_point stop_by_;
};

Status AsioServer::serve(lake::Engine& engine, std::stop_token stop) {
  exempt_thread_from_memory_guard();
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  Hub hub(options_, engine,
          options_.statements_at_once != 0 ? options_.statements_at_once : 2 * cores);
  hub.tls = std::move(tls_);
  const auto protocol = asio::ip::make_address(options_.listen).is_v6() ? tcp::v6() : tcp::v4();
  tcp::acceptor acceptor(hub.loop, protocol, std::exchange(socket_, -1));
  hub_ = &hub;
  acceptor_ = &acceptor;
  asio::co_spawn(hub.loop, accept(), asio::detached);
  asio::co_spawn(hub.loop, tick(), asio::detached);
  const std::stop_callback on_stop(stop, [&] { asio::post(hub.loop, [this] { shut_down(); }); });
  hub.loop.run();
  hub.pool.stop();
  hub.login_pool.stop();
  return {};
}

asio::awaitable<void> AsioServer::accept() {
  while (!hub_->stopping) {
    auto [error, socket] = co_await acceptor_->async_accept(asio::as_tuple(asio::use_awaitable));
    if (error) {
      if (hub_->stopping) co_return;
      // Out of file descriptors, most likely: wait until some are free.
      log::warn("gate.accept_failed", {{"error", error.message()}});
      asio::steady_timer pause(hub_->loop, kTickIdle);
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    if (hub_->sessions.size() - hub_->logged_in >= kLoginsMax) drop_oldest_login();
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    const std::uint32_t process = ++hub_->last_process;
    const auto session = std::make_shared<Session>(*hub_, std::move(socket), process);
    hub_->sessions[process] = session;
    asio::co_spawn(hub_->loop, session->run(), [session](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);  // memory is gone, or a bug: ends the role
    });
  }
}

/// Silent connections must not keep others out: the oldest that has not logged in gives way.
void AsioServer::drop_oldest_login() {
  for (const auto& [process, weak] : hub_->sessions) {
    const auto session = weak.lock();
    if (session && session->drop_login()) return;
  }
}

/// What memory grows by is put down to the statements that ran meanwhile. The one with most on its
/// account is cancelled when memory runs short, then, after a while, the next.
void AsioServer::watch_memory(const std::vector<std::shared_ptr<Session>>& sessions,
                              Session::Clock::time_point now) {
  std::vector<Session*> running;
  for (const auto& session : sessions) {
    if (session->working()) running.push_back(session.get());
  }
  const std::uint64_t used = memory_in_use();
  const std::uint64_t growth = used > memory_before_ ? used - memory_before_ : 0;
  memory_before_ = used;
  for (Session* session : running) session->put_down(growth / running.size());
  const bool narrow = memory_guarded() && !address_space_left(kSpaceKept);
  const bool was_short =
      std::exchange(memory_short_, narrow || used >> 20 > watch_limit_mb(options_));
  if (was_short && !memory_short_) {
    // The C library keeps what was freed in pieces.
    hub_->login_pool.post([] { ::malloc_trim(0); });
    log::info("gate.memory_again", {{"used_mb", used >> 20}, {"refusals", memory_refusals()}});
  }
  if (!was_short) short_since_ = now;
  const bool gone = !failpoint("gate.memory_gone");
  if (gone || (memory_short_ && now - short_since_ > kShortLimit)) {
    log::error("gate.memory_does_not_come_back", {{"used_mb", used >> 20}});
    ::_exit(exit_out_of_memory);
  }
  if (!memory_short_ || running.empty() || (was_short && now - spared_at_ < kPatience)) return;
  spared_at_ = now;
  Session* hungriest = *std::max_element(running.begin(), running.end(),
                                         [](auto* a, auto* b) { return a->taken() < b->taken(); });
  log::warn("gate.memory_short", {{"used_mb", used >> 20},
                                  {"address_space_short", narrow},
                                  {"running", running.size()},
                                  {"cancelled", hungriest->process()},
                                  {"account", hungriest->account()},
                                  {"taken_mb", hungriest->taken() >> 20}});
  hungriest->spare_memory(now);
}

asio::awaitable<void> AsioServer::tick() {
  asio::steady_timer timer(hub_->loop);
  bool busy = false;
  for (;;) {
    timer.expires_after(busy || hub_->stopping ? kTickBusy : kTickIdle);
    co_await timer.async_wait(asio::use_awaitable);
    const auto now = Session::Clock::now();
    busy = false;
    std::vector<std::shared_ptr<Session>> sessions;  // a tick may end one
    for (const auto& [process, weak] : hub_->sessions) {
      if (auto session = weak.lock()) sessions.push_back(std::move(session));
    }
    watch_memory(sessions, now);
    for (const auto& session : sessions) busy = session->tick(now) || busy;
    if (!hub_->stopping) continue;
    if (hub_->sessions.empty()) break;
    if (now > stop_by_) {
      log::warn("gate.shutdown_incomplete", {{"sessions", hub_->sessions.size()}});
      ::_exit(0);
    }
  }
  hub_->loop.stop();
}

void AsioServer::shut_down() {
  hub_->stopping = true;
  stop_by_ = Session::Clock::now() + kShutdownLimit;
  boost::system::error_code ignored;
  acceptor_->close(ignored);
  const auto sessions = hub_->sessions;
  for (const auto& [process, weak] : sessions) {
    if (const auto session = weak.lock()) session->shut_down();
  }
}

}  // namespace

Status check_certificate(const std::filesystem::path& certificate,
                         const std::filesystem::path& key) {
  GateOptions options;
  options.certificate_file = certificate;
  options.key_file = key;
  TRY_ASSIGN(auto tls, tls_context(options));
  const X509* own = ::SSL_CTX_get0_certificate(tls->native_handle());
  if (::X509_cmp_current_time(::X509_get0_notAfter(own)) < 0) {
    return fail(Code::invalid, "The gate's certificate has expired: " + certificate.string());
  }
  if (::X509_cmp_current_time(::X509_get0_notBefore(own)) > 0) {
    return fail(Code::invalid, "The gate's certificate is not valid yet: " + certificate.string());
  }
  return {};
}

Result<std::unique_ptr<Server>> Server::listen(const GateOptions& options) {
  std::uint16_t port = 0;
  TRY_ASSIGN(auto tls, tls_context(options));
  TRY_ASSIGN(const int socket, bind_socket(options, port));
  return std::make_unique<AsioServer>(options, socket, port, std::move(tls));
}

}  // namespace minato::gate
