#include "ingest/mysql/position.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace minato::ingest::mysql {
namespace {

template <class T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// Cuts what is before `mark` (or all) off the front of `text`.
std::string_view cut(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

tl::unexpected<Error> bad(std::string_view text) {
  return fail(Code::invalid, "'" + std::string(text) + "' is not a position in a binary log");
}

}  // namespace

std::uint64_t number(const Gtid& gtid) {
  if (const auto* mariadb = std::get_if<MariadbGtid>(&gtid)) return mariadb->sequence;
  return std::get<wire::MysqlGtid>(gtid).number;
}

Result<GtidSet> GtidSet::parse(std::string_view text) {
  GtidSet set;
  if (text.find(':') != std::string_view::npos) {
    TRY_ASSIGN(set.ids_, wire::MysqlGtidSet::parse(text));
    return set;
  }
  const std::string_view all = text;
  while (!text.empty()) {
    std::string_view one = cut(text, ',');
    while (!one.empty() && (one.front() == ' ' || one.front() == '\n')) one.remove_prefix(1);
    MariadbGtid gtid;
    if (!parse_number(cut(one, '-'), gtid.domain) || !parse_number(cut(one, '-'), gtid.server) ||
        !parse_number(one, gtid.sequence)) {
      return bad(all);
    }
    std::get<Domains>(set.ids_)[gtid.domain] = gtid;
  }
  return set;
}

std::string GtidSet::text() const {
  if (const wire::MysqlGtidSet* set = mysql()) return set->text();
  std::string out;
  for (const auto& [domain, gtid] : std::get<Domains>(ids_)) {
    if (!out.empty()) out += ',';
    out += std::to_string(domain) + "-" + std::to_string(gtid.server) + "-" +
           std::to_string(gtid.sequence);
  }
  return out;
}

Status GtidSet::add(const Gtid& gtid) {
  const bool is_mysql = std::holds_alternative<wire::MysqlGtid>(gtid);
  if (is_mysql != (mysql() != nullptr)) {
    if (!empty()) {
      return fail(Code::source_gap,
                  "The source was a MariaDB and is a MySQL now, or the other way round: its log "
                  "does not go on where the tables were read.");
    }
    if (is_mysql) {
      ids_ = wire::MysqlGtidSet();
    } else {
      ids_ = Domains();
    }
  }
  if (is_mysql) {
    std::get<wire::MysqlGtidSet>(ids_).add(std::get<wire::MysqlGtid>(gtid));
  } else {
    const auto& one = std::get<MariadbGtid>(gtid);
    std::get<Domains>(ids_)[one.domain] = one;
  }
  return {};
}

bool GtidSet::covers(const GtidSet& wanted) const {
  if (wanted.empty()) return true;
  if (const wire::MysqlGtidSet* set = wanted.mysql()) {
    return mysql() != nullptr && mysql()->covers(*set);
  }
  const auto* have = std::get_if<Domains>(&ids_);
  if (have == nullptr) return false;
  return std::ranges::all_of(std::get<Domains>(wanted.ids_), [&](const auto& each) {
    const auto found = have->find(each.first);
    return found != have->end() && found->second.sequence >= each.second.sequence;
  });
}

bool GtidSet::empty() const {
  return std::visit([](const auto& ids) { return ids.empty(); }, ids_);
}

const wire::MysqlGtidSet* GtidSet::mysql() const { return std::get_if<wire::MysqlGtidSet>(&ids_); }

bool GtidSet::operator==(const GtidSet& other) const {
  return (empty() && other.empty()) || ids_ == other.ids_;
}

Result<LogPosition> LogPosition::parse(std::string_view text) {
  LogPosition position;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view value = cut(rest, ';');
    const std::string_view key = cut(value, '=');
    if (key == "gtid") {
      TRY_ASSIGN(position.gtids, GtidSet::parse(value));
    } else if (key == "file") {
      position.file = std::string(value);
    } else if (key != "pos" || !parse_number(value, position.offset)) {
      return bad(text);
    }
  }
  return position;
}

std::string LogPosition::text() const {
  return "gtid=" + gtids.text() + ";file=" + file + ";pos=" + std::to_string(offset);
}

bool LogPosition::covers(const LogPosition& wanted) const {
  if (!wanted.gtids.empty()) return gtids.covers(wanted.gtids);
  // Without GTIDs the log's own order is all there is; files are numbered with six digits or more.
  if (file.size() != wanted.file.size()) return file.size() > wanted.file.size();
  return std::pair(file, offset) >= std::pair(wanted.file, wanted.offset);
}

}  // namespace minato::ingest::mysql
