#include "ingest/mysql/connection.h"

#include <errmsg.h>
#include <mysqld_error.h>

#include <algorithm>
#include <mutex>

#include "base/check.h"
#include "ingest/mysql/flavour.h"

namespace minato::ingest::mysql {
namespace {

constexpr unsigned long packet_bytes_max = 1UL << 30;
constexpr unsigned connect_seconds = 10;
constexpr unsigned secure_transport_required = 3159;
constexpr unsigned ended_idle = 4031;        // ER_CLIENT_INTERACTION_TIMEOUT of MySQL
constexpr unsigned source_log_fatal = 1236;  // ER_MASTER_FATAL_ERROR_READING_BINLOG

bool says_one_of(std::string_view text, std::initializer_list<std::string_view> signs) {
  return std::ranges::any_of(
      signs, [&](std::string_view sign) { return text.find(sign) != std::string_view::npos; });
}

/// Number 1236 is for all that ends a binary log dump; these say that it will never go on from
/// here.
bool log_is_gone(std::string_view text) {
  return says_one_of(text,
                     {"purged", "Could not find first log file", "not in the master's binlog",
                      "position > file size", "more GTIDs than the ", "anonymous transaction"});
}

/// CR_SSL_CONNECTION_ERROR is also for encrypted connections that break.
bool tls_is_refused(std::string_view text) {
  return says_one_of(text, {"certificate", "required", "alert", "version", "mismatch",
                            "no start line", "unsupported"});
}

tl::unexpected<Error> not_encrypted(const std::string& text, const std::string& where,
                                    const std::string& detail) {
  return fail(Code::unauthenticated,
              "No encrypted connection to the source " + where + ": " + text +
                  ". Check `tls` and `tls_ca_file` of this source, and the server's certificate.",
              detail);
}

tl::unexpected<Error> to_error(unsigned number, const std::string& text, const std::string& where,
                               const std::string& doing) {
  const std::string detail = doing + ": " + std::to_string(number) + " " + text;
  switch (number) {
    case ER_ACCESS_DENIED_ERROR:
      return fail(Code::unauthenticated,
                  "The source refuses " + where +
                      ": wrong user or password. Check `url` and `password_file`.",
                  detail);
    case ER_HOST_NOT_PRIVILEGED:
    case ER_HOST_IS_BLOCKED:
      return fail(Code::forbidden,
                  "The source does not let this machine connect as " + where + ": " + text, detail);
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
      return fail(Code::forbidden,
                  "The source's account " + where + " lacks a privilege: " + text +
                      ". Needed: GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT (and at "
                      "MySQL LOCK TABLES) ON *.* TO the account.",
                  detail);
    case source_log_fatal:
      if (!log_is_gone(text)) {
        return fail(Code::unavailable, "The source cannot send its binary log: " + text, detail);
      }
      return fail(Code::source_gap,
                  "The source no longer has its binary log from where Minato stopped: " + text,
                  detail);
    case ER_LOCK_WAIT_TIMEOUT:
      return fail(Code::deadline, "A lock at the source was not to be had in time.", detail);
    case secure_transport_required:
      return fail(Code::forbidden,
                  "The source takes only connections with TLS (require_secure_transport=ON). Take "
                  "out tls = \"disable\" of this source.",
                  detail);
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
      return fail(Code::unsupported,
                  "This machine cannot log in as the account " + where + " wants it: " + text +
                      ". Install the package libmariadb3, or let the account use "
                      "caching_sha2_password.",
                  detail);
    case ER_TABLE_DEF_CHANGED:
      return fail(Code::conflict, "A table changed its shape while it was read.", detail);
    case ER_NO_SUCH_TABLE:
      return fail(Code::not_found, "A table is gone from the source: " + text, detail);
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
      return fail(Code::unavailable,
                  "The source " + where + " cannot be reached: " + text +
                      ". Is it running, and are host and port right?",
                  detail);
    case CR_SSL_CONNECTION_ERROR:
      if (tls_is_refused(text)) return not_encrypted(text, where, detail);
      [[fallthrough]];
    default:
      // 2000…2999 are the client library's own: the connection broke. So do 1040, 1053, 1158…1161,
      // 1927, 4031.
      if ((number >= 2000 && number < 3000) || number == ER_CON_COUNT_ERROR ||
          number == ER_SERVER_SHUTDOWN ||
          (number >= ER_NET_READ_ERROR_FROM_PIPE && number <= ER_NET_WRITE_INTERRUPTED) ||
          number == ER_CONNECTION_KILLED || number == ended_idle) {
        return fail(Code::unavailable, "The connection to the source " + where + " broke: " + text,
                    detail);
      }
      return fail(Code::internal, "The source " + where + " answered an error: " + text, detail);
  }
}

void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
}

/// To be called before the connection is made; nothing of the account is sent in the clear where
/// TLS is verified (libmariadb 3.3, send_client_reply_packet: it refuses a server without TLS
/// then).
void encrypt(MYSQL* mysql, const TlsOptions& tls) {
  const my_bool wanted = tls.mode != TlsMode::disable;
  const my_bool verified = tls.mode == TlsMode::verify_full;
  mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &wanted);
  mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified);
  if (!wanted) return;
  mysql_options(mysql, MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
  const auto file = [&](mysql_option option, const std::string& path) {
    if (!path.empty()) mysql_options(mysql, option, path.c_str());
  };
  file(MYSQL_OPT_SSL_CA, tls.ca_file);
  file(MYSQL_OPT_SSL_CERT, tls.cert_file);
  file(MYSQL_OPT_SSL_KEY, tls.key_file);
}

}  // namespace

tl::unexpected<Error> Connection::error(const std::string& doing) const {
  return to_error(mysql_errno(mysql_.get()), mysql_error(mysql_.get()), where_, doing);
}

