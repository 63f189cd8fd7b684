// A client's socket, plain or TLS, as coroutines. One of the few headers that include Asio.
#pragma once

// GCC 12 takes the pair of allocation functions of Asio's coroutine frames for a mismatch.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <string_view>

namespace minato::gate {

namespace asio = boost::asio;

class Transport {
 public:
  explicit Transport(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  /// False when the handshake fails.
  asio::awaitable<bool> start_tls(asio::ssl::context& context);
  bool tls() const { return tls_ != nullptr; }
  /// Bytes read; 0: end, error or cancelled.
  asio::awaitable<std::size_t> read(char* buffer, std::size_t size);
  asio::awaitable<bool> write(std::string_view bytes);

  /// Ends a pending read() or write().
  void cancel();
  void close();
  /// Whether the client has gone, without reading: for while a statement runs.
  bool hung_up();

 private:
  asio::ip::tcp::socket socket_;
  std::unique_ptr<asio::ssl::stream<asio::ip::tcp::socket&>> tls_;
};

}  // namespace minato::gate
