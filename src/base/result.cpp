#include "base/result.h"

#include <array>

namespace minato {

const CodeProperties& properties(Code code) {
  static constexpr std::array<CodeProperties, 14> kTable{{
      {"invalid", false, "22023", 400, false},
      {"unauthenticated", false, "28P01", 401, false},
      {"forbidden", false, "42501", 403, false},
      {"not_found", false, "42P01", 404, false},
      {"exists", false, "42710", 409, false},
      {"conflict", true, "40001", 409, false},
      {"unavailable", true, "57P03", 503, true},
      {"deadline", true, "57014", 504, true},
      {"cancelled", false, "57014", 499, false},
      {"exhausted", true, "53000", 429, true},
      {"source_gap", false, "58030", 500, true},
      {"in_doubt", true, "08007", 500, true},
      {"unsupported", false, "0A000", 501, false},
      {"internal", false, "XX000", 500, true},
  }};
  return kTable.at(static_cast<std::size_t>(code));
}

std::string describe(const Error& error) {
  std::string text(properties(error.code).name);
  text += ": " + error.message;
  if (!error.detail.empty()) text += " (" + error.detail + ")";
  return text;
}

}  // namespace minato
