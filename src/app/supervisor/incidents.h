// Incidents and notifications of the supervisor. Calls only queue; flush() sends what it can: the
// supervisor must not wait for a PostgreSQL that may be the very thing that is down.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "runtime/pg.h"

namespace minato::app {

class Incidents {
 public:
  explicit Incidents(std::string conninfo) : conninfo_(std::move(conninfo)) {}
  void open(const std::string& key, const std::string& title, const std::string& text);
  void resolve(const std::string& key);
  void notify(const std::string& channel);
  void flush();

 private:
  using Work = std::function<Status(pg::Connection&)>;
  std::string conninfo_;
  std::optional<pg::Connection> connection_;
  std::deque<Work> queue_;
};

}  // namespace minato::app
