#include "ingest/mysql/cascades.h"

#include <algorithm>

#include "ingest/mysql/catalog.h"
#include "ingest/mysql/flavour.h"

namespace minato::ingest::mysql {
namespace {

/// "CASCADE" or "SET NULL" after "ON DELETE" or "ON UPDATE"; empty when neither.
std::string rule_of(std::string_view clauses, const std::string& when) {
  for (const char* rule : {"CASCADE", "SET NULL"}) {
    if (clauses.find(when + " " + rule) != std::string_view::npos) return rule;
  }
  return {};
}

/// From SHOW CREATE TABLE: information_schema.referential_constraints shows MariaDB's rules only to
/// accounts that may write. A key that cannot be found there counts as one that does everything.
void fill_rules(ForeignKey& key, std::string_view definition) {
  const std::string head = "\n  CONSTRAINT " + quote_mysql_identifier(key.name) + " FOREIGN KEY ";
  const auto begin = definition.find(head);
  if (begin == std::string_view::npos) {
    key.on_delete = key.on_update = "CASCADE";
    return;
  }
  std::string_view line = definition.substr(begin + head.size());
  line = line.substr(0, line.find('\n'));
  const std::string_view clauses = line.substr(std::min(line.size(), line.rfind(')')));
  key.on_delete = rule_of(clauses, "ON DELETE");
  key.on_update = rule_of(clauses, "ON UPDATE");
}

Result<std::vector<ForeignKey>> read_all(Connection& connection) {
  TRY_ASSIGN(const auto rows,
             connection.rows(
                 "SELECT table_schema, table_name, constraint_name, column_name, "
                 "referenced_table_schema, referenced_table_name, referenced_column_name FROM "
                 "information_schema.key_column_usage WHERE referenced_table_name IS NOT NULL AND "
                 "table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') "
                 "ORDER BY ordinal_position"));
  std::map<std::pair<TableName, std::string>, ForeignKey> keys;
  for (const Row& row : rows) {
    const TableName child{row[0].value_or(""), row[1].value_or("")};
    ForeignKey& key = keys[{child, row[2].value_or("")}];
    key.name = row[2].value_or("");
    key.child = child;
    key.parent = {row[4].value_or(""), row[5].value_or("")};
    key.columns.push_back(row[3].value_or(""));
    key.referenced.push_back(row[6].value_or(""));
  }
  std::vector<ForeignKey> all;
  for (auto& [name, key] : keys) all.push_back(std::move(key));
  return all;
}

/// Tables that match, their parents, the parents of those …: only keys of their children matter.
void keep_reaching(std::vector<ForeignKey>& keys, const std::vector<std::string>& patterns) {
  std::set<TableName> reached;
  const auto reaches = [&](const ForeignKey& key) {
    return reached.contains(key.child) || matches_any(patterns, key.child);
  };
  for (std::size_t before = 1; before != reached.size() + 1;) {
    before = reached.size() + 1;
    for (const ForeignKey& key : keys) {
      if (reaches(key)) reached.insert(key.parent);
    }
  }
  std::erase_if(keys, [&](const ForeignKey& key) { return !reaches(key); });
}

std::string why(const ForeignKey& key, const std::string& what, const std::string& rule) {
  return "The foreign key " + key.name + " of " + display(key.child) + " (ON " + what + " " + rule +
         ") changes its rows when rows of " + display(key.parent) +
         " change, which the source does not write to its binary log. Rows of " +
         display(key.parent) +
         " did change, so the table is being read anew; until then some of its rows may be old. To "
         "avoid that, let the application or a trigger change the rows and declare the key with "
         "RESTRICT, or leave the table out of `tables`.";
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return fold(x) == fold(y);
  });
}

