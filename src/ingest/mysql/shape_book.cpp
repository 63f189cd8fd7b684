#include "ingest/mysql/shape_book.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/log.h"
#include "ingest/mysql/catalog.h"

namespace minato::ingest::mysql {

using wire::AlterAction;
using wire::ColumnDefinition;
using wire::DdlStatement;
using wire::MysqlType;

namespace {

constexpr std::uint64_t sql_mode_strict =
    (1U << 21) | (1U << 22);  // STRICT_TRANS_TABLES, STRICT_ALL_TABLES

void resolve_json(MysqlType& type) {
  if (type.kind != wire::MysqlKind::json) return;
  type.kind = wire::MysqlKind::text;
  type.length = 4294967295U;
  type.charset = "utf8mb4";
}

bool sets_default_charset(const AlterAction& action) {
  return action.kind == AlterAction::Kind::default_charset ||
         action.kind == AlterAction::Kind::convert_charset;
}

/// False for the one that makes bytes of texts.
bool give_charset(const std::vector<ColumnDefinition*>& columns, const std::string& charset) {
  for (ColumnDefinition* column : columns) {
    if (wire::has_charset(column->type.kind)) column->type.charset = charset;
  }
  return columns.empty() || charset != "binary";
}

/// What the column's character set lacks, the source changed in the names of ENUM's and SET's
/// members; ASCII is in all of them.
bool keeps_members(const MysqlType& type, const std::string& table_charset) {
  const std::string& charset = type.charset.empty() ? table_charset : type.charset;
  return std::ranges::all_of(type.values, [&](const std::string& member) {
    return std::ranges::all_of(member, [](char c) { return (c & 0x80) == 0; }) ||
           wire::holds(charset, member);
  });
}

}  // namespace

/// A table's shape while ALTER's actions are applied: columns with the names that they had before.
struct ShapeBook::Draft {
  struct Item {
    Column column;
    std::string old_name;                // empty: new …
    std::optional<std::string> initial;  // … with this value in the rows that are there; or NULL
  };
  std::vector<Item> items;
  std::vector<std::string> key;  // by the columns' present names
  std::vector<std::pair<std::string, std::string>> renames;
  std::set<std::string> dropped;
  std::string charset;

  explicit Draft(const TableSchema& shape) : charset(shape.charset) {
    for (const Column& column : shape.columns) items.push_back({column, column.name, {}});
    for (const std::uint32_t index : shape.key) key.push_back(shape.columns[index].name);
  }
  /// Names compare without case, as the source does.
  static bool same(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) {
      const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
      return fold(x) == fold(y);
    });
  }
  std::vector<Item>::iterator find(const std::string& name) {
    return std::ranges::find_if(items,
                                [&](const Item& item) { return same(item.column.name, name); });
  }
  /// All names in one statement are those from before it.
  std::vector<Item>::iterator find_old(const std::string& name) {
    return std::ranges::find_if(items, [&](const Item& item) {
      return !item.old_name.empty() && same(item.old_name, name);
    });
  }
  void rename(Item& item, const std::string& to) {
    if (item.column.name == to) return;
    for (std::string& part : key) {
      if (same(part, item.column.name)) part = to;
    }
    if (!item.old_name.empty()) renames.emplace_back(item.column.name, to);
    item.column.name = to;
  }
  bool place(std::vector<Item>::iterator item, const AlterAction& action) {
    if (!action.moved) return true;
    Item moved = std::move(*item);
    items.erase(item);
    auto at = items.begin();
    if (action.after) {
      at = find(*action.after);
      if (at == items.end()) return false;
      ++at;
    }
    items.insert(at, std::move(moved));
    return true;
  }
  std::optional<TableSchema> finish(const TableName& name) const {
    TableSchema shape{name, {}, {}, charset};
    for (const Item& item : items) shape.columns.push_back(item.column);
    for (const std::string& part : key) {
      const auto at = std::ranges::find_if(
          items, [&](const Item& item) { return same(item.column.name, part); });
      if (at == items.end()) return std::nullopt;
      shape.key.push_back(static_cast<std::uint32_t>(at - items.begin()));
    }
    if (shape.columns.empty()) return std::nullopt;
    return shape;
  }
  /// A name that was given up and taken again in one statement cannot be told by names alone.
  bool ambiguous() const {
    return std::ranges::any_of(items, [&](const Item& item) {
      if (item.old_name.empty()) {
        return dropped.contains(item.column.name) ||
               std::ranges::any_of(
                   renames, [&](const auto& each) { return each.first == item.column.name; });
      }
      return item.old_name != item.column.name &&
             (dropped.contains(item.column.name) ||
              std::ranges::any_of(
                  renames, [&](const auto& each) { return each.first == item.column.name; }));
    });
  }
};

