#include "runtime/http_server.h"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <memory>
#include <optional>
#include <thread>

namespace minato::runtime {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr std::uint32_t kHeaderMax = 16 * 1024;
constexpr int kUrgentThreads = 12;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `pool`: where all that is not urgent is worked on; null: here.
  Connection(tcp::socket socket, const HttpServerOptions& options, const HttpHandler& handler,
             asio::thread_pool* pool, std::atomic<int>& open)
      : stream_(std::move(socket)), options_(options), handler_(handler), pool_(pool), open_(open) {
    ++open_;
  }
  ~Connection() { --open_; }

  void read() {
    parser_.emplace();
    parser_->header_limit(kHeaderMax);
    parser_->body_limit(options_.body_max);
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (error == http::error::body_limit) return self->too_large();
                       if (!error) self->respond();
                     });
  }

 private:
  void respond() {
    auto& request = parser_->get();
    HttpCall call;
    call.method = std::string(request.method_string());
    call.target = std::string(request.target());
    for (const auto& field : request) {
      call.headers[lower(field.name_string())] = std::string(field.value());
    }
    call.body = std::move(request.body());
    if (!pool_ || call.target.starts_with(options_.urgent)) return finish(handler_(call));
    asio::post(*pool_, [self = shared_from_this(), call = std::move(call)] {
      asio::post(self->stream_.get_executor(), [self, answer = self->handler_(call)]() mutable {
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
    response_.keep_alive(keep_alive);
    const std::size_t size = made.body.size();
    if (with_body) response_.body() = std::move(made.body);
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
  const HttpServerOptions& options_;
  const HttpHandler& handler_;
  asio::thread_pool* const pool_;
  std::atomic<int>& open_;
};

class Server {
 public:
  Server(const HttpServerOptions& options, const HttpHandler& handler)
      : options_(options), handler_(handler), acceptor_(asio::make_strand(io_)) {
    if (!options.urgent.empty()) pool_.emplace(static_cast<std::size_t>(options.threads));
  }

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
                    ". Choose another port in minato.toml: " + options_.setting,
                error.message());
  }
  void accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      // Beyond the limit connections are closed at once: clients try again.
      if (!error && open_ < options_.connections_max) {
        std::make_shared<Connection>(std::move(socket), options_, handler_,
                                     pool_ ? &*pool_ : nullptr, open_)
            ->read();
      }
      if (error) std::this_thread::sleep_for(std::chrono::milliseconds(20));  // no descriptors left
      accept();
    });
  }
  void run() {
    std::vector<std::jthread> threads;
    const int count = pool_ ? kUrgentThreads : options_.threads;
    for (int i = 0; i < count; ++i) threads.emplace_back([this] { io_.run(); });
  }
  void stop() { io_.stop(); }

 private:
  const HttpServerOptions& options_;
  const HttpHandler& handler_;
  std::atomic<int> open_ = 0;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::optional<asio::thread_pool> pool_;  // ends before what its work uses
};

}  // namespace

Status serve_http(const HttpServerOptions& options, const HttpHandler& handler,
                  std::stop_token stop, const std::function<void()>& ready) {
  Server server(options, handler);
  TRY(server.listen());
  server.accept();
  const std::stop_callback on_stop(stop, [&server] { server.stop(); });
  if (ready) ready();
  server.run();
  return {};
}

}  // namespace minato::runtime
