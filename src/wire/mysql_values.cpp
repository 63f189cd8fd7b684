#include "wire/mysql_values.h"

#include <arpa/inet.h>

#include <cstring>

#include "wire/mysql_bytes.h"

namespace minato::wire {
namespace {

constexpr std::array<unsigned, 10> group_bytes = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
constexpr std::array<std::uint32_t, 10> group_max = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

/// Walks the groups of a stored decimal: calls each(value, digits); false when a group has more
/// than its digits.
template <class Each>
bool decimal_groups(const std::uint8_t* at, unsigned precision, unsigned scale, bool& negative,
                    Each each) {
  const unsigned integral = precision - scale;
  negative = (at[0] & 0x80) == 0;
  const std::uint8_t flip = negative ? 0xff : 0;
  std::uint8_t first = 0x80;  // the sign bit, to be taken off the first byte only
  const auto group = [&](unsigned digits) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < group_bytes[digits]; ++i) {
      value = value << 8 | static_cast<std::uint8_t>(*at++ ^ flip ^ first);
      first = 0;
    }
    if (value >= group_max[digits]) return false;
    each(value, digits);
    return true;
  };
  if (integral % 9 != 0 && !group(integral % 9)) return false;
  for (unsigned i = 0; i < integral / 9 + scale / 9; ++i) {
    if (!group(9)) return false;
  }
  return scale % 9 == 0 || group(scale % 9);
}

}  // namespace

unsigned decimal_size(unsigned precision, unsigned scale) {
  const unsigned integral = precision - scale;
  return integral / 9 * 4 + group_bytes[integral % 9] + scale / 9 * 4 + group_bytes[scale % 9];
}

bool decimal_digits(const std::uint8_t* at, unsigned precision, unsigned scale, bool& negative,
                    char* digits) {
  return decimal_groups(at, precision, scale, negative, [&](std::uint32_t value, unsigned count) {
    for (unsigned i = count; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
    digits += count;
  });
}

bool decimal_value(const std::uint8_t* at, unsigned precision, unsigned scale, Int128& value) {
  bool negative = false;
  bool ok = false;
  if (precision <= 18) {
    std::int64_t small = 0;
    ok = decimal_groups(at, precision, scale, negative, [&](std::uint32_t group, unsigned count) {
      small = small * group_max[count] + group;
    });
    value = small;
  } else {
    value = 0;
    ok = decimal_groups(at, precision, scale, negative, [&](std::uint32_t group, unsigned count) {
      value = value * group_max[count] + group;
    });
  }
  if (negative) value = -value;
  return ok;
}

std::string decimal_text(bool negative, std::string_view digits, unsigned scale) {
  std::string_view integral = digits.substr(0, digits.size() - scale);
  while (integral.size() > 1 && integral.front() == '0') integral.remove_prefix(1);
  std::string out = negative ? "-" : "";
  out += integral.empty() ? std::string_view("0") : integral;
  if (scale > 0) {
    out += '.';
    out += digits.substr(digits.size() - scale);
  }
  return out;
}

bool parse_decimal(std::string_view text, unsigned precision, unsigned scale, Int128& value) {
  const bool negative = !text.empty() && text[0] == '-';
  std::size_t i = negative ? 1 : 0;
  std::uint64_t small = 0;  // up to 18 digits
  Int128 large = 0;
  unsigned digits = 0;
  unsigned decimals = 0;
  bool point = false;
  for (; i < text.size(); ++i) {
    if (text[i] == '.') {
      if (point) return false;
      point = true;
      continue;
    }
    const unsigned digit = static_cast<unsigned char>(text[i]) - '0';
    if (digit > 9) return false;
    if (point && ++decimals > scale) return false;
    if (digits != 0 || digit != 0) ++digits;
    if (digits > precision) return false;
    if (digits <= 18) {
      small = small * 10 + digit;
    } else {
      if (digits == 19) large = small;
      large = large * 10 + digit;
    }
  }
  Int128 result = digits <= 18 ? static_cast<Int128>(small) : large;
  if (digits + scale - decimals > precision && result != 0) return false;
  result *= power10[scale - decimals];
  value = negative ? -result : result;
  return !text.empty();
}

std::string uuid_text(std::string_view stored) {
  if (stored.size() != 16) return {};
  // MariaDB stores versions 1 to 5 with the groups in reverse order (for index locality), others as
  // they are.
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(stored[i]); };
  const bool reversed = byte(6) >= 0x80 && byte(8) > 0 && byte(8) <= 0x80;
  std::array<unsigned char, 16> bytes{};
  constexpr std::array<unsigned char, 16> order = {12, 13, 14, 15, 10, 11, 8, 9,
                                                   6,  7,  0,  1,  2,  3,  4, 5};
  for (std::size_t i = 0; i < 16; ++i) bytes[i] = reversed ? byte(order[i]) : byte(i);
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    constexpr std::string_view hex = "0123456789abcdef";
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += hex[bytes[i] >> 4];
    out += hex[bytes[i] & 15];
  }
  return out;
}

std::string inet4_text(std::string_view stored) {
  std::array<char, INET_ADDRSTRLEN> text{};
  if (stored.size() != 4 || inet_ntop(AF_INET, stored.data(), text.data(), text.size()) == nullptr)
    return {};
  return text.data();
}

std::string inet6_text(std::string_view stored) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (stored.size() != 16 ||
      inet_ntop(AF_INET6, stored.data(), text.data(), text.size()) == nullptr)
    return {};
  return text.data();
}

}  // namespace minato::wire
