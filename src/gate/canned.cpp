#include "gate/canned.h"

#include "gate/settings.h"
#include "gate/types.h"

namespace minato::gate {
namespace {

/// Lower case, single spaces, no "pg_catalog." in front of names.
std::string normalised(std::string_view sql) {
  std::string out;
  for (const char c : sql) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out.push_back(space ? ' ' : (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c));
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == ';')) out.pop_back();
  for (std::size_t at = 0; (at = out.find("pg_catalog.", at)) != std::string::npos;)
    out.erase(at, 11);
  return out;
}

}  // namespace

std::optional<TextRows> canned_answer(std::string_view sql, const Who& who) {
  constexpr std::size_t kLongest = 80;
  if (sql.size() > kLongest) return std::nullopt;
  const std::string text = normalised(sql);
  if (!text.starts_with("select ")) return std::nullopt;
  std::string name = text.substr(7);
  if (name.ends_with("()")) name.resize(name.size() - 2);
  const auto one = [&](std::string value, std::uint32_t type = oid::text) {
    return TextRows{{{name, type}}, {{std::move(value)}}};
  };
  if (name == "version") return one("PostgreSQL " + std::string(server_version));
  if (name == "current_schema") return one("main");
  if (name == "current_database" || name == "current_catalog") return one("minato");
  if (name == "current_user" || name == "session_user" || name == "user" ||
      name == "current_role") {
    return one(who.account);
  }
  if (name == "pg_backend_pid") return one(std::to_string(who.process), oid::int4);
  if (name == "pg_is_in_recovery") return one("f", oid::boolean);
  return std::nullopt;
}

}  // namespace minato::gate
