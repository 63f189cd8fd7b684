// Fuzzer: statements of a MySQL or MariaDB log, as capture reads them.
// Property: any text is parsed or unreadable, never a crash; what a column is survives being
// written down (source_type); a value that rows get without events is one that the lake can hold.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "wire/mysql_charset.h"
#include "wire/mysql_ddl.h"
#include "wire/mysql_initial.h"

using namespace minato::wire;

namespace {

void check_column(ColumnDefinition column) {
  MysqlType& type = column.type;
  if (!has_charset(type.kind)) type.charset.clear();  // of an ENUM, say: of no concern
  if (has_charset(type.kind) && !Charset::find(type.charset)) type.charset = "utf8mb4";
  const std::string written = source_type(type);
  const auto again = parse_source_type(written);
  if (again) CHECK(source_type(*again) == written);
  for (const StatementTime& time : {StatementTime{}, {1, "+09:00"}, {4294967295U, "Asia/Tokyo"}}) {
    const auto initial = initial_value(column, time);
    if (!initial || !initial->text) continue;
    CHECK(initial->text->find('\0') == std::string::npos);
    const bool member = type.kind == MysqlKind::enumeration || type.kind == MysqlKind::set;
    CHECK(member || valid_utf8(*initial->text));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint64_t modes[] = {0, sql_mode_ansi_quotes, sql_mode_no_backslash_escapes};
  const DdlStatement statement = parse_ddl(text, "shop", modes[data[0] % 3]);
  for (const ColumnDefinition& column : statement.columns) check_column(column);
  for (const AlterAction& action : statement.actions) {
    if (action.kind == AlterAction::Kind::add_column) check_column(action.column);
  }
  return 0;
}
