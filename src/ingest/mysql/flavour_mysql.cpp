#include "ingest/mysql/flavour_mysql.h"

#include <array>
#include <charconv>

#include "base/failpoint.h"
#include "base/log.h"
#include "ingest/mysql/catalog.h"

namespace minato::ingest::mysql {
namespace {

constexpr unsigned long version_min = 80011;  // the first of 8.0 for general use
constexpr unsigned long status_renamed_in = 80200;
constexpr auto dump_gtid = static_cast<enum_server_command>(30);  // COM_BINLOG_DUMP_GTID

constexpr auto all_settings = std::to_array<Setting>({
    {"log_bin", "ON",
     "Remove disable_log_bin or skip_log_bin from the source's configuration, give it a server_id, "
     "and restart it."},
    {"binlog_format", "ROW", "SET PERSIST binlog_format='ROW'; then reconnect the applications."},
    {"binlog_row_image", "FULL",
     "SET PERSIST binlog_row_image='FULL'; then reconnect the applications."},
    {"binlog_row_value_options", "",
     "SET PERSIST binlog_row_value_options=''; then reconnect the applications: parts of JSON "
     "values cannot be applied."},
    {"enforce_gtid_consistency", "ON",
     "SET PERSIST enforce_gtid_consistency='WARN'; when the error log shows no warnings of it for "
     "a while, SET PERSIST enforce_gtid_consistency='ON'."},
    {"gtid_mode", "ON",
     "After enforce_gtid_consistency is ON, without a restart: SET PERSIST "
     "gtid_mode='OFF_PERMISSIVE'; then 'ON_PERMISSIVE'; wait until SHOW STATUS LIKE "
     "'ongoing_anonymous_transaction_count' is 0; then SET PERSIST gtid_mode='ON'."},
    {"log_replica_updates", "ON",
     "Remove skip_log_replica_updates from the source's configuration and restart it: while it is "
     "a replica, the changes that it replicates are not in its own log.",
     false},
});
constexpr auto all_privileges = std::to_array<Privilege>({
    {"SELECT", "SELECT"},
    {"LOCK TABLES", "LOCK TABLES"},
    {"REPLICATION SLAVE", "REPLICATION REPLICA"},
    {"REPLICATION CLIENT", "REPLICATION CLIENT"},
});

/// COM_BINLOG_DUMP_GTID (MySQL internals): all transactions that are not in `known`, in the log's
/// order.
std::string dump_gtid_payload(const wire::MysqlGtidSet& known, std::uint32_t server_id) {
  constexpr std::uint64_t heartbeat_v2 = 2;  // the old form cannot name offsets beyond 4 GiB
  const std::string set = known.encode();
  std::string payload;
  const auto put = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) payload += static_cast<char>(value >> (8 * i));
  };
  put(heartbeat_v2, 2);
  put(server_id, 4);
  put(0, 4);  // length of the file's name: the set decides where to begin
  put(4, 8);  // offset in it
  put(set.size(), 4);
  return payload + set;
}

std::string lock_statement(const std::vector<TableName>& tables) {
  std::string sql;
  for (const TableName& table : tables) {
    sql += sql.empty() ? "LOCK TABLES " : ", ";
    sql +=
        quote_mysql_identifier(table.schema) + "." + quote_mysql_identifier(table.name) + " READ";
  }
  return sql;
}

/// Those of `tables` that exist.
Result<std::vector<TableName>> existing(Connection& connection,
                                        const std::vector<TableName>& tables) {
  std::vector<TableName> found;
  for (const TableName& table : tables) {
    TRY_ASSIGN(const std::string one,
               connection.value("SELECT 1 FROM information_schema.tables WHERE table_schema=" +
                                literal(table.schema) + " AND table_name=" + literal(table.name)));
    if (!one.empty()) found.push_back(table);
  }
  return found;
}

/// Waits a moment for open transactions that wrote to the tables. Other writers of them wait behind
/// us meanwhile, so it gives up soon: the first read is tried again by itself.
Status lock(Connection& connection, std::vector<TableName> tables) {
  if (tables.empty()) return {};
  Status locked = connection.run(lock_statement(tables));
  if (!locked && locked.error().code == Code::not_found) {
    TRY_ASSIGN(tables, existing(connection, tables));  // some were dropped meanwhile
    if (tables.empty()) return {};
    locked = connection.run(lock_statement(tables));
  }
  if (locked || locked.error().code != Code::deadline) return locked;
  return fail(Code::unavailable,
              "The source's tables could not be locked for the moment that a first read needs: a "
              "transaction that wrote to one of them stays open. SELECT * FROM "
              "information_schema.innodb_trx shows it; XA RECOVER shows prepared ones.",
              locked.error().detail);
}

}  // namespace

