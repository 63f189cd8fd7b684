#include "wire/mysql_charset.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/check.h"
#include "base/text.h"

namespace minato::wire {
namespace {

void append_code_point(std::uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 63));
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  }
}

/// Length of the well-formed sequence at the start of `text`, 0 if there is none.
std::size_t sequence(const unsigned char* s, std::size_t left) {
  const unsigned char first = s[0];
  if (first < 0x80) return 1;
  const auto tail = [&](std::size_t i) { return (s[i] & 0xc0) == 0x80; };
  if (first >= 0xc2 && first <= 0xdf) return left >= 2 && tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (left < 3 || !tail(1) || !tail(2)) return 0;
    if (first == 0xe0 && s[1] < 0xa0) return 0;
    if (first == 0xed && s[1] > 0x9f) return 0;
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
    if (first == 0xf0 && s[1] < 0x90) return 0;
    if (first == 0xf4 && s[1] > 0x8f) return 0;
    return 4;
  }
  return 0;
}

/// The one BMP code point that `bytes` are in the converter's character set; 0 if they are not one
/// character.
std::uint16_t one_character(iconv_t converter, const unsigned char* bytes, std::size_t count) {
  std::array<char, 4> in{};
  std::memcpy(in.data(), bytes, count);
  std::array<char, 8> out{};
  char* from = in.data();
  char* to = out.data();
  std::size_t from_left = count;
  std::size_t to_left = out.size();
  iconv(converter, nullptr, nullptr, nullptr, nullptr);
  if (iconv(converter, &from, &from_left, &to, &to_left) == static_cast<std::size_t>(-1)) return 0;
  if (from_left != 0 || to_left != out.size() - 2) return 0;
  std::uint16_t unit = 0;
  std::memcpy(&unit, out.data(), 2);
  return unit;
}

struct Known {
  std::string_view name;
  const char* iconv_name;
  unsigned bytes_max;
};
// The server's latin1 is Windows-1252; the other names mean what they say.
constexpr auto singles = std::to_array<Known>({
    {"latin1", "CP1252", 1},
    {"latin2", "ISO-8859-2", 1},
    {"latin5", "ISO-8859-9", 1},
    {"latin7", "ISO-8859-13", 1},
    {"greek", "ISO-8859-7", 1},
    {"hebrew", "ISO-8859-8", 1},
    {"cp1250", "CP1250", 1},
    {"cp1251", "CP1251", 1},
    {"cp1256", "CP1256", 1},
    {"cp1257", "CP1257", 1},
    {"cp850", "CP850", 1},
    {"cp852", "CP852", 1},
    {"cp866", "CP866", 1},
    {"koi8r", "KOI8-R", 1},
    {"koi8u", "KOI8-U", 1},
    {"macroman", "MACINTOSH", 1},
    {"tis620", "TIS-620", 1},
});
constexpr auto multis = std::to_array<Known>({
    {"cp932", "CP932", 2},
    {"sjis", "SJIS", 2},
    {"eucjpms", "EUC-JP-MS", 3},
    {"ujis", "EUC-JP", 3},
    {"gbk", "GBK", 2},
    {"euckr", "UHC", 2},
    {"gb2312", "GB2312", 2},
});

struct Exception {
  std::string_view charset;
  std::uint16_t bytes;
  std::uint16_t code_point;  // 0: no character
};
// Where MariaDB converts otherwise than iconv: found by comparing every code with a live server.
constexpr auto exceptions = std::to_array<Exception>({
    {"sjis", 0x815f, 0x5c},   {"ujis", 0xa1c0, 0x5c},     {"greek", 0xa1, 0x2bd},
    {"greek", 0xa2, 0x2bc},   {"greek", 0xa4, 0},         {"greek", 0xa5, 0},
    {"greek", 0xaa, 0},       {"hebrew", 0xaf, 0x203e},   {"cp1256", 0x8a, 0},
    {"cp1256", 0x8f, 0},      {"cp1256", 0x98, 0},        {"cp1256", 0x9a, 0},
    {"cp1256", 0x9f, 0},      {"cp1256", 0xaa, 0},        {"cp1256", 0xc0, 0},
    {"cp1256", 0xff, 0},      {"cp866", 0xfc, 0x207f},    {"cp866", 0xfd, 0xb2},
    {"koi8u", 0x95, 0x2022},  {"macroman", 0xc6, 0x2206}, {"macroman", 0xf0, 0xf8ff},
    {"tis620", 0xa0, 0xfffd}, {"tis620", 0xdb, 0xfffd},   {"tis620", 0xdc, 0xfffd},
    {"tis620", 0xdd, 0xfffd}, {"tis620", 0xde, 0xfffd},   {"tis620", 0xfc, 0xfffd},
    {"tis620", 0xfd, 0xfffd}, {"tis620", 0xfe, 0xfffd},   {"tis620", 0xff, 0xfffd},
});

}  // namespace

