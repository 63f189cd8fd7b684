#include "ingest/mysql/position.h"

#include <charconv>
#include <utility>

namespace minato::ingest::mysql {
namespace {

template <class T>
bool number(std::string_view text, T& value) {
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
  return fail(Code::invalid,
              "'" + std::string(text) + "' is not a position in a MariaDB binary log");
}

}  // namespace

Status LogPosition::set_gtids(std::string_view text) {
  gtids.clear();
  const std::string_view all = text;
  while (!text.empty()) {
    std::string_view one = cut(text, ',');
    while (!one.empty() && (one.front() == ' ' || one.front() == '\n')) one.remove_prefix(1);
    std::uint32_t domain = 0;
    Gtid gtid;
    if (!number(cut(one, '-'), domain) || !number(cut(one, '-'), gtid.server) ||
        !number(one, gtid.sequence)) {
      return bad(all);
    }
    gtids[domain] = gtid;
  }
  return {};
}

Result<LogPosition> LogPosition::parse(std::string_view text) {
  LogPosition position;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view value = cut(rest, ';');
    const std::string_view key = cut(value, '=');
    if (key == "gtid") {
      TRY(position.set_gtids(value));
    } else if (key == "file") {
      position.file = std::string(value);
    } else if (key != "pos" || !number(value, position.offset)) {
      return bad(text);
    }
  }
  return position;
}

std::string LogPosition::gtid_text() const {
  std::string out;
  for (const auto& [domain, gtid] : gtids) {
    if (!out.empty()) out += ',';
    out += std::to_string(domain) + "-" + std::to_string(gtid.server) + "-" +
           std::to_string(gtid.sequence);
  }
  return out;
}

std::string LogPosition::text() const {
  return "gtid=" + gtid_text() + ";file=" + file + ";pos=" + std::to_string(offset);
}

bool LogPosition::covers(const LogPosition& wanted) const {
  for (const auto& [domain, gtid] : wanted.gtids) {
    const auto found = gtids.find(domain);
    if (found == gtids.end() || found->second.sequence < gtid.sequence) return false;
  }
  // Without GTIDs the log's own order is all there is; files are numbered with six digits or more.
  if (!wanted.gtids.empty()) return true;
  if (file.size() != wanted.file.size()) return file.size() > wanted.file.size();
  return std::pair(file, offset) >= std::pair(wanted.file, wanted.offset);
}

}  // namespace minato::ingest::mysql
