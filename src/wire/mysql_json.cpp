#include "wire/mysql_json.h"

#include <array>
#include <charconv>
#include <cmath>

#include "wire/mysql_types.h"
#include "wire/mysql_values.h"

namespace minato::wire {
namespace {

// Types of values (MySQL: json_binary.h).
constexpr std::uint8_t small_object = 0, large_object = 1, small_array = 2, large_array = 3,
                       literal = 4, json_int16 = 5, json_uint16 = 6, json_int32 = 7,
                       json_uint32 = 8, json_int64 = 9, json_uint64 = 10, json_double = 11,
                       json_string = 12, json_opaque = 15;

constexpr unsigned depth_max = 101;  // the server's own limit is 100
// A value's text is at most about six times its bytes. Containers whose offsets point to the same
// bytes again and again would give far more.
constexpr std::size_t growth_max = 8;

void append_quoted(std::string_view text, std::string& out) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) {
          out += c;
        } else {
          out += "\\u00";
          out += hex[static_cast<unsigned char>(c) >> 4];
          out += hex[static_cast<unsigned char>(c) & 15];
        }
    }
  }
  out += '"';
}

/// Shortest digits that give the value back; with an exponent where the point would be more than 15
/// places away and no digit would follow it (the server's my_gcvt(), compared with a live one).
bool append_double(double value, std::string& out) {
  if (!std::isfinite(value)) return false;
  std::array<char, 40> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(value),
                                 std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  const auto mark = text.find('e');
  std::string digits;
  for (const char c : text.substr(0, mark)) {
    if (c != '.') digits += c;
  }
  int exponent = 0;
  const std::string_view power = text.substr(mark + (text[mark + 1] == '+' ? 2 : 1));
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (std::signbit(value)) out += '-';
  const int point = exponent + 1;  // the value is 0.DIGITS × 10^point
  const bool whole_and_large = point > 15 && digits.size() <= static_cast<std::size_t>(point);
  if (point < -14 || whole_and_large) {
    out += digits[0];
    if (digits.size() > 1) out.append(".").append(digits, 1);
    out += "e" + std::to_string(exponent);
  } else if (point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(digits);
  } else {
    const auto whole = static_cast<std::size_t>(point);
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    out.append(digits, 0, whole).append(".");
    if (digits.size() > whole) {
      out.append(digits, whole);
    } else {
      out += '0';
    }
  }
  return true;
}

void append_padded(std::uint64_t value, unsigned width, std::string& out) {
  const std::string text = std::to_string(value);
  if (text.size() < width) out.append(width - text.size(), '0');
  out += text;
}

void append_clock(std::uint64_t hours, std::uint64_t packed, std::uint64_t us, std::string& out) {
  append_padded(hours, 2, out);
  out += ':';
  append_padded(packed >> 6 & 63, 2, out);
  out += ':';
  append_padded(packed & 63, 2, out);
  out += '.';
  append_padded(us, 6, out);
}

/// The server's packed times: microseconds in the lowest 24 bits, then seconds, minutes, hours,
/// then days, and months in thirteens.
void append_moment(std::uint8_t type, std::int64_t packed, std::string& out) {
  const bool negative = packed < 0;
  const auto bits = negative ? std::uint64_t{0} - static_cast<std::uint64_t>(packed)
                             : static_cast<std::uint64_t>(packed);
  const std::uint64_t us = bits & 0xffffff;
  const std::uint64_t seconds = bits >> 24;
  out += '"';
  if (type == type_time) {
    if (negative) out += '-';
    append_clock(seconds >> 12 & 0x3ff, seconds, us, out);
  } else {
    const std::uint64_t day = seconds >> 17;
    append_padded((day >> 5) / 13, 4, out);
    out += '-';
    append_padded((day >> 5) % 13, 2, out);
    out += '-';
    append_padded(day & 31, 2, out);
    if (type != type_date) {
      out += ' ';
      append_clock(seconds >> 12 & 31, seconds, us, out);
    }
  }
  out += '"';
}

bool append_number(Bytes data, std::string& out) {
  if (data.size() < 2) return false;
  const unsigned precision = data[0];
  const unsigned scale = data[1];
  if (precision < 1 || precision > 65 || scale > 30 || scale > precision) return false;
  if (data.size() != 2 + decimal_size(precision, scale)) return false;
  std::array<char, 81> digits{};
  bool negative = false;
  if (!decimal_digits(data.data() + 2, precision, scale, negative, digits.data())) return false;
  out += decimal_text(negative, {digits.data(), precision}, scale);
  return true;
}

void append_base64(std::uint8_t type, Bytes data, std::string& out) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::size_t line = 76;  // the server breaks lines, and escapes the break
  out += "\"base64:type" + std::to_string(type) + ":";
  std::size_t written = 0;
  for (std::size_t i = 0; i < data.size(); i += 3) {
    if (written == line) {
      out += "\\n";
      written = 0;
    }
    const std::size_t left = data.size() - i;
    const std::uint32_t three =
        data[i] << 16 | (left > 1 ? data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
    out += alphabet[three >> 18];
    out += alphabet[three >> 12 & 63];
    out += left > 1 ? alphabet[three >> 6 & 63] : '=';
    out += left > 2 ? alphabet[three & 63] : '=';
    written += 4;
  }
  out += '"';
}

