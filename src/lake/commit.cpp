// The commit: one snapshot of the catalogue and our own records in one PostgreSQL transaction,
// after the DuckLake 1.0 specification. Four round trips whatever the number of tables: lock,
// read state, write rows, COMMIT; more with DDL.
#include <sys/socket.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "base/failpoint.h"
#include "base/log.h"
#include "lake/commit_rows.h"
#include "lake/ddl_rows.h"
#include "lake/lake_impl.h"

namespace minato::lake {
namespace {

std::string make_token() {
  std::random_device random;
  char text[24];
  std::snprintf(text, sizeof text, "minato %08x%08x", random(), random());
  return text;
}

/// What a caller gets wrong is a mistake of ours, not of the data.
void check_request(const CommitRequest& request) {
  std::set<std::int64_t> shaped;
  for (const TableDdl& change : request.ddl) CHECK(shaped.insert(change.table.table_id).second);
  std::set<std::int64_t> tables;
  for (const TableCommit& table : request.tables) {
    CHECK(tables.insert(table.table_id).second);
    std::set<std::int64_t> touched(table.end_files.begin(), table.end_files.end());
    CHECK(touched.size() == table.end_files.size());
    for (const DeleteUpdate& update : table.deletes) {
      if (update.data_file_id) {
        CHECK(!table.replace_all && touched.insert(*update.data_file_id).second);
      } else {
        CHECK(update.add_index < table.add.size());
      }
    }
  }
}

std::vector<std::string> new_files(const CommitRequest& request) {
  std::vector<std::string> paths;
  for (const TableCommit& table : request.tables) {
    for (const DataFile& file : table.add) paths.push_back(file.path);
    for (const DeleteUpdate& update : table.deletes) paths.push_back(update.file.path);
  }
  return paths;
}

void for_each_hold(const CommitRequest& request, void (HeldFile::*then)()) {
  for (const TableCommit& table : request.tables) {
    for (const DataFile& file : table.add) (*file.hold.*then)();
    for (const DeleteUpdate& update : table.deletes) (*update.file.hold.*then)();
  }
}

/// A statement failed because somebody else's snapshot came first: the same commit succeeds when it
/// is tried again.
bool snapshot_clash(const Error& error) {
  return error.code == Code::conflict &&
         error.detail.find("ducklake_snapshot") != std::string::npos;
}

struct Attempt {
  Committed committed;
  std::int64_t base = 0;  // the newest snapshot before
};

/// The tables' own ids: the DDL of the commit has given them to drafts.
std::vector<std::int64_t> table_ids(const CommitRequest& request,
                                    const std::vector<std::int64_t>& of_ddl) {
  std::vector<std::int64_t> out;
  for (const TableCommit& table : request.tables) {
    const auto draft = std::ranges::find_if(request.ddl, [&](const TableDdl& change) {
      return table.table_id < 0 && change.table.table_id == table.table_id;
    });
    CHECK(table.table_id > 0 || draft != request.ddl.end());
    out.push_back(draft == request.ddl.end()
                      ? table.table_id
                      : of_ddl[static_cast<std::size_t>(draft - request.ddl.begin())]);
  }
  return out;
}

/// Everything up to COMMIT, in the connection's open transaction.
Status write_commit(pg::Connection& connection, const CommitRequest& request,
                    const std::string& data_path, const std::string& token, Attempt& attempt) {
  TRY_ASSIGN(CatalogueState state, begin_commit(connection));
  attempt.base = state.snapshot_id;
  DdlRows ddl;
  if (!request.ddl.empty()) {
    TRY_ASSIGN(ddl, write_ddl(connection, request, data_path, state));
    TRY(failpoint("lake.after_ddl"));
  }
  const std::vector<std::int64_t> ids = table_ids(request, ddl.table_ids);
  TRY(read_table_states(connection, ids, data_path, state));
  TRY_ASSIGN(attempt.committed, write_rows_of(connection, request, ids, state, ddl.changes, token));
  attempt.committed.ddl_table_ids = std::move(ddl.table_ids);
  if (request.with) TRY(request.with(connection, attempt.committed));
  return failpoint("lake.before_commit");
}

/// The answer to COMMIT was lost. The server ends the old transaction one way or the other; it
/// holds the lock until then, so who gets the lock next sees how it ended.
Result<bool> happened(Pool<pg::Connection>& connections, const Attempt& attempt,
                      const std::string& token) {
  for (int tries = 0;; ++tries) {
    auto asked = [&]() -> Result<bool> {
      TRY_ASSIGN(auto connection, connections.take());
      TRY(connection->begin());
      TRY(connection->query("select pg_advisory_xact_lock($1::bigint)",
                            {std::to_string(kCommitLock)}));
      TRY_ASSIGN(const pg::Rows found,
                 connection->query("select 1 from ducklake.ducklake_snapshot_changes where "
                                   "snapshot_id > $1::bigint and author = $2::text",
                                   {std::to_string(attempt.base), token}));
      connection->rollback();
      return found.size() > 0;
    }();
    if (asked || tries >= 150) return asked;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

}  // namespace

Result<Committed> Lake::commit(const CommitRequest& request) {
  check_request(request);
  TRY(failpoint("lake.before_sync"));
  const std::vector<std::string> files = new_files(request);
  // Opens each of them: a file that somebody removed is noticed here, before the catalogue names
  // it.
  if (impl_->on_disk()) TRY(sync_files(impl_->data_path, files));
  const std::string token = make_token();
  for (int tries = 1;; ++tries) {
    TRY(failpoint("lake.before_begin"));
    TRY_ASSIGN(auto connection, impl_->connections.take());
    Attempt attempt;
    Status status = write_commit(*connection, request, impl_->data_path, token, attempt);
    if (!status) {
      connection->rollback();
      if (snapshot_clash(status.error()) && tries < impl_->options.commit_attempts_max) continue;
      return fail(std::move(status).error());
    }
    status = connection->commit();
    if (status && !failpoint("lake.answer_lost")) {
      ::shutdown(PQsocket(connection->handle()), SHUT_RDWR);
      connection->rollback();  // notices
      status = fail(Code::in_doubt, "The answer to COMMIT was lost, for a test.");
    }
    if (!status && status.error().code == Code::in_doubt) {
      Result<bool> yes = happened(impl_->connections, attempt, token);
      log::warn("commit in doubt",
                {{"resolved", yes.has_value()}, {"happened", yes.value_or(false)}});
      if (!yes) {
        for_each_hold(request, &HeldFile::in_doubt);
        return fail(std::move(status).error());
      }
      if (*yes)
        status = {};
      else if (tries < impl_->options.commit_attempts_max)
        continue;
    }
    if (!status) return fail(std::move(status).error());
    for_each_hold(request, &HeldFile::committed);
    // What a caller may still hear of a commit that happened is that it is in doubt.
    if (!failpoint("lake.after_commit")) {
      return fail(Code::in_doubt, "The commit was left in doubt, for a test.");
    }
    return std::move(attempt.committed);
  }
}

}  // namespace minato::lake
