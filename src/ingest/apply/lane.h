// One table's lane: its live files, its key index and its tail. Applies and compactions of the
// table take turns here.
//
// The tail holds the newest rows in memory; each commit writes the tail's file anew and ends the
// one before, so that a hot table has one small file instead of one per commit. A full tail is
// sealed: its file stays and a new tail begins. Everything here is a cache of the lake: forget()
// and it is read again.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "ingest/apply/collapse.h"
#include "ingest/apply/key_index.h"
#include "lake/maintenance.h"
#include "lake/writer.h"

namespace minato::ingest {

struct LaneLimits {
  std::size_t tail_rows = 2048;  // sealed from here on; larger pieces get a file of their own
  std::size_t tail_bytes = 1024 * 1024;
  std::size_t index_bytes =
      384 * 1024 * 1024;  // a table that would need more is searched by scanning
};

class Lane {
 public:
  Lane(lake::Lake& lake, lake::LakeTable table, TableSchemaPtr schema, LaneLimits limits);

  /// Takes one piece of changes into the open commit. Error{conflict} when a row to be removed is
  /// not there or a row to come is there already: the table must be read anew; the lane is then
  /// unusable until forget().
  Status apply(const TableChanges& changes);

  /// The open commit replaces all rows by those of `files`; later changes are of these. On a new
  /// lane.
  void replace(std::vector<lake::DataFile> files);

  /// What the open commit does to this table; nothing when nothing changed. Writes the tail and the
  /// delete files.
  Result<std::optional<lake::TableCommit>> prepare();
  /// The commit of prepare() is done: `committed` gives the ids of the files that it added, in
  /// order.
  void committed(const lake::CommittedTable& committed);
  /// A compaction changed the table's files while no commit was open. The index and what is left
  /// of the tail stay; only the keys of the new file are read. Where the compaction's files are not
  /// those that the lane knows, it forgets.
  void compacted(const lake::Compacted& done);
  /// The commit failed, or somebody else changed the table's files.
  void forget();
  /// Drops the index only (memory is needed elsewhere). Not inside an open commit.
  void drop_index() { index_.reset(); }

  bool open() const { return open_; }  // changes wait for prepare()
  bool replaces() const { return replaces_; }
  std::size_t index_bytes() const { return index_ ? index_->bytes() : 0; }
  const lake::LakeTable& table() const { return table_; }
  const TableSchemaPtr& schema() const { return schema_; }
  /// Of the open commit: rows more than before, or all of them where it replaces().
  std::int64_t rows_delta() const { return rows_delta_; }

 private:
  struct File {
    std::optional<std::int64_t> id;  // none: written, not committed
    lake::DataFile written;          // when not committed
    std::string path;
    std::uint64_t rows = 0;
    std::vector<std::uint32_t> deleted;  // positions, ascending, as of the last commit
    std::vector<std::uint32_t> doomed;   // positions that the open commit deletes
    bool ended = false;  // no longer live, no key stands here: the slot is free for another file
  };
  struct Tail {
    explicit Tail(TableSchemaPtr schema) : rows(std::move(schema)) {}
    RowBatch rows;
    std::vector<Key> keys;
    std::vector<bool> dead;
    std::size_t live = 0;
    std::optional<std::int64_t> file_id;  // the committed file that holds the tail's rows of then
    bool changed = false;
  };
  static constexpr std::uint32_t kTailSlot =
      0;  // files_[0] stands for the tail and has no file of its own

  Status load();
  Status load_index();
  Status scan_keys(std::uint32_t slot, const std::function<Status(Key, std::uint32_t row)>& visit);
  Result<std::vector<Location>> locate(const std::vector<Key>& removes);
  Result<std::vector<Location>> locate_by_scan(const std::vector<Key>& removes);
  Status remove(const std::vector<Key>& removes);
  Status insert(const TableChanges& changes, const Collapsed& net);
  Status append_to_tail(const TableChanges& changes, const Collapsed& net);
  Status append_file(const TableChanges& changes, const Collapsed& net);
  Status prepare_tail(lake::TableCommit& commit);
  Status prepare_files(lake::TableCommit& commit);
  void seal_tail();
  std::uint32_t add_file(lake::DataFile written);
  std::uint32_t add_file(File file);
  Result<std::vector<bool>> slots_of(const lake::Compacted& done) const;
  Status relocate_keys(std::uint32_t to, const std::vector<bool>& gone);
  Status take_over(const lake::Compacted& done);
  std::size_t live_rows() const;
  tl::unexpected<Error> contradiction(std::string_view what) const;

  lake::Lake& lake_;
  lake::LakeTable table_;
  TableSchemaPtr schema_;
  LaneLimits limits_;
  std::vector<std::int64_t> key_column_ids_;

  bool loaded_ = false;
  bool open_ = false;
  bool replaces_ = false;  // the open commit does
  std::int64_t rows_delta_ = 0;
  std::vector<File> files_;
  std::optional<KeyIndex> index_;
  std::unique_ptr<Tail> tail_;
  std::vector<std::uint32_t> prepared_slots_;  // slots whose files the prepared commit adds, in
                                               // order
  bool prepared_tail_ = false;                 // …followed by the tail's file
  std::vector<std::uint32_t> prepared_tail_rows_;
};

}  // namespace minato::ingest
