// Writing files: rows from memory, rows from a query, positions of deleted rows. Nothing here
// becomes visible.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>

#include "base/failpoint.h"
#include "lake/lake_impl.h"
#include "lake/rows_function.h"
#include "lake/stats.h"

namespace minato::lake {
namespace {

// Iceberg's reserved field ids of position delete files; the extension finds the columns by name.
constexpr const char* kDeleteFieldIds = "{file_path: 2147483546, pos: 2147483545}";

/// Ordered by time, unique over processes: 48 bits of milliseconds, 80 random bits.
std::string unique_name() {
  static constexpr char kHex[] = "0123456789abcdef";
  thread_local std::mt19937_64 random{std::random_device{}() * 0x9e3779b97f4a7c15ULL ^
                                      std::random_device{}()};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  const std::uint64_t low = random();
  std::string out;
  for (int n = 44; n >= 0; n -= 4) out += kHex[ms >> n & 15];
  out += '-';
  const std::uint64_t more = random();
  for (int n = 12; n >= 0; n -= 4) out += kHex[more >> n & 15];
  for (int n = 60; n >= 0; n -= 4) out += kHex[low >> n & 15];
  return out;
}

/// What `select` must yield for the table: its columns in order, with its types.
std::string cast_columns(const LakeTable& table, const TableSchema& schema, Status& status) {
  std::string out;
  std::size_t found = 0;
  for (const LakeColumn& column : table.columns) {
    const std::string name = quote_identifier(column.column.name);
    const Column* given = nullptr;
    for (const Column& candidate : schema.columns) {
      if (candidate.name == column.column.name) given = &candidate;
    }
    if (!out.empty()) out += ", ";
    const std::string type = engine_type(column);
    if (given == nullptr) {
      out += initial_literal(column) + "::" + type + " AS " + name;
    } else if (sql_name(given->type) == type) {
      out += name;
    } else {
      out += "CAST(" + name + " AS " + type + ") AS " + name;
    }
    found += given != nullptr ? 1 : 0;
  }
  if (found != schema.columns.size()) {
    status = fail(Code::invalid, "The rows have columns that " + display(table.name) +
                                     " does not have in the lake.");
  }
  return out;
}

Result<std::vector<DataFile>> read_written(const LakeTable& table, Session& session,
                                           const std::string& copy) {
  TRY_ASSIGN(const Rows written, session.query(copy));
  std::vector<DataFile> files;
  for (const Chunk& chunk : written.chunks()) {
    for (std::size_t row = 0; row < chunk.rows(); ++row) {
      TRY_ASSIGN(DataFile file, parse_written_file(table, chunk, row));
      files.push_back(std::move(file));
    }
  }
  return files;
}

bool has_column(const LakeTable& table, std::initializer_list<TypeKind> kinds) {
  return std::ranges::any_of(table.columns, [&](const LakeColumn& column) {
    return std::ranges::find(kinds, column.column.type.kind) != kinds.end();
  });
}

std::string copy_options(const LakeTable& table, const std::string& compression,
                         std::size_t group_rows) {
  std::string out = " (FORMAT parquet, FIELD_IDS " + field_ids(table) + ", COMPRESSION " +
                    compression + ", DICTIONARY_SIZE_LIMIT 10000, RETURN_STATS, USE_TMP_FILE false";
  // The delta encodings of version 2 take a third of the space and of the time to read keys and
  // dates. Not where floating point would become BYTE_STREAM_SPLIT, which Spark 3.5 cannot read.
  if (!has_column(table, {TypeKind::float32, TypeKind::float64})) out += ", PARQUET_VERSION v2";
  // Measured beside the default level 3: two thirds of a file's time, and no larger.
  if (compression == "zstd") out += ", COMPRESSION_LEVEL 1";
  if (group_rows > 0) out += ", ROW_GROUP_SIZE " + std::to_string(group_rows);
  // The engine's reader hashes the printed form of a BLOB: with a Bloom filter, equality finds no
  // value that prints otherwise than it is.
  if (has_column(table, {TypeKind::blob})) out += ", WRITE_BLOOM_FILTER false";
  return out;
}

/// A type of the engine as one that files hold exactly.
ColumnType stored_type(const Type& type) {
  switch (type.id) {
    case TypeId::boolean: return {TypeKind::boolean};
    case TypeId::int8: return {TypeKind::int8};
    case TypeId::int16: return {TypeKind::int16};
    case TypeId::int32:
    case TypeId::null: return {TypeKind::int32};
    case TypeId::int64: return {TypeKind::int64};
    case TypeId::uint8: return {TypeKind::uint8};
    case TypeId::uint16: return {TypeKind::uint16};
    case TypeId::uint32: return {TypeKind::uint32};
    case TypeId::uint64: return {TypeKind::uint64};
    case TypeId::int128:
    case TypeId::uint128: return {TypeKind::decimal, 38, 0};
    case TypeId::float32: return {TypeKind::float32};
    case TypeId::float64: return {TypeKind::float64};
    case TypeId::decimal: return {TypeKind::decimal, type.precision, type.scale};
    case TypeId::blob: return {TypeKind::blob};
    case TypeId::date: return {TypeKind::date};
    case TypeId::time:
    case TypeId::time_ns: return {TypeKind::time};
    case TypeId::timestamp_s:
    case TypeId::timestamp_ms:
    case TypeId::timestamp:
    case TypeId::timestamp_ns: return {TypeKind::timestamp};
    case TypeId::timestamptz: return {TypeKind::timestamptz};
    default: return {TypeKind::varchar};
  }
}

}  // namespace

std::string engine_type(const LakeColumn& column) { return sql_name(column.column.type); }

std::string initial_literal(const LakeColumn& column) {
  return column.initial ? quote_literal(*column.initial) : "NULL";
}

std::string field_ids(const LakeTable& table) {
  std::string out = "{";
  for (const LakeColumn& column : table.columns) {
    if (out.size() > 1) out += ", ";
    out += quote_identifier(column.column.name) + ": " + std::to_string(column.column_id);
  }
  return out + "}";
}

Result<std::string> new_path(const LakeTable& table, bool on_disk, std::string_view suffix) {
  if (on_disk) {
    std::error_code error;
    std::filesystem::create_directories(table.path, error);
    if (error) {
      return fail(Code::unavailable, "The lake's directory " + table.path +
                                         " cannot be made: " + error.message() + ".");
    }
  }
  return table.path + "minato-" + unique_name() + std::string(suffix);
}

Status sync_files(const std::string& directory, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (::access(path.c_str(), R_OK) != 0) {
      return fail(Code::unavailable, "A file that was written is gone.", path);
    }
  }
  if (paths.empty()) return {};
  // One call for the file system: measured 40 times cheaper than fsync of 20 files and their
  // directories.
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    return fail(Code::unavailable, "The lake's directory cannot be opened.", directory);
  }
  const bool done = ::syncfs(descriptor) == 0;
  ::close(descriptor);
  if (done) return {};
  return fail(Code::exhausted, "Written files could not be brought to the disk.", directory);
}

