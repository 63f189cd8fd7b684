// What the assembler does about foreign keys that change rows below the log.
#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "ingest/mysql/assembler.h"

namespace minato::ingest::mysql {
namespace {

bool same_value(const ColumnData& column, std::size_t a, std::size_t b) {
  if (column.is_null(a) || column.is_null(b)) return column.is_null(a) && column.is_null(b);
  if (is_string(column.type())) return column.string(a) == column.string(b);
  const std::size_t size = width(column.type());
  return std::memcmp(column.data() + a * size, column.data() + b * size, size) == 0;
}

/// Whether an UPDATE from row `first` on changed a column; also when there is none of that name.
bool changed_since(const TableChanges& changes, std::size_t first, const std::string& name) {
  const auto& columns = changes.rows.schema->columns;
  const auto at = std::ranges::find_if(
      columns, [&](const Column& column) { return same_name(column.name, name); });
  if (at == columns.end()) return true;
  const ColumnData& column = changes.rows.columns[static_cast<std::size_t>(at - columns.begin())];
  for (std::size_t row = first; row + 1 < changes.ops.size(); row += 2) {
    if (!same_value(column, row, row + 1)) return true;
  }
  return false;
}

bool has_word(std::string_view text, std::string_view word) {
  const auto same = [](char a, char b) { return (a & ~32) == b; };
  return !std::ranges::search(text, word, same).empty();
}

bool renames(const wire::DdlStatement& statement) {
  using Kind = wire::AlterAction::Kind;
  return statement.kind == wire::DdlStatement::Kind::rename_table ||
         std::ranges::any_of(statement.actions, [](const wire::AlterAction& action) {
           return action.kind == Kind::rename_table || action.kind == Kind::rename_column ||
                  action.kind == Kind::change_column;
         });
}

}  // namespace

Status Assembler::on_parent_rows(const Table& table, const wire::RowsEvent& rows,
                                 const TableChanges* changes, std::size_t first) {
  using Kind = wire::RowsEvent::Kind;
  if (rows.kind == Kind::insert || !rows.foreign_keys) return {};
  if (rows.kind == Kind::remove) return lose(cascades_.deleted(table.name));
  const TableName name = table.name;
  return lose(cascades_.updated(name, [&](const std::string& column) {
    return changes == nullptr || changed_since(*changes, first, column);
  }));
}

/// A parent's rows that are not to be stored.
Status Assembler::on_rows_of_others(const Table& table, const wire::RowsEvent& rows) {
  if (!table.parent) return {};
  const bool readable = table.decoder && rows.full_image;
  if (!readable || rows.kind != wire::RowsEvent::Kind::update) {
    return on_parent_rows(table, rows, nullptr, 0);
  }
  TableChanges changes(table.schema);
  wire::DecodeCounts counts;
  const bool decoded = table.decoder->decode(rows, changes, counts).has_value();
  return on_parent_rows(table, rows, decoded ? &changes : nullptr, 0);
}

Status Assembler::on_keys_statement(std::string_view text, const wire::DdlStatement& statement) {
  using Kind = wire::DdlStatement::Kind;
  if (statement.kind == Kind::other || statement.temporary) return {};
  const bool keys =
      has_word(text, "FOREIGN") || has_word(text, "CONSTRAINT") || has_word(text, "REFERENCES");
  const bool drops = (keys && has_word(text, "DROP")) || renames(statement) ||
                     statement.kind == Kind::drop_table || statement.kind == Kind::drop_database;
  const auto concerns = [&](const TableName& table) { return cascades_.concerns(table); };
  if (!keys && !renames(statement) && std::ranges::none_of(statement.tables, concerns) &&
      statement.kind != Kind::drop_database) {
    return {};
  }
  if (gtid_ && !cascades_.had_happened(*gtid_)) {
    tables_.clear();
    return cascades_.ask_again();
  }
  if (!drops) return {};
  // The keys of before this statement were not known: what they did is not known either.
  for (const TableName& parent : cascades_.parents()) {
    const bool named = std::ranges::find(statement.tables, parent) != statement.tables.end();
    const bool with_all =
        statement.kind == Kind::drop_database && parent.schema == statement.tables.at(0).schema;
    if (named || with_all) TRY(lose(cascades_.any(parent)));
  }
  const bool dropped_key = keys && statement.kind == Kind::alter_table;
  for (const TableName& table : statement.tables) {
    if (dropped_key && shapes_.find(table) != nullptr) TRY(lose(table));
  }
  return {};
}

}  // namespace minato::ingest::mysql
