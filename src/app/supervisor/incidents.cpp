#include "app/supervisor/incidents.h"

#include "base/log.h"
#include "state/incidents.h"

namespace minato::app {

namespace {
constexpr std::size_t kQueueMax = 1000;
}

void Incidents::open(const std::string& key, const std::string& title, const std::string& text) {
  queue_.push_back([=](pg::Connection& connection) -> Status {
    TRY(state::open_incident(connection, key, state::Severity::critical, title, text));
    return {};
  });
}

void Incidents::resolve(const std::string& key) {
  queue_.push_back([=](pg::Connection& connection) -> Status {
    TRY(state::resolve_incident(connection, key));
    return {};
  });
}

void Incidents::notify(const std::string& channel) {
  queue_.push_back([=](pg::Connection& connection) -> Status {
    TRY(connection.query("select pg_notify($1, '')", {channel}));
    return {};
  });
}

void Incidents::flush() {
  while (queue_.size() > kQueueMax) queue_.pop_front();
  while (!queue_.empty()) {
    if (!connection_ || !connection_->alive()) {
      auto opened = pg::Connection::open(conninfo_ + " connect_timeout='2'");
      if (!opened) return;  // tried again at the next tick
      connection_.emplace(std::move(*opened));
    }
    if (Status done = queue_.front()(*connection_); !done) {
      if (!connection_->alive()) return;
      log::warn("an incident could not be recorded", {{"error", done.error()}});
    }
    queue_.pop_front();
  }
  connection_.reset();
}

}  // namespace minato::app
