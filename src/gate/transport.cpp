#include "gate/transport.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>

namespace minato::gate {
namespace {
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
}

asio::awaitable<bool> Transport::start_tls(asio::ssl::context& context) {
  tls_ = std::make_unique<asio::ssl::stream<asio::ip::tcp::socket&>>(socket_, context);
  const auto [error] = co_await tls_->async_handshake(asio::ssl::stream_base::server, kTuple);
  co_return !error;
}

asio::awaitable<std::size_t> Transport::read(char* buffer, std::size_t size) {
  if (tls_) {
    const auto [error, count] = co_await tls_->async_read_some(asio::buffer(buffer, size), kTuple);
    co_return error ? 0 : count;
  }
  const auto [error, count] = co_await socket_.async_read_some(asio::buffer(buffer, size), kTuple);
  co_return error ? 0 : count;
}

asio::awaitable<bool> Transport::write(std::string_view bytes) {
  if (tls_) {
    const auto [error, count] = co_await asio::async_write(*tls_, asio::buffer(bytes), kTuple);
    co_return !error;
  }
  const auto [error, count] = co_await asio::async_write(socket_, asio::buffer(bytes), kTuple);
  co_return !error;
}

void Transport::cancel() {
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Transport::close() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

bool Transport::hung_up() {
  if (!socket_.is_open()) return true;
  char byte = 0;
  const ssize_t count = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

}  // namespace minato::gate
