// Text in MySQL's character sets to UTF-8, exactly as the server itself would convert it.
// Tables are built once per character set and never change: safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace minato::wire {

class Charset {
 public:
  /// By the server's name ("utf8mb4", "latin1", "cp932" …); Error{unsupported} for one that we
  /// cannot read.
  static Result<const Charset*> find(std::string_view name);

  const std::string& name() const { return name_; }
  /// Most bytes of one character, as the server counts a column's length.
  unsigned bytes_max() const { return bytes_max_; }
  /// UTF-8 already (utf8mb4, utf8mb3, ascii): bytes are taken as they are once they are valid.
  bool is_utf8() const { return kind_ == Kind::utf8; }
  /// Appends `bytes` as UTF-8 to `out`; what is not valid becomes '?', as at the server.
  void convert(std::string_view bytes, std::string& out) const;

 private:
  enum class Kind : std::uint8_t { utf8, single, multi, utf16, utf16le, utf32 };
  Charset(std::string_view name, Kind kind, unsigned bytes_max);
  void build(const char* iconv_name);
  void add_private_area();
  void convert_multi(std::string_view bytes, std::string& out) const;
  void convert_wide(std::string_view bytes, std::string& out) const;

  std::string name_;
  Kind kind_;
  unsigned bytes_max_;
  std::vector<std::uint16_t> single_;  // 256 code points; 0 for what is not a character of one byte
  std::vector<std::uint16_t> pairs_;   // 65536: lead << 8 | trail
  std::vector<std::uint16_t> triples_;  // 65536: EUC after the byte 0x8F
};

/// As Charset::find() wants it: "utf8" has more than one meaning; the rest in small letters.
std::string charset_name(std::string_view written);

/// Whether a column of this character set holds `text` (UTF-8) as it is, for sure: what the set
/// lacks, the source changes.
bool holds(const std::string& charset, std::string_view text);

/// True for well-formed UTF-8 (RFC 3629).
bool valid_utf8(std::string_view bytes);
/// Appends `bytes` with each ill-formed byte replaced by '?'.
void append_valid_utf8(std::string_view bytes, std::string& out);

}  // namespace minato::wire
