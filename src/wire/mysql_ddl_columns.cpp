#include "wire/mysql_ddl_columns.h"

#include "base/text.h"
#include "wire/mysql_charset.h"

namespace minato::wire {
namespace {

using Kind = SqlToken::Kind;

}  // namespace

std::string charset_of_collation(std::string_view collation) {
  const std::string name = charset_name(collation.substr(0, collation.find('_')));
  return name == "binary" || Charset::find(name) ? name : std::string();
}

bool ColumnParser::name(std::string& into) {
  const Kind kind = in_.peek().kind;
  if (kind != Kind::word && kind != Kind::quoted_name && kind != Kind::number) return false;
  into = in_.next().text;
  return !into.empty();
}

bool ColumnParser::table(TableName& into) {
  std::string first;
  if (!name(first)) return false;
  into = {database_, first};
  if (!in_.take_symbol('.')) return true;
  into.schema = first;
  return name(into.name);
}

void ColumnParser::skip_item() {
  while (!in_.at_end() && !in_.is_symbol(',') && !in_.is_symbol(')')) {
    if (in_.is_symbol('(')) {
      in_.skip_brackets();
    } else {
      in_.next();
    }
  }
}

bool ColumnParser::is_key_item() const {
  for (const std::string_view word :
       {"INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"}) {
    if (in_.is_word(word)) return true;
  }
  return in_.is_word("PERIOD") && in_.is_word("FOR", 1);
}

bool ColumnParser::key_columns(std::vector<std::string>& into) {
  while (!in_.at_end() && !in_.is_symbol('(')) in_.next();
  if (!in_.take_symbol('(')) return false;
  do {
    if (!name(into.emplace_back())) return false;
    if (in_.is_symbol('(')) in_.skip_brackets();
    if (!in_.take_word("ASC")) in_.take_word("DESC");
  } while (in_.take_symbol(','));
  if (!in_.take_symbol(')')) return false;
  skip_item();
  return true;
}

bool ColumnParser::definition(ColumnDefinition& column, AlterAction* place) {
  return name(column.name) && type(column) && attributes(column, place);
}

bool ColumnParser::type(ColumnDefinition& column) {
  std::string word;
  if (in_.peek().kind != Kind::word || !name(word)) return false;
  bool national = false;
  if (lower(word) == "national") {
    national = true;
    if (!name(word)) return false;
  }
  std::string full = lower(word);
  if (full == "serial") {
    column.not_null = column.computed = true;
    column.type = {MysqlKind::bigint, true};
    return true;
  }
  if (full == "double") in_.take_word("PRECISION");
  if (full == "long" && (in_.is_word("VARCHAR") || in_.is_word("VARBINARY"))) {
    full += " " + lower(in_.next().text);
  }
  const bool varying =
      (full == "char" || full == "character" || full == "nchar") && in_.take_word("VARYING");
  if (varying) full = full == "nchar" ? "nvarchar" : "varchar";
  std::vector<std::string> arguments;
  if (in_.take_symbol('(')) {
    do {
      if (in_.peek().kind == Kind::end) return false;
      arguments.push_back(in_.next().text);
    } while (in_.take_symbol(','));
    if (!in_.take_symbol(')')) return false;
  }
  auto found = mysql_type(full, arguments);
  if (!found) return false;
  column.type = std::move(*found);
  if (national) column.type.charset = "utf8mb3";
  return true;
}

bool ColumnParser::attributes(ColumnDefinition& column, AlterAction* place) {
  while (!in_.at_end() && !in_.is_symbol(',') && !in_.is_symbol(')')) {
    if (!attribute(column, place)) return false;
  }
  finish_type(column.type);
  if (column.primary_key) column.not_null = true;
  return true;
}

bool ColumnParser::attribute(ColumnDefinition& column, AlterAction* place) {
  MysqlType& type = column.type;
  if (in_.take_word("UNSIGNED") || in_.take_word("ZEROFILL")) {
    type.is_unsigned = true;
  } else if (in_.take_words({"NOT", "NULL"})) {
    column.not_null = true;
  } else if (in_.take_word("NULL")) {
    column.explicit_null = true;
  } else if (in_.take_word("DEFAULT")) {
    default_value(column);
  } else if (in_.take_words({"ON", "UPDATE"})) {
    in_.next();
    if (in_.is_symbol('(')) in_.skip_brackets();
  } else if (in_.take_word("AUTO_INCREMENT")) {
    column.not_null = column.computed = true;
  } else if (in_.take_word("CHARSET") || in_.take_words({"CHARACTER", "SET"}) ||
             in_.take_words({"CHAR", "SET"})) {
    in_.take_symbol('=');
    std::string written;
    if (!name(written)) return false;
    type.charset = charset_name(written);
  } else if (in_.take_word("COLLATE")) {
    in_.take_symbol('=');
    const std::string collation = in_.next().text;
    if (type.charset.empty() && has_charset(type.kind))
      type.charset = charset_of_collation(collation);
  } else if (in_.take_word("COMMENT")) {
    in_.take_symbol('=');
    in_.next();
  } else if (in_.take_word("UNIQUE")) {
    in_.take_word("KEY");
  } else if (in_.take_word("PRIMARY") || in_.is_word("KEY")) {
    in_.take_word("KEY");
    column.primary_key = true;
  } else if (in_.take_word("AS") || in_.take_word("ALWAYS") || in_.take_word("GENERATED")) {
    column.computed = true;
  } else if (in_.take_word("COMPRESSED")) {
    type.compressed = true;
    if (in_.take_symbol('=')) in_.next();
  } else if (place != nullptr && in_.take_word("FIRST")) {
    place->moved = true;
  } else if (place != nullptr && in_.take_word("AFTER")) {
    place->moved = true;
    return name(place->after.emplace());
  } else {
    return plain_attribute(type);
  }
  return true;
}

bool ColumnParser::plain_attribute(MysqlType& type) {
  if (in_.is_symbol('(')) {
    in_.skip_brackets();  // behind CHECK, AS, REFERENCES t
    return true;
  }
  if (in_.take_word("ASCII")) return type.charset = "latin1", true;
  if (in_.take_word("UNICODE")) return type.charset = "ucs2", true;
  if (in_.take_word("BYTE")) return type.charset = "binary", true;
  if (in_.take_word("CONSTRAINT")) {
    if (!in_.is_word("CHECK")) in_.next();
    return true;
  }
  if (in_.take_word("REFERENCES")) {
    TableName ignored;
    return table(ignored);
  }
  if (in_.take_words({"ON", "DELETE"})) {
    if (!in_.take_words({"SET", "NULL"}) && !in_.take_words({"SET", "DEFAULT"}) &&
        !in_.take_words({"NO", "ACTION"})) {
      in_.next();
    }
    return true;
  }
  for (const std::string_view word :
       {"SIGNED", "BINARY", "VIRTUAL", "STORED", "PERSISTENT", "CHECK", "INVISIBLE", "VISIBLE",
        "MATCH", "FULL", "PARTIAL", "SIMPLE", "ENFORCED"}) {
    if (in_.take_word(word)) return true;
  }
  if (in_.take_word("REF_SYSTEM_ID") || in_.take_word("SRID")) {
    in_.take_symbol('=');
    if (in_.is_symbol('(')) {
      in_.skip_brackets();
    } else {
      in_.next();
    }
    return true;
  }
  return in_.take_words({"COLUMN_FORMAT", "DEFAULT"}) || in_.take_words({"STORAGE", "DEFAULT"});
}

/// Takes the constant that is here, or nothing: where there is more than one.
std::optional<DefaultConstant> ColumnParser::constant() {
  const bool negative = in_.is_symbol('-');
  std::size_t tokens = negative || in_.is_symbol('+') ? 1 : 0;
  const bool sign = tokens > 0;
  const SqlToken& first = in_.peek(tokens++);
  DefaultConstant out;
  if (first.kind == Kind::number) {
    out.text = (negative ? "-" : "") + first.text;
    if (in_.is_symbol('.', tokens) && in_.peek(tokens + 1).kind == Kind::number) {
      out.text += "." + in_.peek(tokens + 1).text;
      tokens += 2;
    }
  } else if (sign) {
    return std::nullopt;
  } else if (first.kind == Kind::string) {
    out = {first.text, true};
  } else if (in_.is_word("TRUE") || in_.is_word("FALSE")) {
    out.text = in_.is_word("TRUE") ? "1" : "0";
  } else if (in_.is_word("B") && in_.peek(1).kind == Kind::string) {
    const std::string& bits = in_.peek(tokens++).text;
    if (bits.empty() || bits.size() > 63 || bits.find_first_not_of("01") != std::string::npos) {
      return std::nullopt;
    }
    out.text = std::to_string(std::stoull(bits, nullptr, 2));
  } else {
    return std::nullopt;
  }
  const SqlToken& after = in_.peek(tokens);
  const bool ends = after.kind == Kind::word || after.kind == Kind::end ||
                    (after.kind == Kind::symbol && (after.text == "," || after.text == ")"));
  if (!ends) return std::nullopt;
  while (tokens-- > 0) in_.next();
  return out;
}

/// CURRENT_TIMESTAMP, NOW(0) and their synonyms.
bool ColumnParser::take_now() {
  std::size_t tokens = 1;
  if (!in_.is_word("CURRENT_TIMESTAMP") && !in_.is_word("NOW") && !in_.is_word("LOCALTIME") &&
      !in_.is_word("LOCALTIMESTAMP")) {
    return false;
  }
  if (in_.is_symbol('(', tokens)) {
    ++tokens;
    if (in_.peek(tokens).text == "0") ++tokens;
    if (!in_.is_symbol(')', tokens++)) return false;
  }
  while (tokens-- > 0) in_.next();
  return true;
}

void ColumnParser::default_value(ColumnDefinition& column) {
  column.constant.reset();
  column.now = false;
  if (in_.take_word("NULL")) return;
  column.constant = constant();
  column.now = !column.constant && take_now();
  if (column.constant || column.now) return;
  column.computed = true;
  if (in_.is_symbol('-') || in_.is_symbol('+')) in_.next();
  if (in_.is_symbol('(')) {
    in_.skip_brackets();
    return;
  }
  in_.next();
  if (in_.peek().kind == Kind::string) in_.next();  // _utf8'x', b'0', x'00'
  if (in_.take_symbol('.')) in_.next();             // 1.25
  if (in_.is_symbol('(')) in_.skip_brackets();      // CURRENT_TIMESTAMP(6)
}

void ColumnParser::finish_type(MysqlType& type) {
  if (type.charset != "binary") return;
  type.charset.clear();
  if (type.kind == MysqlKind::character) type.kind = MysqlKind::binary;
  if (type.kind == MysqlKind::varchar) type.kind = MysqlKind::varbinary;
  if (type.kind == MysqlKind::text) type.kind = MysqlKind::blob;
}

}  // namespace minato::wire
