#include "model/names.h"

namespace minato {
namespace {

std::string quoted(std::string_view text, char mark) {
  std::string out(1, mark);
  for (const char c : text) {
    if (c == '\0') continue;
    if (c == mark) out += mark;
    out += c;
  }
  out += mark;
  return out;
}

bool matches(std::string_view pattern, std::string_view text) {
  // Greedy match with one point of return: linear in practice, quadratic at worst on short names.
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '%' || pattern[p] == '*')) {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && (pattern[p] == '%' || pattern[p] == '*')) ++p;
  return p == pattern.size();
}

}  // namespace

std::string display(const TableName& table) { return table.schema + "." + table.name; }
std::string quote_identifier(std::string_view name) { return quoted(name, '"'); }
std::string quote_mysql_identifier(std::string_view name) { return quoted(name, '`'); }
std::string quote_literal(std::string_view text) { return quoted(text, '\''); }
std::string quote(const TableName& table) {
  return quote_identifier(table.schema) + "." + quote_identifier(table.name);
}

bool matches_pattern(std::string_view pattern, const TableName& table) {
  const auto dot = pattern.find('.');
  if (dot == std::string_view::npos) return false;
  return matches(pattern.substr(0, dot), table.schema) &&
         matches(pattern.substr(dot + 1), table.name);
}

}  // namespace minato
