// A bounded reader over bytes of the MySQL protocol: little-endian integers, length-encoded sizes.
// Promise: never reads outside; after a short read `ok()` is false and everything read later is
// zero or empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace minato::wire {

using Bytes = std::span<const std::uint8_t>;

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// `count` (1..8) little-endian bytes; the caller has checked that they exist.
inline std::uint64_t load_le(const std::uint8_t* at, unsigned count) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < count; ++i) value |= static_cast<std::uint64_t>(at[i]) << (8 * i);
  return value;
}
/// `count` (1..8) big-endian bytes; the caller has checked that they exist.
inline std::uint64_t load_be(const std::uint8_t* at, unsigned count) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < count; ++i) value = value << 8 | at[i];
  return value;
}
template <class T>
inline T load(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  bool empty() const { return at_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  Bytes rest() const { return {at_, end_}; }

  Bytes take(std::size_t count) {
    if (count > left()) {
      ok_ = false;
      at_ = end_;
      return {};
    }
    const std::uint8_t* from = at_;
    at_ += count;
    return {from, count};
  }
  std::uint64_t le(unsigned count) {
    const Bytes bytes = take(count);
    return bytes.empty() ? 0 : load_le(bytes.data(), count);
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(le(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(le(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(le(4)); }
  std::uint64_t u64() { return le(8); }

  /// Length-encoded integer ("packed"): one byte below 251, else 2, 3 or 8 bytes. 251 (NULL) is an
  /// error here.
  std::uint64_t packed() {
    const std::uint8_t first = u8();
    if (first < 251) return first;
    if (first == 252) return le(2);
    if (first == 253) return le(3);
    if (first == 254) return le(8);
    ok_ = false;
    return 0;
  }
  std::string_view text(std::size_t count) { return as_text(take(count)); }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ok_ = true;
};

}  // namespace minato::wire
