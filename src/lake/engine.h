// The engine (DuckDB) behind types of our own: instances, sessions, prepared statements, results by
// chunk. No other room sees duckdb.h. Values are read in place, in the engine's layout
// (little-endian; see model/batch.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/batch.h"

namespace minato::lake {

__extension__ typedef __int128 Int128;

enum class TypeId : std::uint8_t {
  boolean,
  int8,
  int16,
  int32,
  int64,
  int128,
  uint8,
  uint16,
  uint32,
  uint64,
  uint128,
  float32,
  float64,
  decimal,  // int16/int32/int64/Int128 by precision, as in ColumnType
  varchar,
  blob,
  bit,      // StringRef
  date,     // int32 days
  time,     // int64 µs
  time_ns,  // int64 ns
  timetz,   // uint64: µs << 24 | (57599 − offset seconds)
  timestamp_s,
  timestamp_ms,
  timestamp,
  timestamp_ns,  // int64
  timestamptz,   // int64 µs UTC
  interval,      // Interval
  uuid,          // Int128, upper bit flipped
  enumeration,   // uint8/uint16/uint32 index into `names`, by their number
  list,          // ListEntry into child(0)
  array,         // `array_size` values each in child(0)
  structure,     // children by `names`
  map,           // ListEntry into child(0), a structure {key, value}
  union_,        // structure whose first child is the tag
  null,          // the type of a bare NULL
  unknown,       // of a parameter whose type nothing tells; also types that we do not read
};

struct Interval {
  std::int32_t months = 0;
  std::int32_t days = 0;
  std::int64_t micros = 0;
};
struct ListEntry {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Type {
  TypeId id = TypeId::unknown;
  std::uint8_t precision = 0;  // decimal
  std::uint8_t scale = 0;      // decimal
  std::uint64_t array_size = 0;
  std::vector<Type> children;
  std::vector<std::string> names;  // fields of a structure, values of an enumeration
  std::string alias;               // "JSON" for VARCHAR with that alias
  bool operator==(const Type&) const = default;
};
/// As in SQL: "DECIMAL(18,2)", "INTEGER[]", "STRUCT(a INTEGER)".
std::string sql_name(const Type& type);

struct ResultColumn {
  std::string name;
  Type type;
};

/// A column of a chunk (or a child of one). Borrowed: valid as long as its Chunk.
class Vector {
 public:
  Vector(const Type* type, void* handle);
  const Type& type() const { return *type_; }
  bool is_null(std::size_t row) const {
    return validity_ != nullptr && (validity_[row >> 6] >> (row & 63) & 1) == 0;
  }
  template <class T>
  T get(std::size_t row) const {
    T value;
    std::memcpy(static_cast<void*>(&value), data_ + row * sizeof(T), sizeof(T));
    return value;
  }
  /// varchar, blob, bit. Points into the chunk.
  std::string_view string(std::size_t row) const {
    return reinterpret_cast<const StringRef*>(data_)[row].view();
  }
  const std::byte* data() const { return data_; }
  const std::uint64_t* validity() const { return validity_; }  // nullptr: no NULLs
  /// list, array, map: 0; structure, union_: the field's number.
  Vector child(std::size_t index) const;

 private:
  const Type* type_;
  void* handle_;
  const std::byte* data_;
  const std::uint64_t* validity_;
};

/// The value as the engine prints it ('2024-01-01', '[1, 2]', '12.50'); nullopt for NULL.
std::optional<std::string> to_text(const Vector& vector, std::size_t row);

/// Up to 2048 rows. Owns its values. Must not outlive the ResultStream that it came from.
class Chunk {
 public:
  Chunk(void* handle, const std::vector<ResultColumn>* columns)
      : handle_(handle), columns_(columns) {}
  Chunk(Chunk&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), columns_(other.columns_) {}
  Chunk& operator=(Chunk&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(columns_, other.columns_);
    return *this;
  }
  ~Chunk();
  std::size_t rows() const;
  std::size_t columns() const { return columns_->size(); }
  Vector column(std::size_t index) const;

 private:
  void* handle_;
  const std::vector<ResultColumn>* columns_;
};

/// What kind of statement ran or was prepared.
enum class StatementKind : std::uint8_t {
  select,
  insert,
  update,
  remove,
  explain,
  create,
  drop,
  alter,
  copy,
  attach,
  set,
  transaction,
  other
};

/// A result that is read chunk by chunk while the statement runs. Ends with the session's next
/// statement.
class ResultStream {
 public:
  ResultStream(ResultStream&&) noexcept;
  ResultStream& operator=(ResultStream&&) noexcept;
  ~ResultStream();
  const std::vector<ResultColumn>& columns() const;
  StatementKind kind() const;
  /// The next rows; nullopt at the end. Errors as of Session::query().
  Result<std::optional<Chunk>> next();

