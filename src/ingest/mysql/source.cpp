// The MariaDB or MySQL source behind ingest/source.h.
#include <charconv>

#include "ingest/mysql/catalog.h"
#include "ingest/mysql/flavour.h"
#include "ingest/mysql/log_gauge.h"
#include "ingest/mysql/snapshot.h"
#include "ingest/mysql/stream.h"
#include "ingest/source.h"

namespace minato::ingest {
namespace {

constexpr std::chrono::seconds statement_max{60};

class MysqlSource : public Source {
 public:
  explicit MysqlSource(SourceOptions options)
      : options_(std::move(options)), stream_(options_), gauge_(options_) {}

  Result<std::vector<TableSchemaPtr>> tables() override {
    TRY_ASSIGN(auto connection, mysql::Connection::open(options_, statement_max));
    return mysql::read_shapes(connection, options_.tables);
  }

  Result<std::map<TableName, std::uint64_t>> sizes() override {
    TRY_ASSIGN(auto connection, mysql::Connection::open(options_, statement_max));
    return mysql::read_sizes(connection, options_.tables);
  }

  Status snapshot(const std::vector<TableName>& tables, const ViewOpened& opened,
                  const SnapshotSink& sink, std::stop_token stop) override {
    const auto remember = [&](const mysql::LogPosition& position,
                              const std::vector<TableSchemaPtr>& shapes) {
      read_ = {position, shapes};
      return opened({position.position(), shapes});
    };
    return mysql::read_snapshot(options_, tables, remember, sink, std::move(stop));
  }

  Status start(const Position& from, const std::vector<TableSchemaPtr>& shapes,
               const std::optional<Position>& cut) override {
    stream_.stop();
    std::optional<mysql::Assembler::Join> join = std::exchange(read_, {});
    if (cut) {
      TRY_ASSIGN(auto position, mysql::LogPosition::parse(cut->text));
      const bool same = join && join->position == position;
      if (!same) join.emplace();
      join->position = std::move(position);
    }
    return stream_.start(from, shapes, std::move(join));
  }
  Result<std::optional<StreamBatch>> next(std::chrono::milliseconds wait) override {
    if (!stream_.running()) return fail(Code::cancelled, "the stream was not started");
    return stream_.next(wait);
  }
  void stop() override { stream_.stop(); }

  Result<Position> current_position() override {
    TRY_ASSIGN(auto connection, mysql::Connection::open(options_, statement_max));
    TRY_ASSIGN(const auto position, mysql::Flavour::of(connection).current(connection));
    return position.position();
  }

  bool covers(const Position& reached, const Position& wanted) const override {
    const auto have = mysql::LogPosition::parse(reached.text);
    const auto want = mysql::LogPosition::parse(wanted.text);
    return have && want && have->covers(*want);
  }

  Lag lag(const Position& stored) override {
    Lag lag = stream_.lag();
    if (const auto from = mysql::LogPosition::parse(stored.text)) lag.bytes = gauge_.behind(*from);
    return lag;
  }

 private:
  SourceOptions options_;
  mysql::Stream stream_;
  mysql::LogGauge gauge_;
  std::optional<mysql::Assembler::Join> read_;  // the view of the last snapshot(), until start()
};

}  // namespace

std::optional<TlsMode> tls_mode(std::string_view word) {
  if (word == "disable") return TlsMode::disable;
  if (word == "prefer") return TlsMode::prefer;
  if (word == "require") return TlsMode::require;
  if (word == "verify-full") return TlsMode::verify_full;
  return std::nullopt;
}

std::string describe(const SourceOptions& options) {
  std::string out = options.user + "@" + options.host + ":" + std::to_string(options.port) + ":";
  for (const std::string& pattern : options.tables) out += " " + pattern;
  return out;
}

Result<SourceOptions> parse_source_url(std::string_view url) {
  const auto bad = [] {
    return fail(Code::invalid,
                "A source is written as mysql://user@host:port/ (the password goes into "
                "password_file; port 3306 may be left out).");
  };
  for (const std::string_view scheme : {"mysql://", "mariadb://"}) {
    if (!url.starts_with(scheme)) continue;
    std::string_view rest = url.substr(scheme.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
    const auto at = rest.rfind('@');
    if (at == std::string_view::npos || at == 0 || rest.find('/') != std::string_view::npos)
      return bad();
    SourceOptions options;
    options.user = std::string(rest.substr(0, at));
    std::string_view host = rest.substr(at + 1);
    const auto colon = host.rfind(':');
    const bool v6 = host.starts_with('[');
    if (colon != std::string_view::npos && (!v6 || host[colon - 1] == ']')) {
      const std::string_view port = host.substr(colon + 1);
      const auto [end, error] =
          std::from_chars(port.data(), port.data() + port.size(), options.port);
      if (error != std::errc() || end != port.data() + port.size()) return bad();
      host = host.substr(0, colon);
    }
    if (v6 && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty() || options.port < 1 || options.port > 65535) return bad();
    if (options.user.find(':') != std::string::npos) return bad();
    options.host = std::string(host);
    return options;
  }
  return bad();
}

std::unique_ptr<Source> make_mysql_source(SourceOptions options) {
  return std::make_unique<MysqlSource>(std::move(options));
}

}  // namespace minato::ingest
