#include "ingest/mysql/doctor.h"

#include <chrono>
#include <cmath>
#include <cstdlib>

#include "ingest/mysql/catalog.h"
#include "ingest/mysql/connection.h"
#include "wire/mysql_charset.h"
#include "wire/mysql_types.h"

namespace minato::ingest::mysql {
namespace {

constexpr std::chrono::seconds answer_max{30};
constexpr double clock_seconds_max = 2.0;
constexpr std::uint64_t retention_seconds_min = 86'400;

class Doctor {
 public:
  Doctor(Connection connection, const SourceOptions& options)
      : connection_(std::move(connection)), options_(options) {}

  std::vector<SourceCheck> run() {
    add("connection", true, connection_.server_version(), "");
    check_log();
    check_retention();
    check_privileges();
    check_clock();
    check_tables();
    return std::move(checks_);
  }

 private:
  void add(std::string check, bool ok, std::string found, std::string fix) {
    checks_.push_back({std::move(check), ok, std::move(found), ok ? "" : std::move(fix)});
  }
  /// The value of a question; a failure is a finding of its own.
  std::string ask(const std::string& check, const std::string& sql) {
    auto value = connection_.value(sql);
    if (value) return *value;
    add(check, false, value.error().message, "Run this at the source to see why: " + sql);
    return {};
  }
  std::string global(const std::string& name) { return ask(name, "SELECT @@global." + name); }

  void check_log() {
    const std::string log = global("log_bin");
    add("log_bin", log == "1", log == "1" ? "ON" : "OFF",
        "Add log_bin (and server_id) under [mysqld] in the source's configuration and restart it.");
    for (const auto& [name, wanted] :
         {std::pair("binlog_format", "ROW"), std::pair("binlog_row_image", "FULL")}) {
      const std::string found = global(name);
      add(name, found == wanted, found,
          std::string("SET GLOBAL ") + name + "='" + wanted +
              "'; the same in the source's configuration; then " + "reconnect the applications.");
    }
    const std::string metadata = global("binlog_row_metadata");
    add("binlog_row_metadata", true, metadata, "");
  }

  void check_retention() {
    const std::string seconds = global("binlog_expire_logs_seconds");
    const std::uint64_t kept = std::strtoull(seconds.c_str(), nullptr, 10);
    add("retention", kept == 0 || kept >= retention_seconds_min,
        kept == 0 ? "logs are kept until they are purged" : seconds + " s",
        "SET GLOBAL binlog_expire_logs_seconds=259200 (three days): after a longer pause than "
        "that, "
        "tables must be read anew.");
  }

  void check_privileges() {
    const auto grants = connection_.rows("SHOW GRANTS FOR CURRENT_USER");
    std::string text;
    if (grants) {
      for (const Row& row : *grants) {
        const std::string grant = row[0].value_or("");
        if (grant.find(" ON *.*") == std::string::npos && grant.find("SELECT") == std::string::npos)
          continue;
        text += grant.substr(0, grant.find(" IDENTIFIED")) + "; ";
      }
    }
    const auto has = [&](std::initializer_list<const char*> names) {
      if (text.find("ALL PRIVILEGES ON *.*") != std::string::npos) return true;
      for (const char* name : names) {
        if (text.find(name) != std::string::npos) return true;
      }
      return false;
    };
    std::string missing;
    if (!has({"REPLICATION SLAVE", "REPLICATION REPLICA"})) missing += "REPLICATION SLAVE ";
    if (!has({"REPLICATION CLIENT", "BINLOG MONITOR"})) missing += "REPLICATION CLIENT ";
    if (!has({"SELECT", "ALL PRIVILEGES"})) missing += "SELECT ";
    add("privileges", missing.empty(), missing.empty() ? "enough" : "missing: " + missing,
        "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the account of this source; "
        "then "
        "run this again.");
  }

  void check_clock() {
    const std::string there = ask("clock", "SELECT UNIX_TIMESTAMP(NOW(6))");
    if (there.empty()) return;
    const double here =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    const double ahead = std::strtod(there.c_str(), nullptr) - here;
    std::string found = std::to_string(std::lround(std::abs(ahead) * 1000)) + " ms ";
    found += ahead >= 0 ? "ahead of this machine" : "behind this machine";
    add("clock", std::abs(ahead) <= clock_seconds_max, found,
        "Let both machines follow NTP: the lag that Minato shows is wrong by this much.");
  }

  void check_tables() {
    const auto shapes = read_shapes(connection_, options_.tables);
    if (!shapes) {
      add("tables", false, shapes.error().message,
          "Leave the table out of `tables`, or change its column.");
      return;
    }
    add("tables", !shapes->empty(), std::to_string(shapes->size()) + " match",
        "No table matches `tables`, or the account may not SELECT from it.");
    std::string keyless;
    std::string unreadable;
    for (const TableSchemaPtr& shape : *shapes) {
      if (shape->key.empty()) keyless += display(shape->name) + " ";
      for (const Column& column : shape->columns) {
        const auto type = wire::parse_source_type(column.source_type);
        if (type && !type->charset.empty() && !wire::Charset::find(type->charset)) {
          unreadable += display(shape->name) + "." + column.name + " (" + type->charset + ") ";
        }
      }
    }
    // Works, but an UPDATE or DELETE must find its rows by all their values.
    add("primary_keys", true, keyless.empty() ? "every table has one" : "none at " + keyless, "");
    add("character_sets", unreadable.empty(), unreadable.empty() ? "all known" : unreadable,
        "Convert these columns to utf8mb4, or leave their tables out of `tables`.");
    check_engines();
  }

  void check_engines() {
    const auto rows = connection_.rows(
        "SELECT table_schema, table_name, engine FROM information_schema.tables WHERE "
        "table_type='BASE TABLE' "
        "AND engine NOT IN ('InnoDB', 'ROCKSDB') AND table_schema NOT IN "
        "('mysql', 'information_schema', 'performance_schema', 'sys')");
    std::string found;
    if (rows) {
      for (const Row& row : *rows) {
        const TableName name{row[0].value_or(""), row[1].value_or("")};
        if (matches_any(options_.tables, name))
          found += display(name) + " (" + row[2].value_or("") + ") ";
      }
    }
    add("engines", found.empty(), found.empty() ? "all transactional" : found,
        "ALTER TABLE … ENGINE=InnoDB: without transactions a table cannot be read at one moment.");
  }

  Connection connection_;
  const SourceOptions& options_;
  std::vector<SourceCheck> checks_;
};

}  // namespace

std::vector<SourceCheck> check_source(const SourceOptions& options) {
  auto connection = Connection::open(options, answer_max);
  if (!connection) {
    return {{"connection", false, connection.error().message,
             "Check host, port, account and password of the source, and that it runs."}};
  }
  return Doctor(std::move(*connection), options).run();
}

}  // namespace minato::ingest::mysql
