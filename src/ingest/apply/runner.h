// Keeps one source flowing into the lake: the stream, beside it first reads of tables and repairs,
// DDL, restart after errors. Its only memory is in PostgreSQL (position and shapes, written in the
// lake's own commits): it can die anywhere.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "ingest/apply/applier.h"
#include "ingest/apply/joining.h"
#include "ingest/source.h"
#include "runtime/pg.h"

namespace minato::ingest {

struct RunnerOptions {
  SourceOptions source;
  std::string state_conninfo;                      // PostgreSQL with schema minato, as its owner
  std::chrono::milliseconds commit_interval{100};  // at most one commit per interval while changes
                                                   // flow
  std::chrono::milliseconds retry_min{500};
  std::chrono::milliseconds retry_max{30'000};
  // Changes of tables that are being read wait in memory up to here; then the stream waits.
  std::size_t held_bytes_max = std::size_t{64} << 20;
  // New tables that are read together: those that are read when a reading breaks off stay.
  std::uint64_t reading_bytes_max = std::uint64_t{1} << 30;
  std::size_t reading_tables_max = 100;
  ApplyLimits limits;
};

class SourceRunner {
 public:
  /// `lake` and `lanes` outlive the runner; `lake` may be shared with other threads.
  SourceRunner(RunnerOptions options, lake::Lake& lake, Lanes& lanes);
  ~SourceRunner();
  void start();
  /// Returns after the open commit is finished or given up; safe to call twice.
  void stop();
  const std::string& name() const { return options_.source.name; }

 private:
  /// A table that is read anew again and again contradicts itself: each time later.
  struct Repair {
    int attempts = 0;
    std::chrono::steady_clock::time_point not_before{};
  };

  void run(std::stop_token stop);
  Status run_once(std::stop_token stop);
  Status stream(std::stop_token stop);
  Status begin();
  Status let_go(const std::vector<TableSchemaPtr>& present);
  void unread(const TableName& table);
  void appears(const TableName& table);
  Result<std::vector<TableName>> one_reading(const std::vector<TableName>& tables);
  Status read_tables(const std::vector<TableName>& tables);
  Status await_reading(const std::stop_token& stop);
  Status join();
  void found(const TableName& table);
  bool joins(const TableName& table) const { return joining_ && joining_->has(table); }
  Status take(StreamBatch& batch, const std::stop_token& stop);
  Status follow(const SchemaChange& change);
  Status upsert_table(const SchemaChange& change);
  Status truncate_table(const TableName& table);
  Status drop_table(const TableName& table);
  Status rename_table(const TableName& from, const TableName& to);
  Status commit();
  void record(std::function<Status(pg::Connection&)> step) { records_.push_back(std::move(step)); }
  std::vector<TableName> due() const;
  Status repair(std::stop_token stop);
  int try_again(const TableName& table);
  void report(bool idle);
  void report_waiting();
  void report_reading();
  bool captured(const TableName& table) const;

  RunnerOptions options_;
  lake::Lake& lake_;
  Lanes& lanes_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Applier> applier_;
  std::optional<pg::Connection> state_;
  std::map<TableName, TableSchemaPtr> shapes_;  // of the tables that stream, at `reached_`
  std::optional<Joining> joining_;
  std::vector<std::function<Status(pg::Connection&)>> records_;  // for the next commit
  std::map<TableName, Repair> repairs_;
  std::set<TableName> unread_;  // lost, but nothing is wrong with them: they wait for a first read
  std::map<TableName, std::string> lost_why_;  // of lost tables, where the stream said so
  std::map<TableName, std::string> told_;      // lost tables as the last commit recorded them
  Position position_;                          // of the last commit
  Position reached_;                           // of the open commit
  bool whole_ = true;  // the open commit ends with a whole source transaction
  SystemTime source_time_{};
  std::uint64_t transactions_ = 0;  // since the last commit
  std::uint64_t changes_ = 0;
  std::chrono::steady_clock::time_point reported_{};
  std::jthread thread_;
};

}  // namespace minato::ingest
