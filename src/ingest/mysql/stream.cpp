#include "ingest/mysql/stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <random>

#include "base/check.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "ingest/mysql/cascades.h"
#include "ingest/mysql/catalog.h"
#include "ingest/mysql/flavour.h"

namespace minato::ingest::mysql {
namespace {

constexpr std::chrono::seconds heartbeat{5};
constexpr std::chrono::seconds silence_max{16};  // three heartbeats
constexpr std::chrono::seconds statement_max{60};
constexpr std::chrono::milliseconds back_off_min{100};
constexpr std::chrono::milliseconds back_off_max{10'000};

/// Servers tell their replicas apart by this number. Another one for each connection: of two equal
/// ones they end the older, and MariaDB has the newer one wait for that, which lasts as long as a
/// write to a connection that only this side knows to be lost.
std::uint32_t new_server_id() { return 0x4d000000U | (std::random_device{}() & 0x00ffffffU); }

/// What the client library calls a lost connection.
Error silence(Error error) {
  return {Code::unavailable,
          "The source sends nothing, not even heartbeats, and the connection is given up. Does the "
          "server stand still, or the network between?",
          std::move(error.detail)};
}

/// False when it was stopped.
bool pause(const std::stop_token& stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

Status Stream::start(const Position& from, const std::vector<TableSchemaPtr>& shapes,
                     std::optional<Assembler::Join> cut) {
  TRY_ASSIGN(LogPosition position, LogPosition::parse(from.text));
  bool json_is_text = false;
  Cascades::Known keys;
  {
    TRY_ASSIGN(auto connection, Connection::open(options_, statement_max));
    TRY(check_settings(connection));
    json_is_text = Flavour::of(connection).json_is_text();
    TRY_ASSIGN(keys, Cascades::ask(connection, options_.tables));
  }
  queue_ = std::make_unique<PieceQueue>();
  ShapeBook book(options_.tables, shapes, questions(json_is_text));
  const auto check = [this] { return answer(check_settings); };
  const auto ask_keys = [this] {
    return answer([this](Connection& each) { return Cascades::ask(each, options_.tables); });
  };
  assembler_ = std::make_unique<Assembler>(
      options_, std::move(position), std::move(cut), std::move(book),
      Cascades(options_.tables, std::move(keys), ask_keys), *queue_, check);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = false;
  }
  set_state(false, "");
  heard_ = std::chrono::steady_clock::now().time_since_epoch().count();  // silence counts from here
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop, *assembler_); });
  return {};
}

void Stream::stop() {
  if (!thread_.joinable()) return;
  queue_->close(std::nullopt);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  }
  thread_.request_stop();
  thread_.join();
}

void Stream::set_state(bool connected, std::string error) {
  const std::lock_guard lock(mutex_);
  connected_ = connected;
  error_ = std::move(error);
}

Source::Lag Stream::lag() const {
  Source::Lag lag;
  const std::lock_guard lock(mutex_);
  lag.connected = connected_;
  if (const auto heard = heard_.load(); heard != 0) {
    const auto since = std::chrono::steady_clock::now().time_since_epoch().count() - heard;
    lag.silent = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::duration(since));
  }
  lag.error = error_;
  return lag;
}

template <typename Question>
std::invoke_result_t<Question, Connection&> Stream::answer(const Question& question) {
  const auto once = [&]() -> std::invoke_result_t<Question, Connection&> {
    TRY(failpoint("ingest.before_question"));
    TRY_ASSIGN(auto connection, Connection::open(options_, statement_max));
    return question(connection);
  };
  auto result = once();
  for (auto back_off = back_off_min; !result && result.error().code == Code::unavailable;
       back_off = std::min(back_off * 2, back_off_max)) {
    set_state(false, result.error().message);
    log::warn("source_unanswering", {{"source", options_.name}, {"error", result.error()}});
    if (!pause(stop_, back_off)) return fail(Code::cancelled, "stopped");
    result = once();
    if (result) set_state(true, "");
  }
  return result;
}

ShapeBook::Ask Stream::questions(bool json_is_text) {
  ShapeBook::Ask ask;
  ask.shape = [this](const TableName& table) {
    return answer([&](Connection& connection) { return read_shape(connection, table); });
  };
  ask.database_charset = [this](const std::string& database) {
    return answer([&](Connection& connection) {
      return connection.value(
          "SELECT default_character_set_name FROM information_schema.schemata "
          "WHERE schema_name=" +
          literal(database));
    });
  };
  ask.collation_charset = [this](unsigned collation) {
    return answer([&](Connection& connection) {
      return Flavour::of(connection).collation_charset(connection, collation);
    });
  };
  ask.json_is_text = json_is_text;
  return ask;
}

void Stream::run(const std::stop_token& stop, Assembler& assembler) {
  stop_ = stop;
  std::chrono::milliseconds back_off = back_off_min;
  while (!stop.stop_requested()) {
    const auto began = std::chrono::steady_clock::now();
    Error error = follow(stop, assembler);
    if (stop.stop_requested() || error.code == Code::cancelled) break;
    set_state(false, error.message);
    if (error.code != Code::unavailable) {
      queue_->close(std::move(error));
      return;
    }
    log::warn("source_disconnected", {{"source", options_.name}, {"error", error}});
    // A connection that held for a while begins anew with short waits.
    if (std::chrono::steady_clock::now() - began > back_off_max) back_off = back_off_min;
    (void)pause(stop, back_off);
    back_off = std::min(back_off * 2, back_off_max);
    assembler.reconnected();
  }
  queue_->close(std::nullopt);
}

Result<Connection> Stream::connect(const LogPosition& from) {
  TRY_ASSIGN(auto connection, Connection::open(options_, silence_max));
  TRY(Flavour::of(connection).begin_stream(connection, from, new_server_id(), heartbeat));
  return connection;
}

Error Stream::follow(const std::stop_token& stop, Assembler& assembler) {
  auto connection = connect(assembler.position());
  if (!connection) return std::move(connection).error();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return {Code::cancelled, "stopped", ""};
    socket_ = connection->socket();
  }
  using std::chrono::steady_clock;
  Error error;
  bool first = true;
  auto waits_since = steady_clock::now();
  while (true) {
    auto packet = connection->packet();
    if (!packet) {
      error = std::move(packet).error();
      if (steady_clock::now() - waits_since >= silence_max) error = silence(std::move(error));
      break;
    }
    if (packet->empty() || (*packet)[0] != 0) {
      error = {Code::unavailable, "The source ended its binary log stream.", ""};
      break;
    }
    if (std::exchange(first, false)) set_state(true, "");
    if (auto done = assembler.event(packet->subspan(1)); !done) {
      error = std::move(done).error();
      CHECK(error.code != Code::unavailable);  // or it would be skipped after a reconnection
      break;
    }
    waits_since = steady_clock::now();
    heard_ = waits_since.time_since_epoch().count();
  }
  const std::lock_guard lock(mutex_);
  socket_ = -1;
  (void)stop;
  return error;
}

}  // namespace minato::ingest::mysql
