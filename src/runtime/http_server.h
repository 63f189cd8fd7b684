// A small HTTP/1.1 server: Beast with plain callbacks behind one function. Each request is answered
// on one of a few threads; a handler that blocks holds up only that thread, and never an urgent
// request.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace minato::runtime {

struct HttpCall {
  std::string method;
  std::string target;                          // as in the request line: path and query
  std::map<std::string, std::string> headers;  // names in lower case; the last of a name counts
  std::string body;
};

struct HttpAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct HttpServerOptions {
  std::string listen = "127.0.0.1";
  std::uint16_t port = 0;
  std::string setting;  // where the port is set, for the error: "[http] port = …"
  int connections_max = 200;
  int threads = 3;
  /// Paths (their beginning) that have threads of their own; empty: none has.
  std::string urgent;
  std::uint64_t body_max = 64 * 1024;
};

/// A listening socket. It may outlive a server: while none serves, connections wait in its queue
/// instead of being refused.
class HttpListener {
 public:
  /// Error{unavailable} when it cannot listen: names options.setting.
  static Result<HttpListener> open(const HttpServerOptions& options);
  HttpListener(HttpListener&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  HttpListener& operator=(HttpListener&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~HttpListener();
  int fd() const { return fd_; }

 private:
  explicit HttpListener(int fd) : fd_(fd) {}
  int fd_;
};

using HttpHandler = std::function<HttpAnswer(const HttpCall&)>;

/// Serves until `stop` is requested; requests that came before it are answered, within half a
/// second. Answers carry no-store, nosniff and frame denial; more is the handler's.
void serve_http(const HttpListener& listener, const HttpServerOptions& options,
                const HttpHandler& handler, std::stop_token stop);

}  // namespace minato::runtime