ShapeBook::ShapeBook(std::vector<std::string> patterns, const std::vector<TableSchemaPtr>& shapes,
                     Ask ask)
    : patterns_(std::move(patterns)), ask_(std::move(ask)) {
  for (const TableSchemaPtr& shape : shapes) known_[shape->name] = shape;
}

TableSchemaPtr ShapeBook::find(const TableName& table) const {
  const auto found = known_.find(table);
  return found == known_.end() ? nullptr : found->second;
}

void ShapeBook::lose(const TableName& table) {
  known_.erase(table);
  lost_.insert(table);
  ++version_;
}

void ShapeBook::join(const TableSchemaPtr& shape) {
  lost_.erase(shape->name);
  known_[shape->name] = shape;
  ++version_;
}

std::vector<TableName> ShapeBook::names() const {
  std::vector<TableName> names;
  for (const auto& [name, shape] : known_) names.push_back(name);
  return names;
}

bool ShapeBook::captured(const TableName& table) const {
  return matches_any(patterns_, table) && !is_system_schema(table.schema);
}

bool ShapeBook::unknown(const TableName& table) const {
  return !known_.contains(table) && !lost_.contains(table) && captured(table);
}

Result<const wire::Charset*> ShapeBook::client_charset(unsigned collation) {
  constexpr unsigned utf8mb4_general = 45;
  constexpr unsigned utf8mb3_general = 33;
  if (collation == 0 || collation == utf8mb4_general || collation == utf8mb3_general)
    return nullptr;
  if (const auto found = client_charsets_.find(collation); found != client_charsets_.end()) {
    return found->second;
  }
  TRY_ASSIGN(const std::string name, ask_.collation_charset(collation));
  const wire::Charset* charset = nullptr;
  if (const auto known = wire::Charset::find(name); known && !(*known)->is_utf8()) charset = *known;
  return client_charsets_[collation] = charset;
}

void ShapeBook::report_lost(const TableName& table) {
  lose(table);
  changes_.lost.push_back(table);
}

SchemaChange& ShapeBook::report(SchemaChange::Kind kind, const TableName& table) {
  ++version_;
  SchemaChange& change = changes_.ddl.emplace_back();
  change.kind = kind;
  change.table = table;
  change.statement = statement_;
  return change;
}

Result<ShapeChanges> ShapeBook::apply(const DdlStatement& statement, std::string_view text,
                                      const StatementSession& session) {
  using Kind = DdlStatement::Kind;
  changes_ = {};
  statement_ = std::string(text);
  if (statement.temporary) return std::exchange(changes_, {});
  switch (statement.kind) {
    case Kind::other: break;
    case Kind::create_table: TRY(create(statement)); break;
    case Kind::alter_table: TRY(alter(statement, session)); break;
    case Kind::rename_table:
      for (std::size_t i = 0; i + 1 < statement.tables.size(); i += 2) {
        rename(statement.tables[i], statement.tables[i + 1]);
      }
      break;
    case Kind::drop_table:
      for (const TableName& table : statement.tables) drop(table);
      break;
    case Kind::truncate_table:
      if (known_.contains(statement.tables.at(0))) {
        report(SchemaChange::Kind::truncate_table, statement.tables[0]);
      }
      break;
    case Kind::drop_database: drop_database(statement.tables.at(0).schema); break;
    case Kind::unreadable:
      for (const TableName& table : statement.tables) {
        if (captured(table)) {
          log::warn("source_statement_unreadable",
                    {{"table", display(table)}, {"statement", text}});
          report_lost(table);
        }
      }
      break;
  }
  return std::exchange(changes_, {});
}

void ShapeBook::drop(const TableName& table) {
  std::erase(changes_.lost, table);  // by the same statement, before
  if (known_.erase(table) + lost_.erase(table) > 0) report(SchemaChange::Kind::drop_table, table);
}

void ShapeBook::drop_database(const std::string& database) {
  std::set<TableName> tables = lost_;
  for (const auto& [name, shape] : known_) tables.insert(name);
  for (const TableName& table : tables) {
    if (table.schema == database) drop(table);
  }
}

