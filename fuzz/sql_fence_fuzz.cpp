// Fuzzes people's SQL: the scanner keeps every byte in its place, and whatever text passes the
// fence gives nothing away when it runs with all doors open.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "sql/scan.h"
#include "sql/statement.h"
#include "sql/tests/gate_engine.h"

using namespace minato;

namespace {

void scan(const std::string& text) {
  const auto tokens = sql::scan(text);
  if (!tokens) return;
  std::string together;
  for (const auto& token : *tokens) {
    CHECK(token.offset == together.size() && !token.text.empty());
    together += token.text;
  }
  CHECK(together == text);
  const auto plain = sql::plain_text(text);
  CHECK(plain && plain->size() == text.size());
  CHECK(sql::plain_text(*plain).value_or("") == *plain);
  const auto statements = sql::split_statements(text);
  CHECK(statements.has_value());
  for (const auto& statement : *statements) {
    const auto again = sql::split_statements(statement);
    CHECK(again && again->size() == 1 && again->front() == statement);
    CHECK(sql::recognise(statement).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  scan(text);
  static sql::testing::GateEngine engine;
  static lake::Session parser = engine.connect();
  static const sql::Fence fence;
  const auto checked = sql::check(parser, text, fence);
  if (!checked) {
    CHECK(checked.error().code != Code::internal);
    return 0;
  }
  if (checked->text.empty()) return 0;
  bool failed = false;
  const std::string answer =
      sql::testing::GateEngine::run(engine.session(), checked->text + " LIMIT 10", failed);
  CHECK(answer.find(sql::testing::marker) == std::string::npos);
  return 0;
}