Result<DataFile> Lake::write_rows(const LakeTable& table, const RowBatch& batch,
                                  std::span<const std::uint32_t> selection) {
  const RowsPart part{&batch, selection};
  return write_rows(table, std::span(&part, 1));
}

Result<DataFile> Lake::write_rows(const LakeTable& table, std::span<const RowsPart> parts) {
  CHECK(!parts.empty());
  const TableSchemaPtr& schema = parts.front().batch->schema;
  const auto next = [parts, &schema](RowsPart& part) mutable -> Status {
    part = parts.empty() ? RowsPart{} : parts.front();
    CHECK(parts.empty() || part.batch->schema->columns == schema->columns);
    if (!parts.empty()) parts = parts.subspan(1);
    return {};
  };
  return write_stream(table, schema, 0, next);
}

Result<DataFile> Lake::write_stream(const LakeTable& table, const TableSchemaPtr& schema,
                                    std::size_t group_rows, const NextRows& next) {
  Status status;
  const std::string columns = cast_columns(table, *schema, status);
  TRY(status);
  RowsFeed feed{schema, next, {}, 0};
  const LentRows lent(feed);
  TRY_ASSIGN(auto session, impl_->sessions.take());
  auto file = write_one(*impl_, table, *session,
                        "SELECT " + columns + " FROM minato_rows(" + lent.id() + ")", group_rows);
  TRY(feed.status);  // the engine only knows that there was one
  TRY(file);
  CHECK(file->record_count == feed.rows);
  return file;
}

