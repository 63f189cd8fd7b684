// Inside src/lake only: what Lake holds.
#pragma once

#include <mutex>
#include <set>
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

/// Files that this process wrote and may still commit: clean-up must not take them for orphans.
class HeldFiles {
 public:
  void add(const std::string& path) {
    const std::lock_guard lock(mutex_);
    paths_.insert(path);
  }
  void release(const std::string& path) {
    const std::lock_guard lock(mutex_);
    paths_.erase(path);
  }
  bool contains(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return paths_.contains(path);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> paths_;
};

class HeldFile {
 public:
  HeldFile(std::shared_ptr<HeldFiles> all, std::string path, bool on_disk)
      : all_(std::move(all)), path_(std::move(path)), on_disk_(on_disk) {
    all_->add(path_);
  }
  /// Objects of a store are left to clean-up, as is what cannot be removed.
  ~HeldFile();
  HeldFile(const HeldFile&) = delete;
  HeldFile& operator=(const HeldFile&) = delete;
  /// A snapshot names it: it stays.
  void committed() {
    all_->release(path_);
    kept_ = true;
  }
  /// Perhaps a snapshot names it: it stays, and clean-up leaves it alone while this process lives.
  void in_doubt() { kept_ = true; }

 private:
  std::shared_ptr<HeldFiles> all_;
  std::string path_;
  bool on_disk_;
  bool kept_ = false;
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

  FileHold hold(const std::string& path) {
    return std::make_shared<HeldFile>(held, path, on_disk());
  }
  bool on_disk() const { return options.lake.data_path.find("://") == std::string::npos; }

  Engine& engine;
  WriterOptions options;
  std::string data_path;  // with a slash at the end
  Pool<Session> sessions;
  Pool<pg::Connection> connections;
  std::shared_ptr<HeldFiles> held = std::make_shared<HeldFiles>();
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
/// Its initial value as a literal of VARCHAR, or NULL.
std::string initial_literal(const LakeColumn& column);
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
