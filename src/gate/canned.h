// Answers that need no engine: rows of text, for SHOW and for the few questions that drivers ask
// every server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minato::gate {

struct TextRows {
  struct Column {
    std::string name;
    std::uint32_t type;  // text or int4, boolean; sent as text
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

struct Who {
  std::string account;
  std::uint32_t process = 0;
};

/// The answer to "select version()" and kin, whatever their case and spaces; nullopt for everything
/// else.
std::optional<TextRows> canned_answer(std::string_view sql, const Who& who);

}  // namespace minato::gate
