// Framing and number writing, common to both directions.
#include "wire/pgwire.h"

#include <cstring>

#include "wire/pgwire_bytes.h"

namespace minato::wire::pgwire {

Result<std::optional<Frame>> next_frame(std::string_view input, bool startup,
                                        std::size_t body_max) {
  const std::size_t header = startup ? 4 : 5;
  if (input.size() < header) return std::nullopt;
  Reader reader(input);
  Frame frame;
  if (!startup) {
    frame.type = reader.byte();
    if (frame.type == 0) return fail(Code::invalid, "a message of the protocol has no type");
  }
  const std::size_t length = reader.u32();  // counts itself
  if (length < 4) return fail(Code::invalid, "a message of the protocol has an impossible length");
  if (length - 4 > body_max) {
    return fail(Code::invalid, "a message of the protocol is larger than this server accepts");
  }
  if (reader.left() < length - 4) return std::nullopt;
  frame.body = reader.bytes(length - 4);
  frame.size = header + frame.body.size();
  return frame;
}

std::int16_t format_of(const std::vector<std::int16_t>& formats, std::size_t index) {
  if (formats.empty()) return 0;
  if (formats.size() == 1) return formats.front();
  return index < formats.size() ? formats[index] : std::int16_t{0};
}

void put16(std::string& out, std::uint16_t value) {
  const char bytes[2] = {static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(bytes, 2);
}

void put32(std::string& out, std::uint32_t value) {
  value = __builtin_bswap32(value);
  char bytes[4];
  std::memcpy(bytes, &value, 4);
  out.append(bytes, 4);
}

void put64(std::string& out, std::uint64_t value) {
  value = __builtin_bswap64(value);
  char bytes[8];
  std::memcpy(bytes, &value, 8);
  out.append(bytes, 8);
}

void RowWriter::begin(std::size_t columns) {
  row_ = out_.size();
  out_.push_back('D');
  put32(0);
  put16(out_, static_cast<std::uint16_t>(columns));
}

void RowWriter::put32(std::uint32_t value) { pgwire::put32(out_, value); }

void RowWriter::patch32(std::size_t at, std::uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(out_.data() + at, &value, 4);
}

}  // namespace minato::wire::pgwire