bool valid_utf8(std::string_view bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* end = at + bytes.size();
  while (at != end) {
    if (end - at >= 8) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, at, 8);
      if ((eight & 0x8080808080808080ULL) == 0) {
        at += 8;
        continue;
      }
    }
    const std::size_t length = sequence(at, static_cast<std::size_t>(end - at));
    if (length == 0) return false;
    at += length;
  }
  return true;
}

void append_valid_utf8(std::string_view bytes, std::string& out) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t length = sequence(data + i, bytes.size() - i);
    if (length == 0) {
      out += '?';
      ++i;
    } else {
      out.append(bytes.substr(i, length));
      i += length;
    }
  }
}

Charset::Charset(std::string_view name, Kind kind, unsigned bytes_max)
    : name_(name), kind_(kind), bytes_max_(bytes_max) {}

Result<const Charset*> Charset::find(std::string_view wanted) {
  // Never freed: decoders keep pointers, and there are at most some forty.
  static std::mutex mutex;
  static std::vector<std::unique_ptr<const Charset>> made;
  const std::string_view name = wanted == "utf8" ? "utf8mb3" : wanted;
  const std::lock_guard lock(mutex);
  for (const auto& charset : made) {
    if (charset->name_ == name) return charset.get();
  }
  std::unique_ptr<Charset> fresh;
  const auto make = [&](Kind kind, unsigned bytes_max) {
    fresh.reset(new Charset(name, kind, bytes_max));
  };
  if (name == "utf8mb4") make(Kind::utf8, 4);
  if (name == "utf8mb3") make(Kind::utf8, 3);
  if (name == "ascii") make(Kind::utf8, 1);
  if (name == "ucs2") make(Kind::utf16, 2);
  if (name == "utf16") make(Kind::utf16, 4);
  if (name == "utf16le") make(Kind::utf16le, 4);
  if (name == "utf32") make(Kind::utf32, 4);
  const char* iconv_name = nullptr;
  for (const Known& known : singles) {
    if (known.name == name) make(Kind::single, 1), iconv_name = known.iconv_name;
  }
  for (const Known& known : multis) {
    if (known.name == name) make(Kind::multi, known.bytes_max), iconv_name = known.iconv_name;
  }
  if (!fresh) {
    return fail(Code::unsupported, "Minato cannot read the character set '" + std::string(wanted) +
                                       "'. Convert the column to utf8mb4 or leave its table out.");
  }
  if (iconv_name != nullptr) fresh->build(iconv_name);
  made.push_back(std::move(fresh));
  return made.back().get();
}

void Charset::build(const char* iconv_name) {
  single_.assign(256, 0);
  const iconv_t converter = iconv_open("UTF-16LE", iconv_name);
  CHECK(converter != reinterpret_cast<iconv_t>(-1));
  for (unsigned b = 0; b < 256; ++b) {
    const auto byte = static_cast<unsigned char>(b);
    single_[b] = b < 0x80 ? static_cast<std::uint16_t>(b) : one_character(converter, &byte, 1);
    // Bytes that Windows-1252 leaves open are control characters to the server.
    const bool control = name_ == "latin1" || (name_ == "tis620" && b < 0xa0);
    if (single_[b] == 0 && control) single_[b] = static_cast<std::uint16_t>(b);
  }
  if (kind_ == Kind::multi) {
    pairs_.assign(65536, 0);
    const bool euc = name_ == "ujis" || name_ == "eucjpms";
    if (euc) triples_.assign(65536, 0);
    for (unsigned pair = 0x8000; pair < 65536; ++pair) {
      const std::array<unsigned char, 3> three = {0x8f, static_cast<unsigned char>(pair >> 8),
                                                  static_cast<unsigned char>(pair)};
      if (single_[pair >> 8] == 0) pairs_[pair] = one_character(converter, three.data() + 1, 2);
      if (euc && (pair & 0x80) != 0) triples_[pair] = one_character(converter, three.data(), 3);
    }
  }
  iconv_close(converter);
  for (const Exception& each : exceptions) {
    if (each.charset != name_) continue;
    (each.bytes < 256 ? single_[each.bytes] : pairs_[each.bytes]) = each.code_point;
  }
  if (name_ == "ujis") add_private_area();
}