  struct Impl;
  explicit ResultStream(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

/// A small result as a whole.
class Rows {
 public:
  explicit Rows(ResultStream stream);
  Rows(Rows&&) noexcept = default;
  Rows& operator=(Rows&&) noexcept = default;
  std::size_t size() const { return total_; }
  const std::vector<ResultColumn>& columns() const { return stream_->columns(); }
  bool is_null(std::size_t row, std::size_t column) const;
  /// As to_text(); "" for NULL.
  std::string text(std::size_t row, std::size_t column) const;
  /// Any integer or boolean type; NULL is 0. CHECKs that the value fits.
  std::int64_t integer(std::size_t row, std::size_t column) const;
  const std::vector<Chunk>& chunks() const { return chunks_; }

 private:
  friend class Session;
  std::unique_ptr<ResultStream> stream_;  // owns the column descriptions that the chunks point to
  std::vector<Chunk> chunks_;
  std::size_t total_ = 0;
};

struct Blob {
  std::string bytes;
};
/// What can be bound to a parameter: NULL, BOOLEAN, BIGINT, DOUBLE, VARCHAR, BLOB; the statement
/// casts.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, Blob>;

/// A prepared statement of one session (which must outlive it).
class Prepared {
 public:
  Prepared(Prepared&&) noexcept;
  Prepared& operator=(Prepared&&) noexcept;
  ~Prepared();
  StatementKind kind() const;
  /// Without running: types are `unknown` where a parameter's type is not known yet.
  const std::vector<ResultColumn>& columns() const;
  const std::vector<Type>& parameters() const;
  /// Binds all parameters and runs. `values.size()` must equal `parameters().size()`.
  Result<ResultStream> execute(const std::vector<Value>& values);

  struct Impl;
  explicit Prepared(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

/// A connection to an engine: one thread at a time, but interrupt() from any.
/// Errors: invalid (syntax, types, values), not_found, conflict (transactions), cancelled
/// (interrupted), exhausted (memory, disk), unavailable (I/O, catalogue connection), forbidden
/// (locked configuration), internal. Error.message is a plain sentence without engine text;
/// Error.detail carries the engine's text.
class Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// One or more statements; the rows of the last one.
  Result<Rows> query(const std::string& sql);
  /// The same with parameters $1…: one statement.
  Result<Rows> query(const std::string& sql, const std::vector<Value>& values);
  /// One statement, for its effect.
  Status run(const std::string& sql);
  /// One statement, read as it runs.
  Result<ResultStream> stream(const std::string& sql);
  /// One statement.
  Result<Prepared> prepare(const std::string& sql);
  /// Ends the running statement with Error{cancelled}. Safe from any thread while the session
  /// lives.
  void interrupt();
  /// 0…100 of the running statement, −1 when unknown. Safe from any thread.
  double progress() const;

  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }  // for src/lake only

 private:
  static Result<Rows> collect(ResultStream stream);
  std::unique_ptr<Impl> impl_;
};

struct EngineOptions {
  std::string extension_dir;  // <name>.duckdb_extension; empty: the default
  std::vector<std::string> extensions = {"postgres_scanner", "ducklake"};  // + "httpfs" for S3
  bool check_signatures = false;  // even of extensions that only root and their owner can change
  std::uint64_t memory_limit_mb = 1024;
  int threads = 0;                   // 0: one per core
  std::string spill_dir;             // empty: nothing is spilled
  std::uint64_t spill_limit_mb = 0;  // 0: the engine's default
};

/// `extensions` beside libduckdb.so.
std::string default_extension_dir();

/// One instance of the engine, in memory; what outlives it is in the lake. Thread-safe.
/// Not for static storage: the library keeps thread-local state, which is gone before statics are.
class Engine {
 public:
  /// Loads the extensions by path. Unsigned, automatic and community extensions are off, but for
  /// `extensions` themselves where only root and the owner of libduckdb.so can change them
  /// (check_signatures: these too); times are UTC.
  static Result<Engine> open(const EngineOptions& options);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();
  Result<Session> connect() const;

  struct Impl;
  explicit Engine(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;  // shared with sessions
};

struct S3Options {
  std::string endpoint;  // host:port; empty: AWS
  std::string region;
  std::string access_key;
  std::string secret_key;
  std::string url_style;  // "path" or "vhost"; empty: the engine's default
  bool use_ssl = true;
};

struct LakeOptions {
  std::string catalog_conninfo;  // libpq keywords or URL of the PostgreSQL database; may hold a
                                 // password
  std::string data_path;         // absolute directory or s3://bucket/prefix
  std::optional<S3Options> s3;   // secret for data_path
  bool read_only = false;
};

/// Attaches the lake AS minato for all sessions of the engine, through secrets: no password shows
/// in any system table. Without `read_only`, an empty catalogue is initialised. Error{unavailable}
/// when PostgreSQL cannot be reached.
Status attach_lake(Engine& engine, const LakeOptions& options);

/// Second layer of defence for people's SQL, after attach_lake(): no external access but below
/// `directories`, configuration locked. Cannot be undone.
Status lock_down(Engine& engine, const std::vector<std::string>& directories);

}  // namespace minato::lake