tl::unexpected<Error> Connection::error(MYSQL_STMT* statement, const std::string& doing) const {
  return to_error(mysql_stmt_errno(statement), mysql_stmt_error(statement), where_, doing);
}

Result<Connection> Connection::open(const SourceOptions& options, std::chrono::seconds silence) {
  initialise_library();
  std::unique_ptr<MYSQL, Close> mysql(mysql_init(nullptr));
  CHECK(mysql != nullptr);
  const auto seconds = static_cast<unsigned>(silence.count());
  const unsigned connecting = std::min(connect_seconds, seconds);
  mysql_options(mysql.get(), MYSQL_OPT_CONNECT_TIMEOUT, &connecting);
  mysql_options(mysql.get(), MYSQL_OPT_READ_TIMEOUT, &seconds);
  mysql_options(mysql.get(), MYSQL_OPT_WRITE_TIMEOUT, &seconds);
  mysql_options(mysql.get(), MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_bytes_max);
  mysql_options(mysql.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_options4(mysql.get(), MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "minato");
  encrypt(mysql.get(), options.tls);
  Connection connection(std::move(mysql),
                        options.user + "@" + options.host + ":" + std::to_string(options.port));
  // TCP always: "localhost" would mean the Unix socket to the library.
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  if (mysql_real_connect(connection.mysql_.get(), host.c_str(), options.user.c_str(),
                         options.password.c_str(), nullptr, static_cast<unsigned>(options.port),
                         nullptr, 0) == nullptr) {
    return connection.error("connect");
  }
  if (options.tls.mode >= TlsMode::require && connection.encryption().empty()) {
    return fail(Code::unauthenticated,
                "The source " + connection.where_ +
                    " offers no TLS, which `tls` of this source requires. Give the server a "
                    "certificate (ssl_cert, ssl_key).");
  }
  const Flavour& flavour = Flavour::of(connection);
  TRY(flavour.check_version(connection));
  TRY(connection.run("SET NAMES utf8mb4"));
  // A lake that stalls holds up rows for up to an hour. Who says nothing between two statements is
  // given up sooner: what it holds at the source (a view, metadata locks) is in others' way.
  TRY(
      connection.run("SET SESSION sql_mode='', time_zone='+00:00', net_write_timeout=3600, "
                     "net_read_timeout=3600, wait_timeout=600"));
  TRY(flavour.lift_limits(connection));
  return connection;
}

Status Connection::run(const std::string& sql) {
  TRY_ASSIGN(const auto ignored, rows(sql));
  (void)ignored;
  return {};
}

Result<std::vector<Row>> Connection::rows(const std::string& sql) {
  if (mysql_real_query(mysql_.get(), sql.data(), sql.size()) != 0) return error(sql);
  std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> result(mysql_store_result(mysql_.get()),
                                                          mysql_free_result);
  std::vector<Row> rows;
  if (result == nullptr) {
    if (mysql_errno(mysql_.get()) != 0) return error(sql);
    return rows;
  }
  const unsigned fields = mysql_num_fields(result.get());
  while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
    const unsigned long* lengths = mysql_fetch_lengths(result.get());
    Row& made = rows.emplace_back();
    for (unsigned i = 0; i < fields; ++i) {
      if (row[i] == nullptr) {
        made.emplace_back();
      } else {
        made.emplace_back(std::string(row[i], lengths[i]));
      }
    }
  }
  return rows;
}

Result<std::string> Connection::value(const std::string& sql) {
  TRY_ASSIGN(const auto found, rows(sql));
  if (found.empty() || found[0].empty() || !found[0][0]) return std::string();
  return *found[0][0];
}

Result<std::vector<std::uint8_t>> Connection::begin_rows(const std::string& sql) {
  CHECK(statement_ == nullptr);
  std::unique_ptr<MYSQL_STMT, Close> statement(mysql_stmt_init(mysql_.get()));
  CHECK(statement != nullptr);
  if (mysql_stmt_prepare(statement.get(), sql.data(), sql.size()) != 0 ||
      mysql_stmt_execute(statement.get()) != 0) {
    return error(statement.get(), sql);
  }
  std::vector<std::uint8_t> types;
  const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> described(
      mysql_stmt_result_metadata(statement.get()), mysql_free_result);
  if (described == nullptr) return error(statement.get(), sql);
  for (unsigned i = 0; i < mysql_num_fields(described.get()); ++i) {
    types.push_back(static_cast<std::uint8_t>(mysql_fetch_field_direct(described.get(), i)->type));
  }
  statement_ = std::move(statement);
  return types;
}

Status Connection::command(enum_server_command command, const std::string& payload) {
  if (mysql_->methods->db_command(mysql_.get(), command, payload.data(), payload.size(), 1,
                                  nullptr) != 0) {
    return error("command " + std::to_string(command));
  }
  return {};
}

Result<wire::Bytes> Connection::packet() {
  const unsigned long size = mysql_net_read_packet(mysql_.get());
  if (size == packet_error) return error("read");
  return wire::Bytes(mysql_->net.read_pos, size);
}

bool Connection::is_mariadb() const {
  return server_version().find("MariaDB") != std::string::npos;
}
std::string Connection::encryption() const {
  const char* cipher = mysql_get_ssl_cipher(mysql_.get());
  if (cipher == nullptr) return {};
  const char* version = nullptr;
  mariadb_get_infov(mysql_.get(), MARIADB_CONNECTION_TLS_VERSION, &version);
  return (version != nullptr ? std::string(version) + " " : "") + cipher;
}
std::string Connection::server_version() const { return mysql_get_server_info(mysql_.get()); }
unsigned long Connection::version_number() const { return mysql_get_server_version(mysql_.get()); }

std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace minato::ingest::mysql
