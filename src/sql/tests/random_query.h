// Random queries that bind, with what they read known from their making. For differential tests.
#pragma once

#include <random>
#include <set>
#include <string>
#include <vector>

namespace minato::sql::testing {

/// Tables minato.s.t0 … t4 and minato.s."表", each with the columns a and b (BIGINT). Names without
/// a schema mean the schema s. Every query gives the columns a and b.
class RandomQuery {
 public:
  explicit RandomQuery(std::uint64_t seed) : random_(seed) {}

  std::string make() {
    reads_.clear();
    aliases_ = 0;
    budget_ = 14;
    return query({}, 0);
  }
  /// "t0", "表": of all that the last query reads, unused CTEs included.
  const std::set<std::string>& reads() const { return reads_; }

 private:
  using Names = std::vector<std::string>;  // visible CTEs, lower case

  int pick(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  bool once_in(int n) { return pick(n) == 0; }
  std::string one_of(std::initializer_list<const char*> list) {
    return *(list.begin() + pick(static_cast<int>(list.size())));
  }
  std::string alias() { return "x" + std::to_string(aliases_++); }
  static bool contains(const Names& names, const std::string& name) {
    for (const auto& each : names) {
      if (each == name) return true;
    }
    return false;
  }

  std::string table_name(int number) { return number == 5 ? "表" : "t" + std::to_string(number); }
  std::string spelled(const std::string& name) {
    if (once_in(4)) return "\"" + name + "\"";
    if (name[0] == 't' && once_in(4)) return "T" + name.substr(1);
    return name;
  }

  /// A name in FROM: a CTE that is visible, or a table.
  std::string named(const Names& scope) {
    const std::string name = table_name(pick(6));
    switch (pick(4)) {
      case 0: reads_.insert(name); return "s." + spelled(name);
      case 1: reads_.insert(name); return "minato.s." + spelled(name);
      case 2:
        if (!scope.empty())
          return spelled(scope[static_cast<std::size_t>(pick(static_cast<int>(scope.size())))]);
        [[fallthrough]];
      default:
        // Without a schema: whatever hides it.
        if (!contains(scope, name)) reads_.insert(name);
        return spelled(name);
    }
  }

  std::string source(const Names& scope, int depth) {
    const int kind = depth > 3 || --budget_ < 0 ? 0 : pick(9);
    const std::string as = " AS " + alias();
    switch (kind) {
      case 5: return "(" + query(scope, depth + 1) + ")" + as;
      case 6:
        return "(SELECT 1 AS a, 2 AS b FROM (PIVOT (" + query(scope, depth + 1) +
               ") ON b IN (1, 2) USING sum(a)) LIMIT 2)" + as;
      case 7:
        return "(VALUES (1, (SELECT max(a) FROM (" + query(scope, depth + 1) + ")))) " + as +
               "(a, b)";
      case 8:
        return "(SELECT n AS a, n AS b FROM range((SELECT count(*) FROM " + named(scope) +
               " LIMIT 1)) r(n) LIMIT 2)" + as;
      default: return named(scope) + as;
    }
  }

  std::string condition(const Names& scope, int depth) {
    const int kind = depth > 3 || --budget_ < 0 ? 0 : pick(6);
    switch (kind) {
      case 1: return "EXISTS (" + query(scope, depth + 1) + ")";
      case 2: return "1 IN (SELECT a FROM (" + query(scope, depth + 1) + "))";
      case 3: return "(SELECT max(a) FROM (" + query(scope, depth + 1) + ")) IS NOT NULL";
      case 4:
        return "NOT (CASE WHEN EXISTS (FROM " + named(scope) + ") THEN false ELSE " +
               condition(scope, depth + 1) + " END)";
      default: return "true";
    }
  }

  std::string select(const Names& scope, int depth) {
    const std::string from = source(scope, depth);
    std::string out = "SELECT a, b FROM (SELECT l.a, l.b FROM (FROM " + from + ") AS l";
    if (once_in(3)) {
      // The engine takes subqueries in the condition of an inner join only.
      const bool inner = once_in(2);
      out += (inner ? " JOIN (FROM " : " LEFT JOIN (FROM ") + source(scope, depth) + ") AS m ON " +
             (inner ? condition(scope, depth) : "l.a = m.a");
    } else if (once_in(6)) {
      out += " CROSS JOIN LATERAL (SELECT a + l.a AS c FROM (" + query(scope, depth + 1) +
             ") LIMIT 1)";
    }
    out += " WHERE " + condition(scope, depth) + " LIMIT 3)";
    if (once_in(5)) out += " ORDER BY (SELECT count(*) FROM " + named(scope) + "), a, b";
    return out;
  }

  std::string body(const Names& scope, int depth) {
    const int kind = depth > 3 || --budget_ < 0 ? 0 : pick(6);
    switch (kind) {
      case 1:
        return "(" + body(scope, depth + 1) + ") " +
               one_of({"UNION", "UNION ALL", "EXCEPT", "INTERSECT", "UNION ALL BY NAME"}) + " (" +
               body(scope, depth + 1) + ")";
      case 2: return "FROM (" + query(scope, depth + 1) + ") SELECT a, b";
      default: return select(scope, depth);
    }
  }

  std::string query(Names scope, int depth) {
    if (depth > 3 || !once_in(3)) return body(scope, depth);
    const bool recursive = once_in(3);
    std::string out = recursive ? "WITH RECURSIVE " : "WITH ";
    const int count = 1 + pick(3);
    Names made;
    for (int i = 0; i < count; ++i) {
      // Often the name of a table.
      const std::string name = once_in(2) ? table_name(pick(6)) : "c" + std::to_string(pick(3));
      if (contains(made, name)) continue;
      made.push_back(name);
      out += (made.size() > 1 ? ", " : "") + spelled(name) + "(a, b) AS (";
      if (recursive && once_in(2)) {
        Names inside = scope;
        inside.push_back(name);
        out += "SELECT a, b FROM (" + query(scope, depth + 1) + ") UNION SELECT a, b FROM " +
               spelled(name) + " WHERE a < 0 AND " + condition(inside, depth + 1);
      } else {
        out += "SELECT a, b FROM (" + query(scope, depth + 1) + ")";
      }
      out += ")";
      scope.push_back(name);
    }
    return out + " " + body(scope, depth + 1);
  }

  std::mt19937_64 random_;
  std::set<std::string> reads_;
  int aliases_ = 0;
  int budget_ = 0;
};

}  // namespace minato::sql::testing
