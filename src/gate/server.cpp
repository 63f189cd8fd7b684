#include "gate/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <thread>

#include "base/log.h"
#include "gate/hub.h"
#include "gate/session.h"

namespace minato::gate {
namespace {

using asio::ip::tcp;

constexpr std::chrono::milliseconds kTickBusy(50);
constexpr std::chrono::milliseconds kTickIdle(200);
constexpr std::chrono::seconds kShutdownLimit(5);
// What the process may hold beside the engine's memory limit before running statements are
// cancelled. Some of what the engine allocates does not count to its limit, and at RLIMIT_AS not
// every thread of it survives.
constexpr std::uint64_t kResidentMb = 768;
constexpr std::size_t kLoginsMax = 100;  // connections that are not logged in yet

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
    if (statm_ >= 0) ::close(statm_);
  }
  std::uint16_t port() const override { return port_; }
  Status serve(lake::Engine& engine, std::stop_token stop) override;

 private:
  asio::awaitable<void> accept();
  asio::awaitable<void> tick();
  void shut_down();
  std::uint64_t resident_mb() const;

  const GateOptions& options_;
  int socket_;
  std::uint16_t port_;
  std::optional<asio::ssl::context> tls_;
  int statm_ = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);  // out of reach in the sandbox
  Hub* hub_ = nullptr;
  tcp::acceptor* acceptor_ = nullptr;
  Session::Clock::time_point stop_by_;
};

Status AsioServer::serve(lake::Engine& engine, std::stop_token stop) {
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
    if (hub_->sessions.size() - hub_->logged_in >= kLoginsMax) continue;  // closes it
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

std::uint64_t AsioServer::resident_mb() const {
  char text[128] = {};
  if (::pread(statm_, text, sizeof text - 1, 0) <= 0) return 0;
  unsigned long long size = 0;
  unsigned long long resident = 0;
  if (std::sscanf(text, "%llu %llu", &size, &resident) != 2) return 0;
  return (resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))) >> 20;
}

asio::awaitable<void> AsioServer::tick() {
  asio::steady_timer timer(hub_->loop);
  bool busy = false;
  bool short_of_memory = false;
  for (;;) {
    timer.expires_after(busy || hub_->stopping ? kTickBusy : kTickIdle);
    co_await timer.async_wait(asio::use_awaitable);
    const auto now = Session::Clock::now();
    const bool full = busy && resident_mb() > options_.memory_limit_mb + kResidentMb;
    if (full && !short_of_memory) log::warn("gate.memory_short", {{"resident_mb", resident_mb()}});
    short_of_memory = full;
    busy = false;
    const auto sessions = hub_->sessions;  // a tick may end one
    for (const auto& [process, weak] : sessions) {
      const auto session = weak.lock();
      if (!session) continue;
      if (full) session->spare_memory(now);
      busy = session->tick(now) || busy;
    }
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

Result<std::unique_ptr<Server>> Server::listen(const GateOptions& options) {
  std::uint16_t port = 0;
  TRY_ASSIGN(auto tls, tls_context(options));
  TRY_ASSIGN(const int socket, bind_socket(options, port));
  return std::make_unique<AsioServer>(options, socket, port, std::move(tls));
}

}  // namespace minato::gate
