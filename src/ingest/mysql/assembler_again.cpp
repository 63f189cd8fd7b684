// Transactions that were cut off. What was taken in of them is passed over when they come again; of
// a log that is another one then, nothing is passed over: the stream ends, and begins anew at the
// last commit.
#include "base/log.h"
#include "ingest/mysql/assembler.h"

namespace minato::ingest::mysql {
namespace {

/// Another server may have put the same rows into other events, or transactions into another order.
auto another_log() {
  return fail(
      Code::conflict,
      "The connection broke inside a transaction, and the source's log is another one since: "
      "another server answers at its address, or it lost the end of its log. What is not in "
      "the lake yet is taken in again.");
}

}  // namespace

void Assembler::reconnected() {
  format_known_ = false;
  format_ = {};
  tables_.clear();
  if (in_group_) skip_ = std::max(skip_, steps_);
  steps_ = 0;
}

Status Assembler::begin_group(const Gtid& gtid) {
  if (in_group_ && gtid_ && gtid_ != gtid) {
    if (skip_ > 0) return another_log();
    // The source crashed while it wrote the group: it was never committed.
    log::warn("source_transaction_cut_off",
              {{"source", options_.name}, {"sequence", number(*gtid_)}});
    TRY(lose_group());
    in_group_ = false;
  }
  if (!in_group_) skip_ = 0;
  in_group_ = true;
  gtid_ = gtid;
  steps_ = 0;
  return {};
}

Result<bool> Assembler::next_step(const wire::EventHeader& header) {
  const bool same = taken_.first == file_ && taken_.second == header.next_position;
  if (++steps_ == skip_ && !same) return another_log();
  if (steps_ <= skip_) return false;
  taken_.first = file_;
  taken_.second = header.next_position;
  return true;
}

Status Assembler::all_came_again() const { return steps_ < skip_ ? another_log() : Status{}; }

Status Assembler::lose_group() {
  const std::set<TableName> tables = std::exchange(touched_, {});
  for (const TableName& table : tables) TRY(lose(table));
  return {};
}

}  // namespace minato::ingest::mysql
