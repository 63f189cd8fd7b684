// Reading and writing the fields of PostgreSQL messages: shared by pgwire's two directions, of no
// use elsewhere.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "wire/pgwire.h"

namespace minato::wire::pgwire {

/// Reads fields one after the other; after the first that is not there, `ok` is false and every
/// value empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool done() const { return ok_ && bytes_.empty(); }
  std::size_t left() const { return bytes_.size(); }

  std::string_view bytes(std::size_t count) {
    if (!ok_ || count > bytes_.size()) return miss();
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  std::string_view rest() { return bytes(bytes_.size()); }
  /// Text up to a NUL.
  std::string_view text() {
    const std::size_t end = bytes_.find('\0');
    if (!ok_ || end == std::string_view::npos) return miss();
    const std::string_view taken = bytes_.substr(0, end);
    bytes_.remove_prefix(end + 1);
    return taken;
  }
  char byte() {
    const std::string_view taken = bytes(1);
    return taken.empty() ? '\0' : taken.front();
  }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  /// Length and bytes; -1 is NULL.
  Value value() {
    const auto size = static_cast<std::int32_t>(u32());
    if (size == -1) return std::nullopt;
    if (size < 0) {
      miss();
      return std::nullopt;
    }
    return bytes(static_cast<std::size_t>(size));
  }

 private:
  std::string_view miss() {
    ok_ = false;
    bytes_ = {};
    return {};
  }
  std::uint64_t number(std::size_t count) {
    std::uint64_t value = 0;
    for (const char byte : bytes(count)) value = value << 8 | static_cast<std::uint8_t>(byte);
    return value;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

/// A message being written: its length is filled in at the end of its life.
class Message {
 public:
  Message(std::string& out, char type) : out_(out) {
    if (type != 0) out_.push_back(type);
    start_ = out_.size();
    put32(out_, 0);
  }
  ~Message() {
    std::string size;
    put32(size, static_cast<std::uint32_t>(out_.size() - start_));
    std::memcpy(out_.data() + start_, size.data(), 4);
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  Message& text(std::string_view value) {
    out_.append(value);
    out_.push_back('\0');
    return *this;
  }
  Message& bytes(std::string_view value) {
    out_.append(value);
    return *this;
  }
  Message& byte(char value) {
    out_.push_back(value);
    return *this;
  }
  Message& u16(std::size_t value) {
    put16(out_, static_cast<std::uint16_t>(value));
    return *this;
  }
  Message& u32(std::uint32_t value) {
    put32(out_, value);
    return *this;
  }
  Message& value(const Value& value) {
    if (!value) return u32(0xffffffffU);
    return u32(static_cast<std::uint32_t>(value->size())).bytes(*value);
  }

 private:
  std::string& out_;
  std::size_t start_ = 0;
};

}  // namespace minato::wire::pgwire
