// The object graph of the role core, in the order in which its parts need each other.
#pragma once

#include <map>
#include <memory>
#include <thread>

#include "app/roles/engine.h"
#include "ingest/apply/runner.h"
#include "lake/maintenance.h"
#include "marts/scheduler.h"

namespace minato::app {

class Core {
 public:
  Core(const RoleContext& context, LakeAccess access);
  ~Core();
  void start();
  /// Open commits are finished or given up; safe to call twice.
  void stop();
  /// Starts, stops and changes sources to what `config` says.
  Status follow(pg::Connection& connection, const Config& config);
  /// A password file has other contents than what its source runs with.
  bool secrets_changed() const;

 private:
  struct Running {
    SourceConfig config;
    std::string password;
    std::unique_ptr<ingest::SourceRunner> runner;
  };
  Status start_source(pg::Connection& connection, const SourceConfig& source);
  void maintain(const MaintenanceConfig& config, std::stop_token stop);

  const RoleContext& context_;
  LakeAccess access_;
  ingest::Lanes lanes_;
  marts::Scheduler scheduler_;
  Config config_;
  std::map<std::string, Running> runners_;
  std::jthread maintenance_;
  std::jthread oncall_records_;
};

}  // namespace minato::app
