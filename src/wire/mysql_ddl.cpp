#include "wire/mysql_ddl.h"

#include <algorithm>
#include <array>

#include "wire/mysql_charset.h"
#include "wire/mysql_tokens.h"

namespace minato::wire {
namespace {

using Kind = SqlToken::Kind;
using Action = AlterAction::Kind;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string charset_name(std::string_view written) {
  std::string name = lower(written);
  return name == "utf8" ? "utf8mb3" : name;
}

/// Of a collation such as utf8mb4_general_ci; empty for one that goes with several
/// ("uca1400_ai_ci").
std::string charset_of_collation(std::string_view collation) {
  const std::string name = charset_name(lower(collation.substr(0, collation.find('_'))));
  return name == "binary" || Charset::find(name) ? name : std::string();
}

/// One statement. Functions return false when the text is not what they know; the statement is
/// unreadable then.
class Parser {
 public:
  Parser(TokenReader tokens, std::string_view database)
      : in_(std::move(tokens)), database_(database) {}

  DdlStatement parse() {
    if (in_.take_words({"SET", "STATEMENT"})) {
      while (!in_.at_end() && !in_.take_word("FOR")) in_.next();
    }
    bool readable = true;
    if (in_.take_word("CREATE")) {
      readable = create();
    } else if (in_.take_word("ALTER")) {
      readable = alter();
    } else if (in_.take_word("DROP")) {
      readable = drop();
    } else if (in_.take_word("RENAME")) {
      readable = rename();
    } else if (in_.take_word("TRUNCATE")) {
      in_.take_word("TABLE");
      out_.kind = DdlStatement::Kind::truncate_table;
      readable = table_name();
    }
    if (!readable) out_.kind = DdlStatement::Kind::unreadable;
    return std::move(out_);
  }

 private:
  bool name(std::string& into) {
    const Kind kind = in_.peek().kind;
    if (kind != Kind::word && kind != Kind::quoted_name && kind != Kind::number) return false;
    into = in_.next().text;
    return !into.empty();
  }
  bool table(TableName& into) {
    std::string first;
    if (!name(first)) return false;
    into = {database_, first};
    if (!in_.take_symbol('.')) return true;
    into.schema = first;
    return name(into.name);
  }
  bool table_name() { return table(out_.tables.emplace_back()); }

  /// Behind what `text[0]` closes: to the next comma or closing bracket of this level.
  void skip_item() {
    while (!in_.at_end() && !in_.is_symbol(',') && !in_.is_symbol(')')) {
      if (in_.is_symbol('(')) {
        in_.skip_brackets();
      } else {
        in_.next();
      }
    }
  }

  bool create() {
    while (true) {
      if (in_.take_words({"OR", "REPLACE"})) {
        out_.or_replace = true;
      } else if (in_.take_word("TEMPORARY")) {
        out_.temporary = true;
      } else {
        break;
      }
    }
    if (!in_.take_word("TABLE")) return true;  // an index, a view, a sequence …: other
    out_.kind = DdlStatement::Kind::create_table;
    out_.if_not_exists = in_.take_words({"IF", "NOT", "EXISTS"});
    if (!table_name()) return false;
    if (in_.take_word("LIKE")) return table(out_.like.emplace());
    if (!in_.is_symbol('(')) {
      out_.from_select = true;
      return true;
    }
    in_.next();
    if (in_.take_word("LIKE")) return table(out_.like.emplace());
    if (in_.is_word("SELECT") || in_.is_word("WITH") || in_.is_symbol('(')) {
      out_.from_select = true;
      return true;
    }
    do {
      if (!create_item()) return false;
    } while (in_.take_symbol(','));
    if (!in_.take_symbol(')')) return false;
    return table_options();
  }

