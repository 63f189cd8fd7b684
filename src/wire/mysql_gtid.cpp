#include "wire/mysql_gtid.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace minato::wire {
namespace {

constexpr std::size_t tag_size_max = 32;
constexpr std::uint64_t number_max = (std::uint64_t{1} << 63) - 2;  // GNO_END - 1

tl::unexpected<Error> malformed() {
  return fail(Code::invalid, "The source's binary log has a malformed GTID event.");
}

tl::unexpected<Error> bad(std::string_view text) {
  return fail(Code::invalid, "'" + std::string(text.substr(0, 200)) + "' is not a set of GTIDs");
}

/// An integer of mysql::serialization: as many one bits at the low end of the first byte as bytes
/// follow it.
std::uint64_t variable_integer(ByteReader& in) {
  const std::uint8_t first = in.u8();
  unsigned more = 0;
  while (more < 8 && (first >> more & 1) != 0) ++more;
  if (more == 0) return first >> 1;
  if (more == 8) return in.u64();
  const std::uint64_t high = in.le(more);
  return high << (7 - more) | first >> (more + 1);
}

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

bool is_dash_at(std::size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

bool parse_uuid(std::string_view text, std::array<std::uint8_t, 16>& uuid) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (is_dash_at(i) && at < text.size() && text[at] == '-') ++at;
    if (at + 2 > text.size()) return false;
    const auto high = hex_digit(text[at]);
    const auto low = hex_digit(text[at + 1]);
    if (!high || !low) return false;
    uuid[i] = static_cast<std::uint8_t>(*high << 4 | *low);
    at += 2;
  }
  return at == text.size();
}

void append_uuid(const std::array<std::uint8_t, 16>& uuid, std::string& out) {
  constexpr std::string_view hex = "0123456789abcdef";
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (is_dash_at(i)) out += '-';
    out += hex[uuid[i] >> 4];
    out += hex[uuid[i] & 15];
  }
}

