// Structured log lines on stderr: one line an event, `key=value` or JSON.
// Never a secret, never personal data: callers pass names and figures, not row contents.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"

namespace minato::log {

enum class Level { debug, info, warn, error };

/// One value of a field, turned to text at the call (logging is not on a hot path).
struct Value {
  Value(std::string_view text) : text(text) {}
  Value(const std::string& text) : text(text) {}
  Value(const char* text) : text(text) {}
  Value(bool flag) : text(flag ? "true" : "false"), number(true) {}
  Value(std::integral auto value) : text(std::to_string(value)), number(true) {}
  Value(double value);
  Value(const Error& error) : text(describe(error)) {}
  std::string text;
  bool number = false;
};
struct Field {
  std::string_view key;
  Value value;
};
using Fields = std::initializer_list<Field>;

/// `role` is printed with each line ("core", "gate", …); `json` chooses JSON lines.
void configure(std::string_view role, Level threshold, bool json);
void write(Level level, std::string_view event, Fields fields);

inline void debug(std::string_view event, Fields fields = {}) {
  write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) { write(Level::info, event, fields); }
inline void warn(std::string_view event, Fields fields = {}) { write(Level::warn, event, fields); }
inline void error(std::string_view event, Fields fields = {}) {
  write(Level::error, event, fields);
}

}  // namespace minato::log
