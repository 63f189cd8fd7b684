#include "ingest/mysql/flavour.h"

#include <algorithm>

#include "ingest/mysql/flavour_mariadb.h"
#include "ingest/mysql/flavour_mysql.h"

namespace minato::ingest::mysql {

const Flavour& Flavour::of(const Connection& connection) {
  static const FlavourMariadb mariadb;
  static const FlavourMysql mysql;
  if (connection.is_mariadb()) return mariadb;
  return mysql;
}

Result<std::vector<SettingFound>> read_settings(Connection& connection) {
  const auto settings = Flavour::of(connection).settings();
  std::string names;
  for (const Setting& setting : settings) {
    if (!names.empty()) names += ',';
    names += literal(setting.name);
  }
  TRY_ASSIGN(const auto rows,
             connection.rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN (" + names + ")"));
  std::vector<SettingFound> found;
  for (const Setting& setting : settings) {
    const auto row =
        std::ranges::find_if(rows, [&](const Row& each) { return each[0] == setting.name; });
    if (row != rows.end()) found.push_back({setting, (*row)[1].value_or("")});
  }
  return found;
}

Status check_settings(Connection& connection) {
  TRY_ASSIGN(const auto settings, read_settings(connection));
  for (const SettingFound& found : settings) {
    if (found.right() || !found.setting.needed) continue;
    return fail(Code::invalid, std::string("The source's ") + found.setting.name + " is '" +
                                   found.value + "', but must be '" + found.setting.wanted + "'. " +
                                   found.setting.fix);
  }
  return {};
}

tl::unexpected<Error> other_flavour(const std::string& was, const std::string& is) {
  return fail(Code::source_gap, "The source was " + was + " and is " + is +
                                    " now: its log does not go on where the tables were read.");
}

tl::unexpected<Error> stands_before(const LogPosition& there, const LogPosition& from) {
  return fail(Code::source_gap,
              "The source no longer has its binary log from where Minato stopped: it stands at "
              "GTID " +
                  there.gtids.text() + ", before " + from.gtids.text() +
                  ". Was it reset, restored from a backup, or replaced?");
}

}  // namespace minato::ingest::mysql