bool is_tag(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !text.empty() && text.size() <= tag_size_max && letter(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool parse_number(std::string_view text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 1 &&
         value <= number_max;
}

/// Cuts what is before `mark` (or all) off the front of `text`.
std::string_view cut(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

void put(std::string& out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
}

}  // namespace

Result<MysqlGtid> parse_mysql_gtid(Bytes body) {
  ByteReader in(body);
  in.u8();  // may have been written as a statement: of no concern
  MysqlGtid gtid;
  const Bytes uuid = in.take(16);
  gtid.number = in.u64();
  if (!in.ok() || gtid.number < 1 || gtid.number > number_max) return malformed();
  std::copy(uuid.begin(), uuid.end(), gtid.origin.uuid.begin());
  return gtid;
}

Result<MysqlGtid> parse_mysql_tagged_gtid(Bytes body) {
  ByteReader in(body);
  if (variable_integer(in) != 1) return malformed();  // version of the form
  variable_integer(in);                               // size of the message
  variable_integer(in);                               // last field that must be understood
  MysqlGtid gtid;
  bool complete = false;
  // Fields come in ascending order; those after the tag (3) do not concern us.
  while (in.ok() && !in.empty() && !complete) {
    switch (variable_integer(in)) {
      case 0: variable_integer(in); break;  // flags
      case 1:
        for (std::uint8_t& byte : gtid.origin.uuid) {
          byte = static_cast<std::uint8_t>(variable_integer(in));
        }
        break;
      case 2: gtid.number = variable_integer(in) >> 1; break;  // signed: the sign comes lowest
      case 3:
        gtid.origin.tag = std::string(in.text(variable_integer(in)));
        complete = true;
        break;
      default: complete = true;
    }
  }
  const bool fits = gtid.origin.tag.empty() || is_tag(gtid.origin.tag);
  if (!in.ok() || !fits || gtid.number < 1 || gtid.number > number_max) return malformed();
  return gtid;
}

Result<MysqlGtidSet> MysqlGtidSet::parse(std::string_view text) {
  std::string packed;
  std::ranges::copy_if(text, std::back_inserter(packed),
                       [](char c) { return c != ' ' && c != '\n' && c != '\r' && c != '\t'; });
  MysqlGtidSet set;
  for (std::string_view all = packed; !all.empty();) {
    std::string_view one = cut(all, ',');
    if (one.empty()) continue;
    MysqlGtidOrigin origin;
    if (!parse_uuid(cut(one, ':'), origin.uuid) || one.empty()) return bad(text);
    while (!one.empty()) {
      const std::string_view part = cut(one, ':');
      if (is_tag(part)) {
        origin.tag = std::string(part);
        continue;
      }
      const auto dash = part.find('-');
      Range range;
      if (!parse_number(part.substr(0, dash), range.first)) return bad(text);
      range.last = range.first;
      const bool more = dash != std::string_view::npos;
      if (more && !parse_number(part.substr(dash + 1), range.last)) return bad(text);
      if (range.last < range.first) return bad(text);
      set.add(origin, range);
    }
  }
  return set;
}

std::string MysqlGtidSet::text() const {
  std::string out;
  const MysqlGtidOrigin* before = nullptr;
  for (const auto& [origin, ranges] : ranges_) {
    if (before == nullptr || before->uuid != origin.uuid) {
      if (!out.empty()) out += ',';
      append_uuid(origin.uuid, out);
    }
    before = &origin;
    if (!origin.tag.empty()) out += ":" + origin.tag;
    for (const Range& range : ranges) {
      out += ":" + std::to_string(range.first);
      if (range.last != range.first) out += "-" + std::to_string(range.last);
    }
  }
  return out;
}

std::string MysqlGtidSet::encode() const {
  const bool tagged =
      std::ranges::any_of(ranges_, [](const auto& each) { return !each.first.tag.empty(); });
  const std::uint64_t count = ranges_.size();
  std::string out;
  put(out, tagged ? std::uint64_t{1} << 56 | count << 8 | 1 : count);
  for (const auto& [origin, ranges] : ranges_) {
    out.append(reinterpret_cast<const char*>(origin.uuid.data()), origin.uuid.size());
    if (tagged) {
      out += static_cast<char>(origin.tag.size() << 1);
      out += origin.tag;
    }
    put(out, ranges.size());
    for (const Range& range : ranges) {
      put(out, range.first);
      put(out, range.last + 1);
    }
  }
  return out;
}

void MysqlGtidSet::add(const MysqlGtidOrigin& origin, Range range) {
  std::vector<Range>& ranges = ranges_[origin];
  // Nearly always the number after the last one.
  if (ranges.empty() || range.first > ranges.back().last + 1) {
    ranges.push_back(range);
    return;
  }
  if (range.first >= ranges.back().first) {
    ranges.back().last = std::max(ranges.back().last, range.last);
    return;
  }
  const auto first =
      std::ranges::find_if(ranges, [&](const Range& each) { return each.last + 1 >= range.first; });
  auto end = first;
  for (; end != ranges.end() && end->first <= range.last + 1; ++end) {
    range.first = std::min(range.first, end->first);
    range.last = std::max(range.last, end->last);
  }
  ranges.insert(ranges.erase(first, end), range);
}

bool MysqlGtidSet::covers(const MysqlGtidSet& other) const {
  return std::ranges::all_of(other.ranges_, [&](const auto& wanted) {
    const auto found = ranges_.find(wanted.first);
    if (found == ranges_.end()) return false;
    return std::ranges::all_of(wanted.second, [&](const Range& range) {
      // The last of ours that begins at or before it must reach beyond its end.
      auto after = std::ranges::upper_bound(found->second, range.first, {}, &Range::first);
      return after != found->second.begin() && std::prev(after)->last >= range.last;
    });
  });
}

}  // namespace minato::wire
