#include "ingest/mysql/doctor.h"

#include <chrono>
#include <cmath>
#include <cstdlib>

#include "ingest/mysql/cascades.h"
#include "ingest/mysql/catalog.h"
#include "ingest/mysql/flavour.h"
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
    const std::string encryption = connection_.encryption();
    const char* none = options_.tls.mode == TlsMode::disable ? "none, as `tls` of this source says"
                                                             : "none: the server offers no TLS";
    add("encryption", true, encryption.empty() ? none : encryption, "");
    check_settings();
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

  void check_settings() {
    const auto settings = read_settings(connection_);
    if (!settings) {
      add("settings", false, settings.error().message, "Let the account read SHOW VARIABLES.");
      return;
    }
    for (const SettingFound& found : *settings) {
      const std::string value = found.value.empty() ? "empty" : found.value;
      add(found.setting.name, found.right(), value, found.setting.fix);
    }
    add("binlog_row_metadata", true, global("binlog_row_metadata"), "");
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

  /// With the privileges of the roles that are active by default.
  std::string grants_statement() {
    const auto roles = connection_.value("SELECT CURRENT_ROLE()");
    const bool none = !roles || roles->empty() || *roles == "NONE" || connection_.is_mariadb();
    return none ? "SHOW GRANTS FOR CURRENT_USER()"
                : "SHOW GRANTS FOR CURRENT_USER() USING " + *roles;
  }

  void check_privileges() {
    const auto grants = connection_.rows(grants_statement());
    std::string text;
    if (grants) {
      for (const Row& row : *grants) {
        const std::string grant = row[0].value_or("");
        if (grant.find(" ON *.*") == std::string::npos && grant.find("SELECT") == std::string::npos)
          continue;
        text += grant.substr(0, grant.find(" IDENTIFIED")) + "; ";
      }
    }
    const bool all = text.find("ALL PRIVILEGES ON *.*") != std::string::npos;
    std::string missing;
    std::string needed;
    for (const Privilege& privilege : Flavour::of(connection_).privileges()) {
      needed += (needed.empty() ? "" : ", ") + std::string(privilege.name);
      const bool there = text.find(privilege.name) != std::string::npos ||
                         text.find(privilege.other_name) != std::string::npos;
      if (!all && !there) missing += std::string(privilege.name) + " ";
    }
    add("privileges", missing.empty(), missing.empty() ? "enough" : "missing: " + missing,
        "GRANT " + needed + " ON *.* TO the account of this source; then run this again.");
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
    check_cascades();
  }

  /// Rows that a foreign key changes by itself are changed below the binary log, which has only the
  /// statement's own.
  void check_cascades() {
    const auto keys = read_foreign_keys(connection_, options_.tables);
    if (!keys) {
      add("foreign_keys", false, keys.error().message, "Let the account read the tables.");
      return;
    }
    std::string found;
    for (const ForeignKey& key : *keys) found += display(key.child) + " (" + key.name + ") ";
    add("foreign_keys", found.empty(),
        found.empty() ? "none changes rows by itself" : "change rows by themselves: " + found,
        "Rows that ON DELETE or ON UPDATE CASCADE or SET NULL changes are not in the binary log, "
        "so these tables are read anew each time that may have happened. Use RESTRICT and let the "
        "application (or a trigger) change them.");
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
