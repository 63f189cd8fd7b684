// The platform directory: where everything is. Paths only; making them is the supervisor's work.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "app/config/config.h"

namespace minato::app {

struct Platform {
  std::filesystem::path dir;  // absolute

  std::filesystem::path config_file() const { return dir / "minato.toml"; }
  std::filesystem::path marts() const { return dir / "marts"; }
  std::filesystem::path hidden() const { return dir / ".minato"; }
  std::filesystem::path postgres_data() const { return hidden() / "pg"; }
  std::filesystem::path run() const { return hidden() / "run"; }
  std::filesystem::path lock() const { return run() / "serve.pid"; }
  /// A copy of the minato.toml that is in force: roles read this one, so that a file with errors
  /// changes nothing even when a role has to start anew.
  std::filesystem::path config_in_force() const { return run() / "config"; }
  std::filesystem::path roles() const { return run() / "roles.json"; }
  std::filesystem::path logs() const { return hidden() / "logs"; }
  std::filesystem::path oncall() const { return hidden() / "oncall"; }
  std::filesystem::path secrets() const { return hidden() / "secrets"; }
  std::filesystem::path spill(const std::string& role) const { return hidden() / "spill" / role; }
  /// s3://… or an absolute directory.
  std::string lake_data(const Config& config) const {
    if (config.lake.on_s3()) return config.lake.data;
    const std::filesystem::path data = config.lake.data;
    return (data.is_absolute() ? data : dir / data).lexically_normal().string();
  }
};

/// Makes .minato with its parts and the lake's directory, with the permissions that each needs.
Status make_directories(const Platform& platform, const Config& config);

/// Reads a generated secret of .minato/secrets; makes it (32 random hexadecimal characters) when it
/// is missing.
Result<std::string> generated_secret(const Platform& platform, const std::string& name);

/// One process at a time may run PostgreSQL and write the lake of a platform. Held until destroyed
/// or the process ends, however it ends.
class PlatformLock {
 public:
  PlatformLock(PlatformLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  PlatformLock& operator=(PlatformLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~PlatformLock();

  /// Error{exists} names the command and pid that hold it.
  static Result<PlatformLock> take(const Platform& platform, const std::string& command);

 private:
  explicit PlatformLock(int fd) : fd_(fd) {}
  int fd_;
};

struct LockHolder {
  std::string command;
  long pid = 0;
};
/// Who holds the lock now: command "serve" or "command"; pid 0 when nobody does.
LockHolder lock_holder(const Platform& platform);

}  // namespace minato::app
