// `minato serve`: starts PostgreSQL and the roles, keeps them running, tells them of a changed
// minato.toml, and ends them in order. It holds no data and no connection that matters: whatever
// dies, it starts again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "app/catalogue.h"
#include "app/supervisor/incidents.h"
#include "app/supervisor/keeper.h"
#include "app/supervisor/settling.h"

namespace minato::app {

class Supervisor {
 public:
  Supervisor(Platform platform, Config config);
  /// Until SIGTERM or SIGINT. Errors: exists (another serve), invalid, unavailable (port in use, no
  /// PostgreSQL).
  Status run();

 private:
  Status start();
  Status start_postgres();
  void start_roles();
  void add_role(const std::string& name);
  std::vector<std::string> role_names(const Config& config) const;
  void loop();
  void changed(const ProcessState& state);
  void tell_why(const ProcessState& state);
  void write_states() const;
  void reload_if_changed();
  void renew_keys_if_changed();
  void renew_certificate_if_changed();
  std::string key_stamps() const;
  std::string certificate_stamps() const;
  Result<Config> take_over() const;
  void apply(const Config& fresh);
  void shut_down();

  Platform platform_;
  Config config_;
  std::optional<PlatformLock> lock_;
  std::optional<runtime::PostgresCluster> cluster_;
  std::optional<Incidents> incidents_;
  Keeper keeper_;
  std::map<std::string, bool> failing_;
  std::set<std::string> told_;  // whose single death is an open incident
  Settling settings_;           // minato.toml
  std::string certificate_;     // stamps of the gate's certificate and key
  std::string keys_;            // as key_stamps()
  int signal_fd_ = -1;
  bool stopping_ = false;
};

}  // namespace minato::app
