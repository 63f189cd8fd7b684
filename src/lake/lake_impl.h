// Inside src/lake only: what Lake holds.
#pragma once

#include <atomic>
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

  bool on_disk() const { return options.lake.data_path.find("://") == std::string::npos; }

  Engine& engine;
  WriterOptions options;
  std::string data_path;  // with a slash at the end
  Pool<Session> sessions;
  Pool<pg::Connection> connections;
};

/// `tables` of the newest snapshot; `where` restricts them (SQL over t: table, s: schema).
Result<std::vector<LakeTable>> read_tables(pg::Connection& connection, const std::string& data_path,
                                           const std::string& where,
                                           const std::vector<pg::Param>& params);

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

/// Waits until what was written to these files is on disk, with their directory entries.
Status sync_files(const std::vector<std::string>& paths);

}  // namespace minato::lake
