#include "ingest/mysql/flavour_mariadb.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace minato::ingest::mysql {
namespace {

constexpr auto all_settings = std::to_array<Setting>({
    {"log_bin", "ON",
     "Add log_bin and server_id under [mysqld] in the source's configuration and restart it."},
    {"binlog_format", "ROW",
     "SET GLOBAL binlog_format='ROW'; the same in the source's configuration; then reconnect the "
     "applications."},
    {"binlog_row_image", "FULL",
     "SET GLOBAL binlog_row_image='FULL'; the same in the source's configuration; then reconnect "
     "the applications."},
});
constexpr auto all_privileges = std::to_array<Privilege>({
    {"SELECT", "SELECT"},
    {"REPLICATION SLAVE", "REPLICATION REPLICA"},
    {"REPLICATION CLIENT", "BINLOG MONITOR"},
});

tl::unexpected<Error> no_log() {
  return fail(Code::invalid,
              "The source has no binary log. Set log_bin and binlog_format=ROW in its "
              "configuration and restart it.");
}

/// COM_BINLOG_DUMP (MySQL internals); waits at the end of the log.
std::string dump_command(std::uint64_t offset, const std::string& file, std::uint32_t server_id) {
  std::string payload;
  const auto put = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) payload += static_cast<char>(value >> (8 * i));
  };
  put(offset, 4);
  put(0, 2);  // flags: block at the end of the log
  put(server_id, 4);
  return payload + file;
}

std::uint64_t parse_offset(const std::string& text) {
  std::uint64_t offset = 0;
  std::from_chars(text.data(), text.data() + text.size(), offset);
  return offset;
}

}  // namespace

Status FlavourMariadb::check_version(const Connection& /*connection*/) const { return {}; }

Status FlavourMariadb::lift_limits(Connection& connection) const {
  return connection.run("SET SESSION max_statement_time=0");
}

std::span<const Setting> FlavourMariadb::settings() const { return all_settings; }
std::span<const Privilege> FlavourMariadb::privileges() const { return all_privileges; }

Result<LogPosition> FlavourMariadb::current(Connection& connection) const {
  LogPosition position;
  TRY_ASSIGN(const auto status, connection.rows("SHOW MASTER STATUS"));
  if (status.empty()) return no_log();
  position.file = status[0][0].value_or("");
  position.offset = parse_offset(status[0][1].value_or("0"));
  TRY_ASSIGN(const std::string gtids, connection.value("SELECT @@global.gtid_binlog_pos"));
  TRY_ASSIGN(position.gtids, GtidSet::parse(gtids));
  return position;
}

Result<LogPosition> FlavourMariadb::log_end(Connection& connection) const {
  return current(connection);
}

/// Its view of InnoDB tables and the log position belong together: no lock is needed.
Result<LogPosition> FlavourMariadb::open_view(Connection& connection, Connection& /*helper*/,
                                              const std::vector<TableName>& /*tables*/) const {
  TRY(connection.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
  TRY(connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT"));
  LogPosition position;
  TRY_ASSIGN(const auto status, connection.rows("SHOW STATUS LIKE 'binlog_snapshot_%'"));
  for (const Row& row : status) {
    const std::string value = row[1].value_or("");
    if (row[0] == "Binlog_snapshot_file") position.file = value;
    if (row[0] == "Binlog_snapshot_position") position.offset = parse_offset(value);
  }
  if (position.file.empty()) return no_log();
  TRY_ASSIGN(const std::string gtids,
             connection.value("SELECT BINLOG_GTID_POS(" + literal(position.file) + ", " +
                              std::to_string(position.offset) + ")"));
  TRY_ASSIGN(position.gtids, GtidSet::parse(gtids));
  return position;
}

Status FlavourMariadb::begin_stream(Connection& connection, const LogPosition& from,
                                    std::uint32_t server_id, std::chrono::seconds heartbeat) const {
  if (!from.gtids.is_mariadb()) return other_flavour("MySQL", "MariaDB");
  const bool by_gtid = !from.gtids.empty();
  if (by_gtid) {
    TRY_ASSIGN(const LogPosition there, current(connection));
    if (!there.covers(from)) return stands_before(there, from);
  }
  TRY(connection.run(
      "SET @mariadb_slave_capability=4, @master_binlog_checksum=@@global.binlog_checksum, "
      "@master_heartbeat_period=" +
      std::to_string(std::chrono::nanoseconds(heartbeat).count())));
  if (by_gtid) {
    TRY(connection.run("SET @slave_connect_state=" + literal(from.gtids.text()) +
                       ", @slave_gtid_strict_mode=0, @slave_gtid_ignore_duplicates=0"));
  }
  // By GTID the server finds the place itself. Without, the first file and its start if nothing is
  // known.
  const std::string payload =
      by_gtid ? dump_command(4, "", server_id)
              : dump_command(std::max<std::uint64_t>(from.offset, 4), from.file, server_id);
  return connection.command(COM_BINLOG_DUMP, payload);
}

Result<std::string> FlavourMariadb::collation_charset(Connection& connection,
                                                      unsigned collation) const {
  return connection.value(
      "SELECT character_set_name FROM information_schema.collation_character_set_applicability "
      "WHERE id=" +
      std::to_string(collation));
}

}  // namespace minato::ingest::mysql
