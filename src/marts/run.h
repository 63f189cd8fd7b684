// One run of one mart: reads the lake at one snapshot, writes the new contents as files, commits
// them together with the records of the run. Until that commit nothing of it can be seen.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "lake/engine.h"
#include "lake/writer.h"
#include "marts/columns.h"
#include "runtime/pg.h"
#include "state/marts.h"

namespace minato::marts {

struct RunLimits {
  std::chrono::seconds timeout{30 * 60};
  std::chrono::seconds grace{60};
};

class Run {
 public:
  /// `db` is the session that claimed the job.
  Run(pg::Connection& db, lake::Session& session, lake::Lake& lake, state::Job job,
      RunLimits limits)
      : db_(db), session_(session), lake_(lake), limits_(limits) {
    record_.job = std::move(job);
  }

  /// After success the job is done and its records are written. Errors: cancelled when `stop` was
  /// requested; conflict when the job now belongs to somebody else or the mart is gone (nothing is
  /// to be recorded then); deadline; the others are the mart's own fault.
  Status execute(const std::stop_token& stop);
  const state::MartRun& record() const { return record_; }

 private:
  Status refresh(const state::MartDefinition& mart);
  Status open_snapshot(const TableName& mart);
  Status commit(const lake::LakeTable& table, bool shaped, std::vector<lake::DataFile> files);

  pg::Connection& db_;
  lake::Session& session_;
  lake::Lake& lake_;
  RunLimits limits_;
  state::MartRun record_;
};

/// What people are told: the engine's own words where they are about the mart's SQL.
std::string error_text(const Error& error);

}  // namespace minato::marts
