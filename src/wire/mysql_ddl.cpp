#include "wire/mysql_ddl.h"

#include "wire/mysql_charset.h"
#include "wire/mysql_ddl_columns.h"

namespace minato::wire {
namespace {

using Kind = SqlToken::Kind;
using Action = AlterAction::Kind;

/// One statement.
class Parser : private ColumnParser {
 public:
  Parser(TokenReader tokens, std::string_view database)
      : ColumnParser(std::move(tokens), database) {}

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
  bool table_name() { return table(out_.tables.emplace_back()); }

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

  /// One of a table's options, or a word of one.
  bool table_option(std::optional<std::string>& charset) {
    std::string written;
    if (in_.take_word("CHARSET") || in_.take_words({"CHARACTER", "SET"})) {
      in_.take_symbol('=');
      if (!name(written)) return false;
      charset = charset_name(written);
      if (*charset == "default") charset = "";
    } else if (in_.take_word("COLLATE")) {
      in_.take_symbol('=');
      if (!name(written)) return false;
      if (!charset) charset = charset_of_collation(written);
    } else if (in_.is_symbol('(')) {
      in_.skip_brackets();
    } else {
      in_.next();
    }
    return true;
  }

  bool table_options() {
    std::optional<std::string> charset;
    while (!in_.at_end()) {
      // "WITH SYSTEM VERSIONING" makes what cannot be followed; a SELECT adds columns.
      if (in_.is_word("SELECT") || in_.is_word("AS") || in_.is_word("WITH")) return false;
      if (!table_option(charset)) return false;
    }
    out_.charset = charset.value_or("");
    return true;
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
    // The options of a table, but for these two, which name columns.
    if (in_.is_word("ALTER") || in_.is_word("ORDER")) return skip_action(Action::harmless);
    for (const std::string_view word : {"ENGINE",
                                        "COMMENT",
                                        "AUTO_INCREMENT",
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
      if (in_.is_word(word)) return alter_options();
    }
    return false;
  }

  bool alter_options() {
    std::optional<std::string> charset;
    while (!in_.at_end() && !in_.is_symbol(',')) {
      if (!table_option(charset)) return false;
    }
    action(charset ? Action::default_charset : Action::harmless).name = charset.value_or("");
    return true;
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

  DdlStatement out_;
};

}  // namespace

DdlStatement parse_ddl(std::string_view text, std::string_view database, std::uint64_t sql_mode) {
  const bool ansi = (sql_mode & sql_mode_ansi_quotes) != 0;
  const bool backslashes = (sql_mode & sql_mode_no_backslash_escapes) == 0;
  return Parser(TokenReader(sql_tokens(text, ansi, backslashes)), database).parse();
}

}  // namespace minato::wire