Result<std::vector<ForeignKey>> read_foreign_keys(Connection& connection,
                                                  const std::vector<std::string>& patterns) {
  // MySQL 9.6 moved this above the log, unless innodb_native_foreign_keys=ON.
  TRY_ASSIGN(const auto native,
             connection.rows("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'"));
  if (!native.empty() && native.front()[1] == "OFF") return std::vector<ForeignKey>{};
  TRY_ASSIGN(std::vector<ForeignKey> keys, read_all(connection));
  keep_reaching(keys, patterns);
  TRY(connection.run("SET SESSION sql_quote_show_create=1, lock_wait_timeout=2"));
  std::map<TableName, std::string> definitions;
  for (ForeignKey& key : keys) {
    auto [definition, fresh] = definitions.try_emplace(key.child);
    if (fresh) {
      auto rows = connection.rows("SHOW CREATE TABLE " + quote_mysql_identifier(key.child.schema) +
                                  "." + quote_mysql_identifier(key.child.name));
      // Gone, or a DDL holds it: its rules are not known then.
      if (!rows && rows.error().code == Code::unavailable) return fail(std::move(rows).error());
      if (rows && !rows->empty()) definition->second = rows->front()[1].value_or("");
    }
    fill_rules(key, definition->second);
  }
  std::erase_if(
      keys, [](const ForeignKey& key) { return key.on_delete.empty() && key.on_update.empty(); });
  return keys;
}

Result<Cascades::Known> Cascades::ask(Connection& connection,
                                      const std::vector<std::string>& patterns) {
  Known known;
  TRY_ASSIGN(known.keys, read_foreign_keys(connection, patterns));
  for (const ForeignKey& key : known.keys) {
    // Their updates are compared, too: not every one concerns the key.
    if (key.on_update.empty() || known.parents.contains(key.parent)) continue;
    if (matches_any(patterns, key.parent)) continue;
    TRY_ASSIGN(known.parents[key.parent], read_shape(connection, key.parent));
  }
  TRY_ASSIGN(const LogPosition now, Flavour::of(connection).current(connection));
  known.asked_at = now.gtids;
  return known;
}

Status Cascades::ask_again() {
  TRY_ASSIGN(known_, again_());
  return {};
}

bool Cascades::had_happened(const Gtid& gtid) const {
  GtidSet one;
  return one.add(gtid) && known_.asked_at.covers(one);
}

bool Cascades::is_parent(const TableName& table) const {
  return std::ranges::find(known_.keys, table, &ForeignKey::parent) != known_.keys.end();
}

bool Cascades::concerns(const TableName& table) const {
  return is_parent(table) ||
         std::ranges::find(known_.keys, table, &ForeignKey::child) != known_.keys.end();
}

TableSchemaPtr Cascades::parent_shape(const TableName& table) const {
  const auto found = known_.parents.find(table);
  return found == known_.parents.end() ? nullptr : found->second;
}

std::vector<TableName> Cascades::parents() const {
  std::set<TableName> names;
  for (const ForeignKey& key : known_.keys) names.insert(key.parent);
  return {names.begin(), names.end()};
}

/// What a change of the parent's rows does to other tables. `changed`: nullptr when rows went away.
void Cascades::spread(const TableName& parent, const Changed* changed, Seen& seen,
                      Losses& out) const {
  for (const ForeignKey& key : known_.keys) {
    if (key.parent != parent) continue;
    const std::string& rule = changed == nullptr ? key.on_delete : key.on_update;
    if (rule.empty()) continue;
    if (changed != nullptr && std::ranges::none_of(key.referenced, *changed)) continue;
    if (!seen.emplace(&key, changed != nullptr).second) continue;
    if (matches_any(patterns_, key.child)) {
      out.try_emplace(key.child, why(key, changed == nullptr ? "DELETE" : "UPDATE", rule));
    }
    if (changed == nullptr && rule == "CASCADE") {
      spread(key.child, nullptr, seen, out);
      continue;
    }
    const Changed of_key = [&key](const std::string& column) {
      return std::ranges::any_of(key.columns,
                                 [&](const std::string& each) { return same_name(each, column); });
    };
    spread(key.child, &of_key, seen, out);
  }
}

Cascades::Losses Cascades::deleted(const TableName& parent) const {
  Losses out;
  Seen seen;
  spread(parent, nullptr, seen, out);
  return out;
}

Cascades::Losses Cascades::updated(const TableName& parent, const Changed& changed) const {
  Losses out;
  Seen seen;
  spread(parent, &changed, seen, out);
  return out;
}

Cascades::Losses Cascades::any(const TableName& parent) const {
  Losses out = deleted(parent);
  out.merge(updated(parent, [](const std::string&) { return true; }));
  return out;
}

}  // namespace minato::ingest::mysql