  bool create_item() {
    if (in_.take_word("CONSTRAINT")) {
      if (!in_.is_word("PRIMARY") && !in_.is_word("UNIQUE") && !in_.is_word("FOREIGN") &&
          !in_.is_word("CHECK")) {
        in_.next();
      }
    }
    if (in_.is_word("PRIMARY") && in_.is_word("KEY", 1)) {
      in_.take_words({"PRIMARY", "KEY"});
      return key_columns(out_.primary_key);
    }
    if (is_key_item()) {
      skip_item();
      return true;
    }
    ColumnDefinition column;
    if (!definition(column, nullptr)) return false;
    if (column.primary_key) out_.primary_key.push_back(column.name);
    out_.columns.push_back(std::move(column));
    return true;
  }

  bool is_key_item() const {
    for (const std::string_view word :
         {"INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"}) {
      if (in_.is_word(word)) return true;
    }
    return in_.is_word("PERIOD") && in_.is_word("FOR", 1);
  }

  /// [name] [USING x] (a, b(10) DESC, …) of a primary key.
  bool key_columns(std::vector<std::string>& into) {
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

  bool table_options() {
    while (!in_.at_end()) {
      if (in_.take_word("CHARSET") || in_.take_words({"CHARACTER", "SET"})) {
        in_.take_symbol('=');
        if (!name(out_.charset)) return false;
        out_.charset = charset_name(out_.charset);
      } else if (in_.take_word("COLLATE")) {
        in_.take_symbol('=');
        std::string collation;
        if (!name(collation)) return false;
        if (out_.charset.empty()) out_.charset = charset_of_collation(collation);
      } else if (in_.is_word("SELECT") || in_.is_word("AS") || in_.is_word("WITH")) {
        // "WITH SYSTEM VERSIONING" makes what cannot be followed; a SELECT adds columns.
        return false;
      } else if (in_.is_symbol('(')) {
        in_.skip_brackets();
      } else {
        in_.next();
      }
    }
    return true;
  }

  /// name type attributes [FIRST | AFTER c]
  bool definition(ColumnDefinition& column, AlterAction* place) {
    return name(column.name) && type(column) && attributes(column, place);
  }

  bool type(ColumnDefinition& column) {
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

  bool attributes(ColumnDefinition& column, AlterAction* place) {
    while (!in_.at_end() && !in_.is_symbol(',') && !in_.is_symbol(')')) {
      if (!attribute(column, place)) return false;
    }
    finish_type(column.type);
    if (column.primary_key) column.not_null = true;
    return true;
  }

  bool attribute(ColumnDefinition& column, AlterAction* place) {
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

  /// Words that change nothing for us; anything unknown is refused.
  bool plain_attribute(MysqlType& type) {
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

  void default_value(ColumnDefinition& column) {
    if (in_.take_word("NULL")) return;
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

  static void finish_type(MysqlType& type) {
    if (type.charset != "binary") return;
    type.charset.clear();
    if (type.kind == MysqlKind::character) type.kind = MysqlKind::binary;
    if (type.kind == MysqlKind::varchar) type.kind = MysqlKind::varbinary;
    if (type.kind == MysqlKind::text) type.kind = MysqlKind::blob;
  }

  bool alter() {
    in_.take_word("ONLINE");
    in_.take_word("IGNORE");
    if (!in_.take_word("TABLE")) return true;
    out_.kind = DdlStatement::Kind::alter_table;
    in_.take_words({"IF", "EXISTS"});
    if (!table_name()) return false;
    wait();
    while (!in_.at_end()) {
      if (!alter_action()) return false;
      if (!in_.take_symbol(',') && !in_.at_end() && !in_.is_word("PARTITION") &&
          !in_.is_word("REMOVE")) {
        return false;
      }
    }
    return true;
  }

  void wait() {
    if (in_.take_word("WAIT")) {
      in_.next();
    } else {
      in_.take_word("NOWAIT");
    }
  }

  AlterAction& action(Action kind) {
    AlterAction& made = out_.actions.emplace_back();
    made.kind = kind;
    return made;
  }
  bool skip_action(Action kind) {
    action(kind);
    skip_item();
    return true;
  }

  bool alter_action() {
    if (in_.take_word("ADD")) return alter_add();
    if (in_.take_word("DROP")) return alter_drop();
    if (in_.take_word("CHANGE")) return alter_change(true);
    if (in_.take_word("MODIFY")) return alter_change(false);
    if (in_.take_word("RENAME")) return alter_rename();
    if (in_.take_words({"CONVERT", "TO"})) return alter_convert();
    for (const std::string_view word : {"TRUNCATE", "EXCHANGE", "DISCARD", "IMPORT"}) {
      if (in_.take_word(word)) return skip_action(Action::replace_contents);
    }
    if (in_.take_words({"CONVERT", "PARTITION"}) || in_.take_words({"CONVERT", "TABLE"})) {
      return skip_action(Action::replace_contents);
    }
    for (const std::string_view word : {"ALTER",
                                        "ENGINE",
                                        "COMMENT",
                                        "AUTO_INCREMENT",
                                        "ORDER",
                                        "FORCE",
                                        "ALGORITHM",
                                        "LOCK",
                                        "DEFAULT",
                                        "CHARSET",
                                        "CHARACTER",
                                        "COLLATE",
                                        "ENABLE",
                                        "DISABLE",
                                        "ROW_FORMAT",
                                        "KEY_BLOCK_SIZE",
                                        "STATS_PERSISTENT",
                                        "STATS_AUTO_RECALC",
                                        "STATS_SAMPLE_PAGES",
                                        "PAGE_COMPRESSED",
                                        "PAGE_COMPRESSION_LEVEL",
                                        "ENCRYPTED",
                                        "ENCRYPTION_KEY_ID",
                                        "CHECKSUM",
                                        "MAX_ROWS",
                                        "MIN_ROWS",
                                        "AVG_ROW_LENGTH",
                                        "PACK_KEYS",
                                        "DELAY_KEY_WRITE",
                                        "INSERT_METHOD",
                                        "TRANSACTIONAL",
                                        "PAGE_CHECKSUM",
                                        "UNION",
                                        "TABLESPACE",
                                        "DATA",
                                        "INDEX",
                                        "CONNECTION",
                                        "PASSWORD",
                                        "OPTIMIZE",
                                        "ANALYZE",
                                        "CHECK",
                                        "REPAIR",
                                        "REBUILD",
                                        "REORGANIZE",
                                        "COALESCE",
                                        "PARTITION",
                                        "REMOVE",
                                        "NOCOPY",
                                        "WITH",
                                        "WITHOUT"}) {
      if (in_.is_word(word)) return skip_action(Action::harmless);
    }
    return false;
  }

  bool alter_add() {
    if (in_.take_word("PARTITION") || in_.take_words({"SYSTEM", "VERSIONING"})) {
      return skip_action(in_.is_symbol('(') ? Action::harmless : Action::replace_contents);
    }
    if (in_.take_word("CONSTRAINT")) {
      in_.take_words({"IF", "NOT", "EXISTS"});
      if (!in_.is_word("PRIMARY") && !in_.is_word("UNIQUE") && !in_.is_word("FOREIGN") &&
          !in_.is_word("CHECK")) {
        in_.next();
      }
    }
    if (in_.take_words({"PRIMARY", "KEY"}))
      return key_columns(action(Action::add_primary_key).columns);
    if (is_key_item()) return skip_action(Action::harmless);
    in_.take_word("COLUMN");
    const bool if_exists = in_.take_words({"IF", "NOT", "EXISTS"});
    const bool several = in_.take_symbol('(');
    do {
      if (several && is_key_item()) {
        skip_item();
        continue;
      }
      AlterAction add;
      add.kind = Action::add_column;
      add.if_exists = if_exists;
      if (!definition(add.column, &add)) return false;
      out_.actions.push_back(std::move(add));
    } while (several && in_.take_symbol(','));
    return !several || in_.take_symbol(')');
  }

  bool alter_drop() {
    if (in_.take_words({"PRIMARY", "KEY"})) return action(Action::drop_primary_key), true;
    if (in_.take_word("PARTITION")) return skip_action(Action::replace_contents);
    for (const std::string_view word :
         {"INDEX", "KEY", "FOREIGN", "CONSTRAINT", "CHECK", "PERIOD", "SYSTEM"}) {
      if (in_.is_word(word))
        return skip_action(word == "SYSTEM" ? Action::replace_contents : Action::harmless);
    }
    in_.take_word("COLUMN");
    AlterAction& drop = action(Action::drop_column);
    drop.if_exists = in_.take_words({"IF", "EXISTS"});
    if (!name(drop.name)) return false;
    if (!in_.take_word("RESTRICT")) in_.take_word("CASCADE");
    return true;
  }

  bool alter_change(bool renames) {
    in_.take_word("COLUMN");
    AlterAction change;
    change.kind = Action::change_column;
    change.if_exists = in_.take_words({"IF", "EXISTS"});
    if (renames && !name(change.name)) return false;
    if (!definition(change.column, &change)) return false;
    if (!renames) change.name = change.column.name;
    out_.actions.push_back(std::move(change));
    return true;
  }

  bool alter_rename() {
    if (in_.take_word("COLUMN")) {
      AlterAction& rename = action(Action::rename_column);
      rename.if_exists = in_.take_words({"IF", "EXISTS"});
      return name(rename.name) && in_.take_word("TO") && name(rename.column.name);
    }
    if (in_.is_word("INDEX") || in_.is_word("KEY")) return skip_action(Action::harmless);
    if (!in_.take_word("TO") && !in_.take_word("AS")) in_.take_symbol('=');
    return table(action(Action::rename_table).table);
  }

  bool alter_convert() {
    if (!in_.take_word("CHARSET") && !in_.take_words({"CHARACTER", "SET"})) return false;
    AlterAction& convert = action(Action::convert_charset);
    if (!name(convert.name)) return false;
    convert.name = charset_name(convert.name);
    if (in_.take_word("COLLATE")) {
      in_.take_symbol('=');
      in_.next();
    }
    return true;
  }

  bool drop() {
    if (in_.take_word("DATABASE") || in_.take_word("SCHEMA")) {
      out_.kind = DdlStatement::Kind::drop_database;
      in_.take_words({"IF", "EXISTS"});
      return name(out_.tables.emplace_back().schema);
    }
    out_.temporary = in_.take_word("TEMPORARY");
    if (!in_.take_word("TABLE") && !in_.take_word("TABLES")) return true;
    out_.kind = DdlStatement::Kind::drop_table;
    in_.take_words({"IF", "EXISTS"});
    do {
      if (!table_name()) return false;
    } while (in_.take_symbol(','));
    return true;
  }

  bool rename() {
    if (!in_.take_word("TABLE") && !in_.take_word("TABLES")) return true;
    out_.kind = DdlStatement::Kind::rename_table;
    in_.take_words({"IF", "EXISTS"});
    do {
      if (!table_name()) return false;
      wait();
      if (!in_.take_word("TO") || !table_name()) return false;
    } while (in_.take_symbol(','));
    return true;
  }

  TokenReader in_;
  std::string database_;
  DdlStatement out_;
};

}  // namespace

DdlStatement parse_ddl(std::string_view text, std::string_view database, std::uint64_t sql_mode) {
  const bool ansi = (sql_mode & sql_mode_ansi_quotes) != 0;
  const bool backslashes = (sql_mode & sql_mode_no_backslash_escapes) == 0;
  return Parser(TokenReader(sql_tokens(text, ansi, backslashes)), database).parse();
}

}  // namespace minato::wire