Status FlavourMysql::check_version(const Connection& connection) const {
  if (connection.version_number() >= version_min) return {};
  return fail(Code::unsupported, "The source is MySQL " + connection.server_version() +
                                     ". Minato captures from MySQL 8.0 and later.");
}

Status FlavourMysql::lift_limits(Connection& connection) const {
  return connection.run("SET SESSION max_execution_time=0");
}

std::span<const Setting> FlavourMysql::settings() const { return all_settings; }
std::span<const Privilege> FlavourMysql::privileges() const { return all_privileges; }

Result<LogPosition> FlavourMysql::current(Connection& connection) const {
  LogPosition position;
  TRY_ASSIGN(const std::string gtids, connection.value("SELECT @@global.gtid_executed"));
  TRY_ASSIGN(position.gtids, GtidSet::parse(gtids));
  return position;
}

Result<LogPosition> FlavourMysql::log_end(Connection& connection) const {
  const bool renamed = connection.version_number() >= status_renamed_in;
  TRY_ASSIGN(const auto status,
             connection.rows(renamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS"));
  if (status.empty()) return fail(Code::invalid, "The source has no binary log.");
  LogPosition position;
  position.file = status[0][0].value_or("");
  const std::string offset = status[0][1].value_or("");
  std::from_chars(offset.data(), offset.data() + offset.size(), position.offset);
  TRY_ASSIGN(position.gtids, GtidSet::parse(status[0][4].value_or("")));
  return position;
}

/// A view does not know its place in the log, and gtid_executed lags behind what a view sees. So a
/// second connection keeps the tables' writers out for a moment: whoever held them has finished, in
/// the engine and in gtid_executed, before LOCK TABLES gets them. Transactions on other tables go
/// on; whether they are in the set or not does not matter to these tables. A lock whose holder is
/// not heard of, on a lost network or a machine that sleeps, is ended by the server after
/// `lock_seconds_max`; UNLOCK TABLES then fails, and so does the view.
Result<LogPosition> FlavourMysql::open_view(Connection& connection, Connection& helper,
                                            const std::vector<TableName>& tables) const {
  TRY(connection.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
  constexpr int lock_seconds_max = 10;
  TRY(helper.run("SET SESSION lock_wait_timeout=2, wait_timeout=" +
                 std::to_string(lock_seconds_max)));
  TRY(lock(helper, tables));
  TRY(failpoint("mysql.tables_locked"));
  TRY(connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT"));
  TRY_ASSIGN(LogPosition position, current(connection));
  TRY(helper.run("UNLOCK TABLES"));
  if (position.gtids.empty()) return position;  // file and offset would be the log's only order
  // Others go on writing: about here. They serve to measure; the set alone is the place.
  TRY_ASSIGN(const LogPosition end, log_end(connection));
  position.file = end.file;
  position.offset = end.offset;
  return position;
}

/// The log may be read before the server counts its end as executed (a commit that waits for a
/// replica's answer): so it is waited for.
Status FlavourMysql::check_reaches(Connection& connection, const LogPosition& from) const {
  if (from.gtids.empty()) return {};
  TRY_ASSIGN(const std::string waited, connection.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(" +
                                                        literal(from.gtids.text()) + ", 10)"));
  if (waited == "0") return {};
  TRY_ASSIGN(const LogPosition there, current(connection));
  return stands_before(there, from);
}

Status FlavourMysql::begin_stream(Connection& connection, const LogPosition& from,
                                  std::uint32_t server_id, std::chrono::seconds heartbeat) const {
  static const wire::MysqlGtidSet none;
  if (from.gtids.mysql() == nullptr && !from.gtids.empty())
    return other_flavour("MariaDB", "MySQL");
  TRY(check_reaches(connection, from));
  const std::string period = std::to_string(std::chrono::nanoseconds(heartbeat).count());
  // The names changed with 8.0.26; a server takes note of those that it knows.
  TRY(
      connection.run("SET @master_binlog_checksum=@@global.binlog_checksum, "
                     "@source_binlog_checksum=@@global.binlog_checksum, @master_heartbeat_period=" +
                     period + ", @source_heartbeat_period=" + period));
  const wire::MysqlGtidSet* known = from.gtids.mysql();
  return connection.command(dump_gtid,
                            dump_gtid_payload(known == nullptr ? none : *known, server_id));
}

Result<std::string> FlavourMysql::collation_charset(Connection& connection,
                                                    unsigned collation) const {
  return connection.value("SELECT character_set_name FROM information_schema.collations WHERE id=" +
                          std::to_string(collation));
}

}  // namespace minato::ingest::mysql