class Printer {
 public:
  Printer(std::string& out, std::size_t size)
      : out_(out), end_(out.size() + growth_max * size + 64) {}

  /// A value whose bytes begin `data`; what follows them belongs to others.
  bool value(std::uint8_t type, Bytes data, unsigned depth) {
    if (depth > depth_max || out_.size() > end_) return false;
    ByteReader in(data);
    switch (type) {
      case small_object:
      case large_object:
      case small_array:
      case large_array: return container(type, data, depth);
      case literal: return constant(in.u8()) && in.ok();
      case json_int16: return number(static_cast<std::int16_t>(in.u16())) && in.ok();
      case json_uint16: return number(in.u16()) && in.ok();
      case json_int32: return number(static_cast<std::int32_t>(in.u32())) && in.ok();
      case json_uint32: return number(in.u32()) && in.ok();
      case json_int64: return number(static_cast<std::int64_t>(in.u64())) && in.ok();
      case json_uint64: return number(in.u64()) && in.ok();
      case json_double: {
        const Bytes bytes = in.take(8);
        return in.ok() && append_double(load<double>(bytes.data()), out_);
      }
      case json_string: {
        const std::string_view text = as_text(counted(in));
        if (in.ok()) append_quoted(text, out_);
        return in.ok();
      }
      case json_opaque: return opaque(in);
      default: return false;
    }
  }

 private:
  template <class T>
  bool number(T value) {
    out_ += std::to_string(value);
    return true;
  }
  bool constant(std::uint8_t which) {
    constexpr std::array<std::string_view, 3> names = {"null", "true", "false"};
    if (which >= names.size()) return false;
    out_ += names[which];
    return true;
  }
  /// Bytes behind a length of seven bits a byte, the lowest first.
  static Bytes counted(ByteReader& in) {
    std::uint64_t size = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      const std::uint8_t byte = in.u8();
      size |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return in.take(size);
    }
    return in.take(in.left() + 1);  // no length is that long: not ok
  }
  bool opaque(ByteReader& in) {
    const std::uint8_t type = in.u8();
    const Bytes data = counted(in);
    if (!in.ok()) return false;
    switch (type) {
      case type_newdecimal: return append_number(data, out_);
      case type_date:
      case type_time:
      case type_datetime:
      case type_timestamp:
        if (data.size() != 8) return false;
        append_moment(type, load<std::int64_t>(data.data()), out_);
        return true;
      default: append_base64(type, data, out_); return true;
    }
  }
  static bool is_inlined(std::uint8_t type, bool large) {
    return type == literal || type == json_int16 || type == json_uint16 ||
           (large && (type == json_int32 || type == json_uint32));
  }
  /// Count, size, then entries: keys as offset and length, values as type and offset (or the value
  /// itself); offsets count from the container's start.
  bool container(std::uint8_t type, Bytes data, unsigned depth) {
    const bool large = type == large_object || type == large_array;
    const bool object = type == small_object || type == large_object;
    const unsigned width = large ? 4 : 2;
    ByteReader in(data);
    const std::uint64_t count = in.le(width);
    const std::uint64_t size = in.le(width);
    if (!in.ok() || size > data.size()) return false;
    data = data.first(size);
    const std::size_t keys = 2 * width;
    const std::size_t values = keys + (object ? count * (width + 2) : 0);
    if (count > size || values + count * (width + 1) > size) return false;
    out_ += object ? '{' : '[';
    for (std::uint64_t i = 0; i < count; ++i) {
      if (i > 0) out_ += ", ";
      if (object && !key(data, keys + i * (width + 2), width)) return false;
      const Bytes entry = data.subspan(values + i * (width + 1), width + 1);
      if (is_inlined(entry[0], large)) {
        if (!value(entry[0], entry.subspan(1), depth + 1)) return false;
        continue;
      }
      const std::uint64_t offset = load_le(entry.data() + 1, width);
      if (offset > size || !value(entry[0], data.subspan(offset), depth + 1)) return false;
    }
    out_ += object ? '}' : ']';
    return true;
  }
  bool key(Bytes data, std::size_t at, unsigned width) {
    const std::uint64_t offset = load_le(data.data() + at, width);
    const std::uint64_t size = load_le(data.data() + at + width, 2);
    if (offset + size > data.size()) return false;
    append_quoted(as_text(data.subspan(offset, size)), out_);
    out_ += ": ";
    return true;
  }

  std::string& out_;
  std::size_t end_;
};

}  // namespace

bool append_mysql_json(Bytes value, std::string& out) {
  if (value.empty()) {
    out += "null";
    return true;
  }
  return Printer(out, value.size()).value(value[0], value.subspan(1), 0);
}

}  // namespace minato::wire