void ShapeBook::rename(const TableName& from, const TableName& to) {
  const TableSchemaPtr shape = find(from);
  if (shape == nullptr || !captured(to)) {
    drop(from);
    // Its rows are new to us: they were not captured under the old name, or could not be followed.
    if (captured(to)) report_lost(to);
    return;
  }
  known_.erase(from);
  lost_.erase(to);
  TableSchema moved = *shape;
  moved.name = to;
  known_[to] = std::make_shared<TableSchema>(std::move(moved));
  report(SchemaChange::Kind::rename_table, from).new_name = to;
}

/// Those of `columns` whose text, or members' names, are in the table's default character set.
std::vector<ColumnDefinition*> ShapeBook::without_charset(
    std::vector<ColumnDefinition*> columns) const {
  std::erase_if(columns, [this](ColumnDefinition* column) {
    if (ask_.json_is_text) resolve_json(column->type);
    const bool text = wire::has_charset(column->type.kind) || !column->type.values.empty();
    return !text || !column->type.charset.empty();
  });
  return columns;
}

/// Of a table that a statement creates without one, unless the database was altered since.
Result<std::string> ShapeBook::database_charset(const std::string& database) {
  TRY_ASSIGN(std::string charset, ask_.database_charset(database));
  return charset.empty() ? "utf8mb4" : charset;
}

/// Of a table whose shape was stored without it.
Result<std::string> ShapeBook::table_charset(const TableName& table) {
  TRY_ASSIGN(const TableSchemaPtr now, ask_.shape(table));
  if (now != nullptr && !now->charset.empty()) return now->charset;
  return database_charset(table.schema);
}

Status ShapeBook::create(const DdlStatement& statement) {
  const TableName& table = statement.tables.at(0);
  if (!captured(table)) return {};
  if (statement.if_not_exists) {
    // Existing, being read, or lost: its contents are not touched. What is unknown is read, to be
    // sure.
    if (known_.contains(table) || lost_.contains(table)) return {};
  }
  drop(table);
  TableSchema shape{table, {}, {}, {}};
  if (statement.like) {
    const TableSchemaPtr model = find(*statement.like);
    if (model == nullptr) return report_lost(table), Status{};  // as it was then is not known
    shape.columns = model->columns;
    shape.key = model->key;
    shape.charset = model->charset;
  } else if (statement.from_select) {
    return report_lost(table), Status{};
  } else {
    std::vector<ColumnDefinition> columns = statement.columns;
    std::vector<ColumnDefinition*> pointers;
    for (ColumnDefinition& column : columns) pointers.push_back(&column);
    pointers = without_charset(std::move(pointers));
    shape.charset = statement.charset;
    if (shape.charset.empty() && !pointers.empty()) {
      TRY_ASSIGN(shape.charset, database_charset(table.schema));
    }
    const bool sure = give_charset(pointers, shape.charset) &&
                      std::ranges::all_of(columns, [&](const ColumnDefinition& column) {
                        return keeps_members(column.type, shape.charset);
                      });
    if (!sure) return report_lost(table), Status{};
    for (const ColumnDefinition& column : columns) {
      shape.columns.push_back(wire::lake_column(column.name, column.type, !column.not_null));
    }
    for (const std::string& part : statement.primary_key) {
      const auto at = std::ranges::find_if(
          shape.columns, [&](const Column& column) { return Draft::same(column.name, part); });
      if (at == shape.columns.end()) return report_lost(table), Status{};
      shape.key.push_back(static_cast<std::uint32_t>(at - shape.columns.begin()));
    }
  }
  for (const std::uint32_t index : shape.key) {
    Column& column = shape.columns[index];
    const auto type = wire::parse_source_type(column.source_type);
    if (type) column = wire::lake_column(column.name, *type, false);
  }
  if (shape.columns.empty()) return report_lost(table), Status{};
  auto fresh = std::make_shared<const TableSchema>(std::move(shape));
  known_[table] = fresh;
  report(SchemaChange::Kind::upsert_table, table).schema = fresh;
  return {};
}

