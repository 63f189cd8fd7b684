// The listener: accepts connections, runs the event loop, shuts down. Keeps Asio out of its header.
#pragma once

#include <memory>
#include <stop_token>

#include "base/result.h"
#include "gate/gate.h"
#include "lake/engine.h"

namespace minato::gate {

/// From here on, in MB of memory in use, statements are cancelled.
std::uint64_t watch_limit_mb(const GateOptions& options);

class Server {
 public:
  /// Binds the port and reads the certificate: to be done before privileges are dropped.
  /// Error{unavailable} when the port is in use, with what to do.
  static Result<std::unique_ptr<Server>> listen(const GateOptions& options);
  virtual ~Server() = default;
  /// The port that was bound (options.port may be 0).
  virtual std::uint16_t port() const = 0;
  /// Serves until `stop`; then sessions get a last word, at most five seconds.
  virtual Status serve(lake::Engine& engine, std::stop_token stop) = 0;
};

}  // namespace minato::gate
