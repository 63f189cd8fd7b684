#include "app/platform.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "app/config/edit.h"

namespace minato::app {
namespace fs = std::filesystem;
namespace {

Status make(const fs::path& path, mode_t mode) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(Code::unavailable, path.string() + " cannot be made.", error.message());
  if (chmod(path.c_str(), mode) != 0) {
    return fail(Code::unavailable, path.string() + ": its permissions cannot be set.",
                strerror(errno));
  }
  return {};
}

LockHolder read_holder(const fs::path& path) {
  LockHolder holder;
  std::ifstream in(path);
  in >> holder.pid >> holder.command;
  return holder;
}

}  // namespace

Status make_directories(const Platform& platform, const Config& config) {
  // 0711: the users of PostgreSQL and of gates pass through, but cannot look around.
  TRY(make(platform.hidden(), 0711));
  TRY(make(platform.run(), 0711));
  TRY(make(platform.secrets(), 0700));
  TRY(make(platform.logs(), 0700));
  TRY(make(platform.hidden() / "spill", 0711));
  if (config.lake.on_s3()) return {};
  const fs::path data = platform.lake_data(config);
  std::error_code error;
  if (!fs::exists(data, error)) TRY(make(data, 0755));
  return {};
}

Result<std::string> generated_secret(const Platform& platform, const std::string& name) {
  const fs::path path = platform.secrets() / name;
  if (std::ifstream in(path); in) {
    std::string secret;
    std::getline(in, secret);
    if (!secret.empty()) return secret;
  }
  TRY(make(platform.secrets(), 0700));
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return fail(Code::internal, "No random numbers.");
  std::string secret;
  for (const unsigned char byte : bytes) {
    secret += "0123456789abcdef"[byte >> 4];
    secret += "0123456789abcdef"[byte & 15];
  }
  TRY(write_file(path, secret + "\n", 0600));
  return secret;
}

PlatformLock::~PlatformLock() {
  if (fd_ < 0) return;
  [[maybe_unused]] const int emptied = ftruncate(fd_, 0);
  close(fd_);
}

Result<PlatformLock> PlatformLock::take(const Platform& platform, const std::string& command) {
  const int fd = open(platform.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0)
    return fail(Code::unavailable, platform.lock().string() + " cannot be opened.",
                strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const LockHolder holder = read_holder(platform.lock());
    close(fd);
    return fail(Code::exists, "minato " + (holder.command.empty() ? "serve" : holder.command) +
                                  " (pid " + std::to_string(holder.pid) + ") already runs on " +
                                  platform.dir.string() + ".");
  }
  const std::string text = std::to_string(getpid()) + " " + command + "\n";
  if (ftruncate(fd, 0) != 0 ||
      pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    close(fd);
    return fail(Code::unavailable, platform.lock().string() + " cannot be written.",
                strerror(errno));
  }
  return PlatformLock(fd);
}

LockHolder lock_holder(const Platform& platform) {
  const int fd = open(platform.lock().c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  LockHolder holder;
  if (flock(fd, LOCK_SH | LOCK_NB) != 0) holder = read_holder(platform.lock());
  close(fd);
  return holder;
}

}  // namespace minato::app
