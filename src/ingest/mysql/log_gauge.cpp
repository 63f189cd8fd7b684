#include "ingest/mysql/log_gauge.h"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include "ingest/mysql/flavour.h"

namespace minato::ingest::mysql {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds period{2};
constexpr std::chrono::seconds answer_max{3};
// After an error that waiting does not mend: a wrong password need not be tried every two seconds.
constexpr std::chrono::seconds refused_period{30};
constexpr std::chrono::seconds known_for{8};

std::uint64_t number(const std::optional<std::string>& text) {
  std::uint64_t value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

}  // namespace

std::optional<std::uint64_t> bytes_between(const LogPosition& from, const LogEnd& end) {
  if (!from.gtids.empty() && from.gtids.covers(end.place.gtids)) return 0;
  const auto after = [](std::uint64_t size, std::uint64_t offset) {
    return size > offset ? size - offset : 0;
  };
  if (from.file.empty()) return std::nullopt;
  if (from.file == end.place.file) return after(end.place.offset, from.offset);
  using File = std::pair<std::string, std::uint64_t>;
  const auto first = std::ranges::find(end.files, from.file, &File::first);
  const auto last = std::find_if(first, end.files.end(),
                                 [&](const File& file) { return file.first == end.place.file; });
  if (last == end.files.end()) return std::nullopt;
  std::uint64_t bytes = after(first->second, from.offset) + end.place.offset;
  for (auto file = first + 1; file != last; ++file) bytes += file->second;
  return bytes;
}

std::optional<std::uint64_t> LogGauge::behind(const LogPosition& stored) {
  const std::lock_guard lock(mutex_);
  from_file_ = stored.file;
  if (!thread_.joinable() && !stopping_) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  if (!end_ || steady_clock::now() - asked_ > known_for) return std::nullopt;
  return bytes_between(stored, *end_);
}

void LogGauge::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  }
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void LogGauge::set_socket(int socket) {
  const std::lock_guard lock(mutex_);
  socket_ = socket;
  if (stopping_ && socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

Result<LogEnd> LogGauge::ask(std::optional<Connection>& connection) {
  if (!connection) {
    TRY_ASSIGN(connection, Connection::open(options_, answer_max));
    set_socket(connection->socket());
  }
  LogEnd end;
  TRY_ASSIGN(end.place, Flavour::of(*connection).log_end(*connection));
  std::string from;
  {
    const std::lock_guard lock(mutex_);
    from = from_file_;
  }
  if (from.empty() || from == end.place.file) return end;
  TRY_ASSIGN(const auto files, connection->rows("SHOW BINARY LOGS"));
  for (const Row& file : files) end.files.emplace_back(file[0].value_or(""), number(file[1]));
  return end;
}

void LogGauge::run(const std::stop_token& stop) {
  std::optional<Connection> connection;
  while (!stop.stop_requested()) {
    Result<LogEnd> end = ask(connection);
    if (!end) {
      set_socket(-1);
      connection.reset();
    }
    std::unique_lock lock(mutex_);
    end_.reset();
    if (end) end_ = std::move(*end);
    asked_ = steady_clock::now();
    const bool refused = !end && end.error().code != Code::unavailable;
    wake_.wait_for(lock, stop, refused ? refused_period : period, [] { return false; });
  }
  set_socket(-1);
}

}  // namespace minato::ingest::mysql
