#include "ingest/apply/lane.h"

#include <algorithm>

#include "base/log.h"

namespace minato::ingest {
namespace {

/// Union of an ascending list and an unordered one without common members.
std::vector<std::uint32_t> merged(const std::vector<std::uint32_t>& ascending,
                                  std::vector<std::uint32_t> more) {
  std::ranges::sort(more);
  std::vector<std::uint32_t> out;
  out.reserve(ascending.size() + more.size());
  std::ranges::merge(ascending, more, std::back_inserter(out));
  return out;
}

}  // namespace

Lane::Lane(lake::Lake& lake, lake::LakeTable table, TableSchemaPtr schema, LaneLimits limits)
    : lake_(lake), table_(std::move(table)), schema_(std::move(schema)), limits_(limits) {
  for (const std::uint32_t index : key_column_indexes(*schema_)) {
    const auto found = std::ranges::find_if(table_.columns, [&](const lake::LakeColumn& column) {
      return column.column.name == schema_->columns[index].name;
    });
    CHECK(found != table_.columns.end());
    key_column_ids_.push_back(found->column_id);
  }
  forget();
}

void Lane::forget() {
  loaded_ = false;
  open_ = replaces_ = false;
  rows_delta_ = 0;
  files_.assign(1, File{});
  index_.reset();
  tail_ = std::make_unique<Tail>(schema_);
  prepared_slots_.clear();
  prepared_tail_ = false;
  prepared_tail_rows_.clear();
}

tl::unexpected<Error> Lane::contradiction(std::string_view what) const {
  return fail(Code::conflict, "The changes of " + display(schema_->name) +
                                  " do not fit the lake's rows: " + std::string(what) +
                                  ". The table is read anew from the source.");
}

Status Lane::apply(const TableChanges& changes) {
  CHECK(changes.rows.columns.size() == schema_->columns.size());
  open_ = true;
  const bool to_tail = changes.ops.size() < limits_.tail_rows;
  TRY_ASSIGN(const Collapsed net, collapse(changes, to_tail || index_));
  if (!net.removes.empty()) TRY(remove(net.removes));
  if (!net.inserts.empty()) TRY(insert(changes, net));
  rows_delta_ +=
      static_cast<std::int64_t>(net.inserts.size()) - static_cast<std::int64_t>(net.removes.size());
  return {};
}

void Lane::replace(std::vector<lake::DataFile> files) {
  CHECK(!open_);
  forget();
  loaded_ = open_ = replaces_ = true;
  for (lake::DataFile& file : files) {
    rows_delta_ += static_cast<std::int64_t>(file.record_count);
    add_file(std::move(file));
  }
}

Status Lane::load() {
  if (loaded_) return {};
  TRY_ASSIGN(const std::vector<lake::LiveFile> live, lake_.live_files(table_.table_id));
  for (const lake::LiveFile& file : live) {
    if (tail_->file_id == file.data_file_id) continue;
    File slot;
    slot.id = file.data_file_id;
    slot.path = file.path;
    slot.rows = file.record_count;
    if (file.deletes) {
      TRY_ASSIGN(slot.deleted, lake_.read_deletes(*file.deletes));
    }
    files_.push_back(std::move(slot));
  }
  loaded_ = true;
  return {};
}

std::size_t Lane::live_rows() const {
  std::size_t rows = tail_->live;
  for (const File& file : files_) {
    if (!file.ended) rows += file.rows - file.deleted.size() - file.doomed.size();
  }
  return rows;
}

Status Lane::scan_keys(std::uint32_t slot,
                       const std::function<Status(Key, std::uint32_t row)>& visit) {
  const File& file = files_[slot];
  const std::vector<std::uint32_t> gone = merged(file.deleted, file.doomed);
  auto next_gone = gone.begin();
  std::uint64_t row = 0;
  std::vector<Key> keys;
  TRY(lake_.scan_file(table_, file.path, key_column_ids_,
                      [&](std::span<const ColumnView> columns) -> Status {
                        keys.clear();
                        append_keys(columns, keys);
                        for (const Key& key : keys) {
                          if (next_gone != gone.end() && *next_gone == row) {
                            ++next_gone;
                          } else {
                            TRY(visit(key, static_cast<std::uint32_t>(row)));
                          }
                          ++row;
                        }
                        return {};
                      }));
  CHECK(row == file.rows);
  return {};
}

Status Lane::load_index() {
  TRY(load());
  KeyIndex index(schema_->key.empty());
  index.reserve(live_rows());
  for (std::uint32_t row = 0; row < tail_->keys.size(); ++row) {
    if (!tail_->dead[row] && !index.insert(tail_->keys[row], {kTailSlot, row})) {
      return contradiction("a key stands twice in the lake");
    }
  }
  for (std::uint32_t slot = kTailSlot + 1; slot < files_.size(); ++slot) {
    if (files_[slot].ended) continue;
    TRY(scan_keys(slot, [&](Key key, std::uint32_t row) -> Status {
      if (!index.insert(key, {slot, row})) return contradiction("a key stands twice in the lake");
      return {};
    }));
  }
  index_ = std::move(index);
  return {};
}

Result<std::vector<Location>> Lane::locate(const std::vector<Key>& removes) {
  if (!index_) {
    TRY(load());
    if (KeyIndex::bytes_for(live_rows()) > limits_.index_bytes) return locate_by_scan(removes);
    TRY(load_index());
  }
  std::vector<Location> places;
  places.reserve(removes.size());
  for (const Key& key : removes) {
    const auto place = index_->take(key);
    if (!place) return contradiction("a row that the source changed is missing");
    places.push_back(*place);
  }
  return places;
}

Result<std::vector<Location>> Lane::locate_by_scan(const std::vector<Key>& removes) {
  boost::unordered_flat_map<Key, std::uint32_t, KeyHash> wanted;  // key → how many rows of it
  for (const Key& key : removes) ++wanted[key];
  std::vector<Location> places;
  const auto visit = [&](std::uint32_t slot, Key key, std::uint32_t row) {
    const auto found = wanted.find(key);
    if (found == wanted.end() || found->second == 0) return;
    --found->second;
    places.push_back({slot, row});
  };
  for (std::uint32_t row = 0; row < tail_->keys.size(); ++row) {
    if (!tail_->dead[row]) visit(kTailSlot, tail_->keys[row], row);
  }
  for (std::uint32_t slot = kTailSlot + 1; slot < files_.size() && places.size() < removes.size();
       ++slot) {
    if (files_[slot].ended) continue;
    TRY(scan_keys(slot, [&](Key key, std::uint32_t row) -> Status {
      visit(slot, key, row);
      return {};
    }));
  }
  if (places.size() != removes.size())
    return contradiction("a row that the source changed is missing");
  return places;
}

Status Lane::remove(const std::vector<Key>& removes) {
  TRY_ASSIGN(const std::vector<Location> places, locate(removes));
  for (const Location& place : places) {
    if (place.slot == kTailSlot) {
      CHECK(!tail_->dead[place.row]);
      tail_->dead[place.row] = true;
      --tail_->live;
      tail_->changed = true;
    } else {
      files_[place.slot].doomed.push_back(place.row);
    }
  }
  return {};
}

Status Lane::insert(const TableChanges& changes, const Collapsed& net) {
  if (net.inserts.size() >= limits_.tail_rows) return append_file(changes, net);
  return append_to_tail(changes, net);
}

Status Lane::append_to_tail(const TableChanges& changes, const Collapsed& net) {
  std::vector<Key> computed;
  if (net.insert_keys.empty()) append_keys(key_columns(changes.rows), computed);
  const std::vector<Key>& keys = net.insert_keys.empty() ? computed : net.insert_keys;
  CHECK(keys.size() == net.inserts.size());
  Tail& tail = *tail_;
  for (std::size_t column = 0; column < tail.rows.columns.size(); ++column) {
    const ColumnView from(changes.rows.columns[column]);
    for (const std::uint32_t row : net.inserts) {
      tail.rows.columns[column].append_from(from, row, *tail.rows.arena);
    }
  }
  for (const Key& key : keys) {
    const auto row = static_cast<std::uint32_t>(tail.keys.size());
    tail.keys.push_back(key);
    if (index_ && !index_->insert(key, {kTailSlot, row})) {
      return contradiction("a key that the source inserted is there already");
    }
  }
  tail.dead.resize(tail.keys.size(), false);
  tail.live += keys.size();
  tail.changed = true;
  return {};
}

Status Lane::append_file(const TableChanges& changes, const Collapsed& net) {
  TRY_ASSIGN(lake::DataFile written, lake_.write_rows(table_, changes.rows, net.inserts));
  CHECK(written.record_count == net.inserts.size());
  const std::uint32_t slot = add_file(std::move(written));
  if (!index_) return {};
  for (std::uint32_t row = 0; row < net.insert_keys.size(); ++row) {
    if (!index_->insert(net.insert_keys[row], {slot, row})) {
      return contradiction("a key that the source inserted is there already");
    }
  }
  return {};
}

Result<std::optional<lake::TableCommit>> Lane::prepare() {
  if (!open_) return std::nullopt;
  lake::TableCommit commit;
  commit.table_id = table_.table_id;
  commit.replace_all = replaces_;
  prepared_slots_.clear();
  prepared_tail_ = false;
  TRY(prepare_files(commit));
  TRY(prepare_tail(commit));
  if (!replaces_ && commit.add.empty() && commit.deletes.empty() && commit.end_files.empty()) {
    CHECK(rows_delta_ == 0);
    open_ = false;  // the changes cancelled one another
    return std::nullopt;
  }
  return commit;
}

Status Lane::prepare_files(lake::TableCommit& commit) {
  for (std::uint32_t slot = kTailSlot + 1; slot < files_.size(); ++slot) {
    File& file = files_[slot];
    if (file.ended || (file.id && file.doomed.empty())) continue;
    if (!file.doomed.empty()) {
      file.deleted = merged(file.deleted, std::move(file.doomed));
      file.doomed.clear();
      CHECK(std::ranges::adjacent_find(file.deleted) == file.deleted.end());
      if (file.deleted.size() == file.rows) {
        file.ended = true;
        if (file.id) commit.end_files.push_back(*file.id);
        file.written = {};  // nobody needs what it holds
        continue;
      }
      lake::DeleteUpdate update;
      update.data_file_id = file.id;
      update.add_index = commit.add.size();  // of use only without an id
      TRY_ASSIGN(update.file, lake_.write_deletes(table_, file.path, file.deleted));
      commit.deletes.push_back(std::move(update));
    }
    if (!file.id) {
      commit.add.push_back(std::move(file.written));
      prepared_slots_.push_back(slot);
    }
  }
  return {};
}

Status Lane::prepare_tail(lake::TableCommit& commit) {
  Tail& tail = *tail_;
  if (!tail.changed) return {};
  if (tail.file_id) commit.end_files.push_back(*tail.file_id);
  prepared_tail_rows_.clear();
  for (std::uint32_t row = 0; row < tail.keys.size(); ++row) {
    if (!tail.dead[row]) prepared_tail_rows_.push_back(row);
  }
  CHECK(prepared_tail_rows_.size() == tail.live);
  if (tail.live == 0) return {};
  TRY_ASSIGN(lake::DataFile written, lake_.write_rows(table_, tail.rows, prepared_tail_rows_));
  files_[kTailSlot].path = written.path;
  commit.add.push_back(std::move(written));
  prepared_tail_ = true;
  return {};
}

void Lane::committed(const lake::CommittedTable& committed) {
  CHECK(open_);
  CHECK(committed.data_file_ids.size() == prepared_slots_.size() + (prepared_tail_ ? 1 : 0));
  for (std::size_t n = 0; n < prepared_slots_.size(); ++n) {
    files_[prepared_slots_[n]].id = committed.data_file_ids[n];
  }
  Tail& tail = *tail_;
  if (tail.changed) {
    tail.file_id.reset();
    if (prepared_tail_) tail.file_id = committed.data_file_ids.back();
    tail.changed = false;
    if (tail.keys.size() >= limits_.tail_rows || tail.rows.bytes() >= limits_.tail_bytes)
      seal_tail();
  }
  open_ = replaces_ = false;
  rows_delta_ = 0;
  // Without the list of all files there is no use for a part of it.
  if (!loaded_) files_.resize(1);
}

std::uint32_t Lane::add_file(lake::DataFile written) {
  File file;
  file.path = written.path;
  file.rows = written.record_count;
  file.written = std::move(written);
  return add_file(std::move(file));
}

std::uint32_t Lane::add_file(File file) {
  const auto free =
      std::find_if(files_.begin() + 1, files_.end(), [](const File& slot) { return slot.ended; });
  const auto slot = static_cast<std::uint32_t>(free - files_.begin());
  if (free == files_.end()) {
    files_.push_back(std::move(file));
  } else {
    *free = std::move(file);
  }
  return slot;
}

/// The tail's committed file becomes an ordinary file; a tail of mostly dead rows begins anew with
/// the live ones.
void Lane::seal_tail() {
  std::unique_ptr<Tail> old = std::exchange(tail_, std::make_unique<Tail>(schema_));
  if (old->live == 0) return;
  const bool keep = old->live * 2 < old->keys.size() && old->live * 2 < limits_.tail_rows;
  std::uint32_t slot = kTailSlot;
  if (!keep) {
    File file;
    file.id = old->file_id;
    file.path = files_[kTailSlot].path;
    file.rows = prepared_tail_rows_.size();
    slot = add_file(std::move(file));
  }
  for (std::uint32_t rank = 0; rank < prepared_tail_rows_.size(); ++rank) {
    const std::uint32_t row = prepared_tail_rows_[rank];
    // Two steps per key are not needed: a key's old place is never a new place of an earlier one
    // (rank ≤ row).
    if (index_) CHECK(index_->move(old->keys[row], {kTailSlot, row}, {slot, rank}));
    if (keep) tail_->keys.push_back(old->keys[row]);
  }
  if (!keep) return;
  for (std::size_t column = 0; column < old->rows.columns.size(); ++column) {
    const ColumnView from(old->rows.columns[column]);
    for (const std::uint32_t row : prepared_tail_rows_) {
      tail_->rows.columns[column].append_from(from, row, *tail_->rows.arena);
    }
  }
  tail_->dead.resize(tail_->keys.size(), false);
  tail_->live = tail_->keys.size();
  tail_->file_id = old->file_id;
}

void Lane::compacted(const lake::Compacted& done) {
  const Status status = take_over(done);
  if (status) return;
  log::info("a compacted table's files are read again",
            {{"table", display(schema_->name)}, {"why", status.error()}});
  forget();
}

Status Lane::take_over(const lake::Compacted& done) {
  CHECK(!open_);  // whoever opens a commit holds the table's turn until its end
  TRY_ASSIGN(std::vector<bool> gone, slots_of(done));
  if (loaded_ && done.data_file_id) {
    File file;
    file.id = done.data_file_id;
    file.path = done.path;
    file.rows = done.rows;
    const std::uint32_t slot = add_file(std::move(file));
    gone.resize(files_.size(), false);
    if (index_) TRY(relocate_keys(slot, gone));
  }
  if (gone[kTailSlot]) tail_ = std::make_unique<Tail>(schema_);
  for (std::size_t slot = kTailSlot + 1; slot < files_.size(); ++slot) {
    if (!gone[slot]) continue;
    files_[slot] = {};
    files_[slot].ended = true;
  }
  return {};
}

/// The slots of the files that the compaction ended. Error{conflict}: somebody without a lane
/// changed the table as well.
Result<std::vector<bool>> Lane::slots_of(const lake::Compacted& done) const {
  const auto stranger = fail(Code::conflict, "Somebody else changed the table's files.");
  std::vector<bool> gone(files_.size(), false);
  std::uint64_t rows = 0;
  for (const lake::LiveFile& file : done.ended) {
    const std::uint64_t deleted = file.deletes ? file.deletes->delete_count : 0;
    rows += file.record_count - deleted;
    if (tail_->file_id == file.data_file_id) {
      if (deleted != 0 || file.record_count != tail_->live) return stranger;
      gone[kTailSlot] = true;
    } else if (loaded_) {
      const auto found = std::ranges::find_if(
          files_, [&](const File& slot) { return slot.id == file.data_file_id && !slot.ended; });
      if (found == files_.end() || found->rows != file.record_count ||
          found->deleted.size() != deleted) {
        return stranger;
      }
      gone[static_cast<std::size_t>(found - files_.begin())] = true;
    }
  }
  if (rows != done.rows) return stranger;
  return gone;
}

/// Each key that stood in a slot that is `gone` stands in `to` now: as many as the file there has
/// rows, which is checked key by key. Its order plays no part.
Status Lane::relocate_keys(std::uint32_t to, const std::vector<bool>& gone) {
  constexpr std::size_t kAtOnce = 1 << 20;  // rows, which bounds the memory
  std::vector<std::pair<Key, std::uint32_t>> keys;
  std::vector<std::uint32_t> equal;
  const auto relocate = [&]() -> Status {
    // Equal rows of a table without a key in one go: else each would look at all of them.
    if (schema_->key.empty()) {
      std::ranges::sort(
          keys, {}, [](const auto& entry) { return std::pair(entry.first.hi, entry.first.lo); });
    }
    for (std::size_t n = 0; n < keys.size();) {
      const Key key = keys[n].first;
      equal.clear();
      for (; n < keys.size() && keys[n].first == key; ++n) equal.push_back(keys[n].second);
      if (!index_->relocate(key, equal, to, [&](std::uint32_t slot) { return gone[slot]; })) {
        return fail(Code::conflict, "The compacted file has a row that was not there before.");
      }
    }
    keys.clear();
    return {};
  };
  TRY(scan_keys(to, [&](Key key, std::uint32_t row) -> Status {
    keys.emplace_back(key, row);
    return keys.size() < kAtOnce ? Status() : relocate();
  }));
  return relocate();
}

}  // namespace minato::ingest