void Charset::add_private_area() {
  triples_[0xa2b7] = '~';
  for (unsigned row = 0; row < 10; ++row) {
    for (unsigned cell = 0; cell < 94; ++cell) {
      const unsigned bytes = (0xf5 + row) << 8 | (0xa1 + cell);
      pairs_[bytes] = static_cast<std::uint16_t>(0xe000 + row * 94 + cell);
      triples_[bytes] = static_cast<std::uint16_t>(0xe3ac + row * 94 + cell);
    }
  }
}

void Charset::convert(std::string_view bytes, std::string& out) const {
  switch (kind_) {
    case Kind::utf8: append_valid_utf8(bytes, out); return;
    case Kind::single:
      for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        append_code_point(single_[byte] == 0 && byte != 0 ? '?' : single_[byte], out);
      }
      return;
    case Kind::multi: convert_multi(bytes, out); return;
    case Kind::utf16:
    case Kind::utf16le:
    case Kind::utf32: convert_wide(bytes, out); return;
  }
}

std::string charset_name(std::string_view written) {
  const std::string name = lower(written);
  return name == "utf8" ? "utf8mb3" : name;
}

bool holds(const std::string& charset, std::string_view text) {
  const bool ascii = std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
  const bool beyond_bmp = std::ranges::any_of(text, [](char c) { return (c & 0xf0) == 0xf0; });
  if (charset == "utf8mb4") return true;
  if (charset == "utf8mb3") return !beyond_bmp;
  if (!ascii) return false;
  const auto known = Charset::find(charset);
  std::string back;
  if (known) (*known)->convert(text, back);
  return back == text;
}

void Charset::convert_multi(std::string_view bytes, std::string& out) const {
  const auto* s = reinterpret_cast<const unsigned char*>(bytes.data());
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t left = bytes.size() - i;
    std::uint16_t c = single_[s[i]];
    std::size_t used = 1;
    if (c == 0 && s[i] != 0) {
      if (!triples_.empty() && s[i] == 0x8f) {
        if (left >= 3) c = triples_[static_cast<std::size_t>(s[i + 1]) << 8 | s[i + 2]];
        used = 3;
      } else {
        if (left >= 2) c = pairs_[static_cast<std::size_t>(s[i]) << 8 | s[i + 1]];
        used = 2;
      }
      if (c == 0) c = '?';
    }
    append_code_point(c, out);
    i += std::min(used, left);
  }
}

void Charset::convert_wide(std::string_view bytes, std::string& out) const {
  const auto* s = reinterpret_cast<const unsigned char*>(bytes.data());
  const std::size_t unit = kind_ == Kind::utf32 ? 4 : 2;
  const auto read = [&](std::size_t i) -> std::uint32_t {
    if (kind_ == Kind::utf32) {
      return static_cast<std::uint32_t>(s[i]) << 24 | static_cast<std::uint32_t>(s[i + 1]) << 16 |
             static_cast<std::uint32_t>(s[i + 2]) << 8 | s[i + 3];
    }
    const bool little = kind_ == Kind::utf16le;
    return static_cast<std::uint32_t>(s[i + (little ? 1 : 0)]) << 8 | s[i + (little ? 0 : 1)];
  };
  for (std::size_t i = 0; i + unit <= bytes.size(); i += unit) {
    std::uint32_t c = read(i);
    if (unit == 2 && c >= 0xd800 && c < 0xdc00 && i + 4 <= bytes.size()) {
      const std::uint32_t low = read(i + 2);
      if (low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        i += 2;
      }
    }
    append_code_point(c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? '?' : c, out);
  }
}

}  // namespace minato::wire
