// A source of ordered changes: what each database adapter offers to apply. The adapter owns its
// connections and its reader thread; it never writes to the lake and keeps no state that must
// survive the process.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/change.h"

namespace minato::ingest {

/// How far a connection to a source is to be encrypted: the words and meanings of PostgreSQL's
/// sslmode, except that `prefer` does not fall back when a handshake fails.
enum class TlsMode { disable, prefer, require, verify_full };

struct TlsOptions {
  TlsMode mode = TlsMode::prefer;
  // PEM files, by absolute paths:
  std::string ca_file;    // of verify_full; empty: the system's authorities
  std::string cert_file;  // our own certificate, for accounts that need one
  std::string key_file;
  bool operator==(const TlsOptions&) const = default;
};
/// disable, prefer, require, verify-full.
std::optional<TlsMode> tls_mode(std::string_view word);

struct SourceOptions {
  std::string name;  // as in minato.toml
  std::string host;
  int port = 3306;
  std::string user;
  std::string password;  // never logged
  TlsOptions tls;
  std::vector<std::string> tables;                  // patterns, see matches_pattern()
  std::size_t batch_rows_max = 200'000;             // a piece is handed over at the latest here …
  std::size_t batch_bytes_max = 128 * 1024 * 1024;  // … or here, inside a transaction if need be
};

/// Tables as of one position of the stream.
struct View {
  Position position;
  std::vector<TableSchemaPtr> shapes;
};
/// Called once, before the first row: the view stands, and the rows will have these shapes.
using ViewOpened = std::function<Status(const View&)>;
/// Called with up to ~100,000 rows of one table at a time, tables one after another; takes the
/// batch.
using SnapshotSink = std::function<Status(RowBatch&&)>;

class Source {
 public:
  virtual ~Source() = default;

  /// The tables that match the patterns now, with their shapes. Errors name the privilege or
  /// setting to fix.
  virtual Result<std::vector<TableSchemaPtr>> tables() = 0;
  /// Bytes of their rows, as the source estimates them now; tables that it does not know are left
  /// out.
  virtual Result<std::map<TableName, std::uint64_t>> sizes() = 0;

  /// Reads `tables` as of one position of the stream without blocking the source's writers beyond a
  /// moment. From `opened` on, another thread may start() and follow the stream meanwhile.
  virtual Status snapshot(const std::vector<TableName>& tables, const ViewOpened& opened,
                          const SnapshotSink& sink, std::stop_token stop) = 0;

  /// Begins to stream after `from`, where the tables had these shapes. Reads ahead on a thread of
  /// its own, at most about two pieces. Reconnects by itself; Error{source_gap} when the source no
  /// longer has `from`. With `cut`, the piece that reaches that position ends exactly there, and
  /// the tables that the last snapshot() reads as of `cut` are followed from there on (also when
  /// `from` is there already).
  virtual Status start(const Position& from, const std::vector<TableSchemaPtr>& shapes,
                       const std::optional<Position>& cut = std::nullopt) = 0;

  /// The next piece: everything that arrived up to the last whole transaction (or the limits);
  /// nothing when `wait` passes without any. An Error is final for this stream: stop(), then
  /// start() again.
  virtual Result<std::optional<StreamBatch>> next(std::chrono::milliseconds wait) = 0;
  virtual void stop() = 0;

  /// Where the source stands now, asked over a connection of its own.
  virtual Result<Position> current_position() = 0;
  /// True when all that is before `wanted` is also before or at `reached`.
  virtual bool covers(const Position& reached, const Position& wanted) const = 0;

  struct Lag {
    // Of the source's log after the stored position; nothing: not known now.
    std::optional<std::uint64_t> bytes;
    bool connected = false;
    std::chrono::milliseconds silent{0};  // since the source was last heard of
    std::string error;                    // why not connected, for status
  };
  /// Never waits for the source.
  virtual Lag lag(const Position& stored) = 0;
};

/// Whom and what these options capture, for people; other settings, other text.
std::string describe(const SourceOptions& options);
/// URL: mysql://user@host:port/. Error{invalid} with the expected form.
Result<SourceOptions> parse_source_url(std::string_view url);
std::unique_ptr<Source> make_mysql_source(SourceOptions options);

}  // namespace minato::ingest
