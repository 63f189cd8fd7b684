#include "runtime/http_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/check.h"
#include "base/text.h"

namespace minato::runtime {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr auto kGrace = std::chrono::milliseconds(500);  // for what came before the stop
constexpr std::uint32_t kHeaderMax = 16 * 1024;
constexpr int kUrgentThreads = 12;

class Connection;

/// What a server's connections have in common.
struct Shared {
  const HttpServerOptions& options;
  const HttpHandler& handler;
  std::atomic<bool> stopping = false;
  asio::thread_pool* pool = nullptr;  // for all that is not urgent; null: there is no such
  std::mutex mutex;
  std::condition_variable_any changed;  // either of these, which are under `mutex`:
  std::set<Connection*> connections;
  bool accepting = true;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Shared& shared) : stream_(std::move(socket)), shared_(shared) {}
  ~Connection() {
    const std::lock_guard lock(shared_.mutex);
    shared_.connections.erase(this);
    shared_.changed.notify_all();
  }

  void start() {
    {
      const std::lock_guard lock(shared_.mutex);
      shared_.connections.insert(this);  // not before it is held: stop() takes hold of it too
    }
    read();
  }

  /// Closes a connection that waits for its next request. One that has brought none yet is about
  /// to, and one in the middle of a request ends after the answer.
  void stop() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      error_code error;
      const bool waits = self->answered_ && !self->parser_->got_some() &&
                         self->buffer_.size() == 0 && self->stream_.socket().available(error) == 0;
      if (waits) self->stream_.cancel();
    });
  }

 private:
  void read() {
    parser_.emplace();
    parser_->header_limit(kHeaderMax);
    parser_->body_limit(shared_.options.body_max);
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (error == http::error::body_limit) return self->too_large();
                       if (!error) self->respond();
                     });
  }

  void respond() {
    auto& request = parser_->get();
    HttpCall call;
    call.method = std::string(request.method_string());
    call.target = std::string(request.target());
    for (const auto& field : request) {
      call.headers[lower(field.name_string())] = std::string(field.value());
    }
    call.body = std::move(request.body());
    if (!shared_.pool || call.target.starts_with(shared_.options.urgent))
      return finish(shared_.handler(call));
    asio::post(*shared_.pool, [self = shared_from_this(), call = std::move(call)] {
      asio::post(self->stream_.get_executor(),
                 [self, answer = self->shared_.handler(call)]() mutable {
                   self->finish(std::move(answer));
                 });
    });
  }
  void finish(HttpAnswer answer) {
    const auto& request = parser_->get();
    write(std::move(answer), request.version(), request.keep_alive(),
          request.method() != http::verb::head);
  }
  void too_large() {
    HttpAnswer answer{413, "application/json", R"({"error":"The body is too large."})", {}};
    write(std::move(answer), 11, false, true);
  }
  void write(HttpAnswer made, unsigned version, bool keep_alive, bool with_body) {
    response_ = {};
    response_.version(version);
    response_.result(static_cast<http::status>(made.status));
    response_.set(http::field::content_type, made.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set("X-Frame-Options", "DENY");
    for (const auto& [name, value] : made.headers) response_.set(name, value);
    response_.keep_alive(keep_alive && !shared_.stopping);
    const std::size_t size = made.body.size();
    if (with_body) response_.body() = std::move(made.body);
    response_.content_length(size);
    stream_.expires_after(kPatience);
    http::async_write(stream_, response_,
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error || !self->response_.keep_alive()) return self->close();
                        self->answered_ = true;
                        self->read();
                        if (self->shared_.stopping) self->stop();  // asked between the two
                      });
  }
  void close() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool answered_ = false;
  Shared& shared_;
};

class Server {
 public:
  Server(const HttpListener& listener, const HttpServerOptions& options, const HttpHandler& handler)
      : shared_{options, handler}, acceptor_(asio::make_strand(io_)) {
    if (!options.urgent.empty())
      shared_.pool = &pool_.emplace(static_cast<std::size_t>(options.threads));
    const int fd = fcntl(listener.fd(), F_DUPFD_CLOEXEC, 0);
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    CHECK(fd >= 0 && getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    acceptor_.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), fd);
  }

  void run(const std::stop_token& stop) {
    accept();
    const auto guard = asio::make_work_guard(io_);
    std::vector<std::jthread> threads;
    const int count = pool_ ? kUrgentThreads : shared_.options.threads;
    for (int i = 0; i < count; ++i) threads.emplace_back([this] { io_.run(); });
    {
      std::unique_lock lock(shared_.mutex);
      shared_.changed.wait(lock, stop, [] { return false; });
    }
    finish();
    io_.stop();
  }

 private:
  void accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](error_code error, tcp::socket socket) {
      // Beyond the limit connections are closed at once: clients try again.
      if (!error && open() < static_cast<std::size_t>(shared_.options.connections_max))
        std::make_shared<Connection>(std::move(socket), shared_)->start();
      if (acceptor_.is_open()) {
        if (error)
          std::this_thread::sleep_for(std::chrono::milliseconds(20));  // no descriptors left
        return accept();
      }
      const std::lock_guard lock(shared_.mutex);
      shared_.accepting = false;
      shared_.changed.notify_all();
    });
  }

  /// Returns once all that came has been answered, or after kGrace.
  void finish() {
    shared_.stopping = true;
    asio::post(acceptor_.get_executor(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
    });
    std::vector<std::shared_ptr<Connection>> living;  // let go without the lock
    std::unique_lock lock(shared_.mutex);
    for (Connection* connection : shared_.connections) {
      if (auto held = connection->weak_from_this().lock()) living.push_back(std::move(held));
    }
    lock.unlock();
    for (const auto& connection : living) connection->stop();
    living.clear();
    lock.lock();
    shared_.changed.wait_for(lock, kGrace,
                             [this] { return !shared_.accepting && shared_.connections.empty(); });
  }

  std::size_t open() {
    const std::lock_guard lock(shared_.mutex);
    return shared_.connections.size();
  }

  Shared shared_;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::optional<asio::thread_pool> pool_;  // ends before what its work uses
};

}  // namespace

Result<HttpListener> HttpListener::open(const HttpServerOptions& options) {
  asio::io_context io;
  tcp::acceptor acceptor(io);
  error_code error;
  const auto address =
      asio::ip::make_address(options.listen == "localhost" ? "127.0.0.1" : options.listen, error);
  const tcp::endpoint endpoint(address, options.port);
  if (!error) acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  const int fd = error ? -1 : acceptor.release(error);
  if (!error) return HttpListener(fd);
  return fail(Code::unavailable,
              "Cannot listen on " + options.listen + ":" + std::to_string(options.port) +
                  ". Choose another port in minato.toml: " + options.setting,
              error.message());
}
HttpListener::~HttpListener() {
  if (fd_ >= 0) close(fd_);
}

void serve_http(const HttpListener& listener, const HttpServerOptions& options,
                const HttpHandler& handler, std::stop_token stop) {
  Server(listener, options, handler).run(stop);
}

}  // namespace minato::runtime