Result<DataFile> write_one(Lake::Impl& impl, const LakeTable& table, Session& session,
                           const std::string& select, std::size_t group_rows) {
  TRY_ASSIGN(const std::string path, new_path(table, impl.on_disk(), ".parquet"));
  FileHold hold = impl.hold(path);
  TRY(failpoint("lake.file_write"));
  TRY_ASSIGN(std::vector<DataFile> files,
             read_written(table, session,
                          "COPY (" + select + ") TO " + quote_literal(path) +
                              copy_options(table, impl.options.compression, group_rows) + ")"));
  CHECK(files.size() == 1);
  TRY(failpoint("lake.file_written"));
  files.front().hold = std::move(hold);
  return std::move(files.front());
}

Result<std::vector<Column>> Lake::columns_of(Session& session, const std::string& select) {
  TRY_ASSIGN(const Prepared prepared, session.prepare(select));
  if (prepared.kind() != StatementKind::select) {
    return fail(Code::invalid, "This is not a SELECT.");
  }
  std::vector<Column> columns;
  for (const ResultColumn& column : prepared.columns()) {
    columns.push_back({column.name, stored_type(column.type), true, ""});
  }
  return columns;
}

Result<std::vector<DataFile>> Lake::write_query(const LakeTable& table, Session& session,
                                                const std::string& select) {
  std::string columns;
  std::string aliases;
  for (std::size_t n = 0; n < table.columns.size(); ++n) {
    const std::string name = quote_identifier(table.columns[n].column.name);
    const std::string alias = "c" + std::to_string(n + 1);
    if (n > 0) {
      columns += ", ";
      aliases += ", ";
    }
    columns += "CAST(" + alias + " AS " + engine_type(table.columns[n]) + ") AS " + name;
    aliases += alias;
  }
  TRY_ASSIGN(DataFile file,
             write_one(*impl_, table, session,
                       "SELECT " + columns + " FROM (" + select + "\n) q(" + aliases + ")"));
  std::vector<DataFile> files;
  if (file.record_count > 0) files.push_back(std::move(file));
  return files;
}

Result<DeleteFile> Lake::write_deletes(const LakeTable& table, const std::string& data_file_path,
                                       std::span<const std::uint32_t> positions) {
  CHECK(!positions.empty());
  for (std::size_t n = 1; n < positions.size(); ++n) CHECK(positions[n - 1] < positions[n]);
  TRY_ASSIGN(const std::string path, new_path(table, impl_->on_disk(), "-delete.parquet"));
  FileHold hold = impl_->hold(path);
  TRY(failpoint("lake.delete_file_write"));
  const LentPositions lent(positions);
  TRY_ASSIGN(auto session, impl_->sessions.take());
  LakeTable none;
  TRY_ASSIGN(const std::vector<DataFile> files,
             read_written(none, *session,
                          "COPY (SELECT " + quote_literal(data_file_path) +
                              " AS file_path, pos FROM minato_positions(" + lent.id() + ")) TO " +
                              quote_literal(path) + " (FORMAT parquet, FIELD_IDS " +
                              kDeleteFieldIds + ", RETURN_STATS, USE_TMP_FILE false)"));
  CHECK(files.size() == 1 && files.front().record_count == positions.size());
  return DeleteFile{path, std::move(hold), files[0].record_count, files[0].file_size_bytes,
                    files[0].footer_size};
}

HeldFile::~HeldFile() {
  if (kept_) return;
  std::error_code ignored;
  if (on_disk_) std::filesystem::remove(path_, ignored);
  all_->release(path_);
}

}  // namespace minato::lake
