#include "ingest/apply/joining.h"

namespace minato::ingest {

Joining::Joining(std::unique_ptr<Reading> begun) : reading(std::move(begun)) {
  for (const auto& [table, read] : reading->tables()) tables.insert(table);
}

Status Joining::look(std::chrono::milliseconds limit) {
  if (files || !reading->wait(limit)) return {};
  TRY_ASSIGN(files, reading->files());
  return {};
}

void Joining::hold(StreamBatch& batch) {
  if (reached) {
    for (const TableName& table : batch.lost) {
      tables.erase(table);
      const auto useless = held.find(table);
      if (useless == held.end()) continue;
      held_bytes -= useless->second.rows.bytes();
      held.erase(useless);
    }
  }
  std::vector<TableChanges> others;
  for (TableChanges& changes : batch.tables) {
    const TableName& table = changes.rows.schema->name;
    if (!has(table)) {
      others.push_back(std::move(changes));
    } else if (reached) {
      // All in one batch: each has blocks of its own, however few its rows.
      TableChanges& all = held.try_emplace(table, changes.rows.schema).first->second;
      held_bytes -= all.rows.bytes();
      append(all, changes);
      held_bytes += all.rows.bytes();
    }
  }
  batch.tables = std::move(others);
}

}  // namespace minato::ingest