bool ShapeBook::change(Draft& draft, const AlterAction& action,
                       const StatementSession& session) const {
  using Kind = AlterAction::Kind;
  const auto item = draft.find_old(action.name);
  const bool there = item != draft.items.end();
  switch (action.kind) {
    case Kind::harmless:
    case Kind::rename_table: return true;
    case Kind::replace_contents: return false;
    case Kind::add_column: {
      const ColumnDefinition& column = action.column;
      if (draft.find(column.name) != draft.items.end()) return action.if_exists;
      if (!keeps_members(column.type, draft.charset)) return false;
      auto initial = wire::initial_value(column, session.time);
      if (!initial) return false;
      draft.items.push_back({wire::lake_column(column.name, column.type, !column.not_null), "",
                             std::move(initial->text)});
      return draft.place(draft.items.end() - 1, action);
    }
    case Kind::drop_column:
      if (!there) return action.if_exists;
      std::erase_if(draft.key,
                    [&](const std::string& part) { return Draft::same(part, action.name); });
      draft.dropped.insert(item->column.name);
      draft.items.erase(item);
      return true;
    case Kind::rename_column:
      if (!there) return action.if_exists;
      draft.rename(*item, action.column.name);
      return true;
    case Kind::change_column: {
      if (!there) return action.if_exists;
      const ColumnDefinition& column = action.column;
      const auto before = wire::parse_source_type(item->column.source_type);
      if (!before || !wire::keeps_values(*before, column.type)) return false;
      if (!keeps_members(column.type, draft.charset)) return false;
      const bool in_key = std::ranges::any_of(
          draft.key, [&](const std::string& part) { return Draft::same(part, item->column.name); });
      const bool strict = (session.sql_mode & sql_mode_strict) != 0;
      if (!strict && (column.not_null && item->column.nullable)) return false;
      if (column.primary_key) draft.key = {item->column.name};
      draft.rename(*item, column.name);
      item->column = wire::lake_column(column.name, column.type, !column.not_null && !in_key);
      return draft.place(item, action);
    }
    case Kind::add_primary_key:
      draft.key = action.columns;
      for (const std::string& part : draft.key) {
        const auto at = draft.find(part);
        if (at == draft.items.end()) return false;
        const auto type = wire::parse_source_type(at->column.source_type);
        if (type) at->column = wire::lake_column(at->column.name, *type, false);
      }
      return true;
    case Kind::drop_primary_key: draft.key.clear(); return true;
    case Kind::default_charset: draft.charset = action.name; return true;
    case Kind::convert_charset:
      if (action.name != "utf8mb4") return false;
      draft.charset = action.name;
      for (Draft::Item& each : draft.items) {
        auto type = wire::parse_source_type(each.column.source_type);
        if (!type || !wire::has_charset(type->kind)) continue;
        type->charset = action.name;
        // TEXT may have become MEDIUMTEXT to hold the longer characters.
        if (type->kind == wire::MysqlKind::text) type->length = 0;
        each.column = wire::lake_column(each.column.name, *type, each.column.nullable);
      }
      return true;
  }
  return false;
}

Status ShapeBook::alter(const DdlStatement& statement, const StatementSession& session) {
  const TableName& table = statement.tables.at(0);
  if (const TableSchemaPtr shape = find(table)) {
    std::vector<AlterAction> actions = statement.actions;
    std::vector<ColumnDefinition*> columns;
    for (AlterAction& action : actions) {
      using Kind = AlterAction::Kind;
      if (action.kind == Kind::add_column || action.kind == Kind::change_column) {
        columns.push_back(&action.column);
      }
    }
    columns = without_charset(std::move(columns));
    Draft draft(*shape);
    if (draft.charset.empty() && !columns.empty()) {
      TRY_ASSIGN(draft.charset, table_charset(table));
    }
    const bool text = give_charset(columns, draft.charset);
    // Whether such columns get the new default or the old one is not for us to guess.
    const bool plain = columns.empty() || std::ranges::none_of(actions, sets_default_charset);
    const bool followed =
        text && plain && std::ranges::all_of(actions, [&](const AlterAction& action) {
          return change(draft, action, session);
        });
    const auto fresh = followed && !draft.ambiguous() ? draft.finish(table) : std::nullopt;
    if (!fresh) {
      report_lost(table);
    } else if (*fresh != *shape) {
      known_[table] = std::make_shared<const TableSchema>(*fresh);
      SchemaChange& change = report(SchemaChange::Kind::upsert_table, table);
      change.schema = known_[table];
      change.renames = draft.renames;
      for (const Draft::Item& item : draft.items) {
        if (item.initial) change.initials.emplace(item.column.name, *item.initial);
      }
    }
  }
  for (const AlterAction& action : statement.actions) {
    if (action.kind != AlterAction::Kind::rename_table) continue;
    std::erase(changes_.lost, table);
    rename(table, action.table);
  }
  // Rows that moved between tables: the other one is not what it was either.
  return {};
}

}  // namespace minato::ingest::mysql
