// The HTTP server: Beast with plain callbacks. Each request is answered on one of a few threads;
// what it asks of PostgreSQL blocks only that thread.
#include "web/web.h"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <memory>
#include <thread>

#include "base/log.h"
#include "web/answers.h"

namespace minato::web {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr std::uint32_t kHeaderMax = 16 * 1024;
constexpr std::uint64_t kBodyMax = 64 * 1024;
constexpr int kThreads = 3;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const WebOptions& options, std::atomic<int>& open)
      : stream_(std::move(socket)), options_(options), open_(open) {
    ++open_;
  }
  ~Connection() { --open_; }

  void read() {
    parser_.emplace();
    parser_->header_limit(kHeaderMax);
    parser_->body_limit(kBodyMax);
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (!error) self->respond();
                     });
  }

 private:
  void respond() {
    const auto& request = parser_->get();
    const std::string method(request.method_string());
    const std::string target(request.target());
    Answer made = answer(options_, method, target);
    response_ = {};
    response_.version(request.version());
    response_.result(static_cast<http::status>(made.status));
    response_.set(http::field::content_type, made.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set("X-Frame-Options", "DENY");
    response_.set("Content-Security-Policy",
                  "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
                  "style-src 'unsafe-inline'");
    response_.keep_alive(request.keep_alive());
    const std::size_t size = made.body.size();
    if (method != "HEAD") response_.body() = std::move(made.body);
    response_.content_length(size);
    stream_.expires_after(kPatience);
    http::async_write(stream_, response_,
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error || !self->response_.keep_alive()) return self->close();
                        self->read();
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
  const WebOptions& options_;
  std::atomic<int>& open_;
};

class Server {
 public:
  explicit Server(const WebOptions& options)
      : options_(options), acceptor_(asio::make_strand(io_)) {}

  Status listen() {
    error_code error;
    const auto address = asio::ip::make_address(
        options_.listen == "localhost" ? "127.0.0.1" : options_.listen, error);
    const tcp::endpoint endpoint(address, options_.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    return fail(Code::unavailable,
                "Cannot listen on " + options_.listen + ":" + std::to_string(options_.port) +
                    ". Choose another port in minato.toml: [http] port = …",
                error.message());
  }
  void accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      // Beyond the limit connections are closed at once: a scraper tries again.
      if (!error && open_ < options_.connections_max) {
        std::make_shared<Connection>(std::move(socket), options_, open_)->read();
      }
      if (error) std::this_thread::sleep_for(std::chrono::milliseconds(20));  // no descriptors left
      accept();
    });
  }
  void run() {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([this] { io_.run(); });
  }
  void stop() { io_.stop(); }

 private:
  const WebOptions& options_;
  std::atomic<int> open_ = 0;
  asio::io_context io_;
  tcp::acceptor acceptor_;
};

}  // namespace

Status run(const WebOptions& options, std::stop_token stop) {
  Server server(options);
  TRY(server.listen());
  server.accept();
  const std::stop_callback on_stop(stop, [&server] { server.stop(); });
  log::info("web works", {{"listen", options.listen}, {"port", static_cast<int>(options.port)}});
  server.run();
  return {};
}

}  // namespace minato::web
