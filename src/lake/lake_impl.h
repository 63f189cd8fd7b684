// Inside src/lake only: what Lake holds.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "lake/engine_impl.h"
#include "lake/pool.h"
#include "lake/writer.h"

namespace minato::lake {

/// All writers of the catalogue take this advisory lock in their transaction.
inline constexpr std::int64_t kCommitLock = 0x6d696e61746f0001;
/// One maintenance of the lake at a time.
inline constexpr std::int64_t kMaintenanceLock = 0x6d696e61746f0002;

/// Files that this process wrote and may still commit: clean-up must not take them for orphans. For
/// a day, in case that whoever wrote them gave up.
class PendingFiles {
 public:
  void add(const std::string& path) {
    const std::lock_guard lock(mutex_);
    since_[path] = std::chrono::steady_clock::now();
  }
  void settle(const std::string& path) {
    const std::lock_guard lock(mutex_);
    since_.erase(path);
  }
  bool contains(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto limit = std::chrono::steady_clock::now() - std::chrono::hours(24);
    std::erase_if(since_, [&](const auto& entry) { return entry.second < limit; });
    return since_.contains(path);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::chrono::steady_clock::time_point> since_;
};

struct Lake::Impl {
  Impl(Engine& lake_engine, WriterOptions writer_options)
      : engine(lake_engine),
        options(std::move(writer_options)),
        sessions([this] { return engine.connect(); }),
        connections([this] { return pg::Connection::open(options.lake.catalog_conninfo); },
                    [](pg::Connection& connection) {
                      // Reads the end of a connection that the server closed.
                      return PQconsumeInput(connection.handle()) == 1 && connection.alive() &&
                             PQtransactionStatus(connection.handle()) == PQTRANS_IDLE;
                    }) {}

  /// As Lake::discard().
  void discard(const std::string& path);
  bool on_disk() const { return options.lake.data_path.find("://") == std::string::npos; }

  Engine& engine;
  WriterOptions options;
  std::string data_path;  // with a slash at the end
  Pool<Session> sessions;
  Pool<pg::Connection> connections;
  PendingFiles pending;
};

/// `tables` of the newest snapshot; `where` restricts them (SQL over t: table, s: schema).
Result<std::vector<LakeTable>> read_tables(pg::Connection& connection, const std::string& data_path,
                                           const std::string& where,
                                           const std::vector<pg::Param>& params);

/// SELECT of the columns by field id from one file, rows at the positions of `delete_path` left out
/// when not empty.
std::string select_live(const LakeTable& table, const std::string& path,
                        const std::string& delete_path);
/// Runs `select` (columns named and typed as the table's) into one new file, a row group every
/// `group_rows` (0: the engine's default).
Result<DataFile> write_one(Lake::Impl& impl, const LakeTable& table, Session& session,
                           const std::string& select, std::size_t group_rows = 0);

/// A catalogue's path, which is relative to `base` or not; with a slash at the end.
std::string path_below(const std::string& base, std::string_view path, bool relative);
/// The name of a schema's or table's directory: one that every file system and bucket takes.
std::string directory_name(const std::string& name);

/// The SQL type of a column as the engine writes it into files.
std::string engine_type(const LakeColumn& column);
/// {"a": 1, "b": 2}
std::string field_ids(const LakeTable& table);
/// A new file's path in the table's directory, which is created if need be.
Result<std::string> new_path(const LakeTable& table, bool on_disk, std::string_view suffix);

/// '{1,2,3}'
std::string int_array(const std::vector<std::int64_t>& values);
/// '{"a",NULL}'
std::string text_array(const std::vector<std::optional<std::string>>& values);

/// Waits until what was written below `directory` is on disk. Error{unavailable} when one of
/// `paths` is gone.
Status sync_files(const std::string& directory, const std::vector<std::string>& paths);

}  // namespace minato::lake
