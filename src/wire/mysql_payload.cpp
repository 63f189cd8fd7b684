#include "wire/mysql_payload.h"

#include <zstd.h>

#include <algorithm>

#include "base/check.h"
#include "wire/mysql_binlog.h"

namespace minato::wire {
namespace {

constexpr std::size_t event_size_max = std::size_t{1} << 30;
// Memory grows by what really comes out, not by what a header claims.
constexpr std::size_t step_size = std::size_t{1} << 20;
constexpr int window_log_max = 27;  // 128 MiB: zstd's own default for what it does not trust

tl::unexpected<Error> malformed() {
  return fail(Code::invalid,
              "The source's binary log has a malformed compressed transaction. Check the log with "
              "mysqlbinlog; if it is damaged, purge it and let Minato read the tables anew.");
}

}  // namespace

struct PayloadReader::Unpacker {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  Unpacker() {
    CHECK(context != nullptr);
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, window_log_max);
  }
  ~Unpacker() { ZSTD_freeDCtx(context); }
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;
};

PayloadReader::PayloadReader() = default;
PayloadReader::PayloadReader(PayloadReader&&) noexcept = default;
PayloadReader& PayloadReader::operator=(PayloadReader&&) noexcept = default;
PayloadReader::~PayloadReader() = default;

Result<PayloadReader> PayloadReader::open(Bytes body) {
  // Fields behind their number and length: 1 size of the payload, 2 compression, 3 size unpacked;
  // 0 ends them.
  constexpr std::uint64_t zstd = 0;
  constexpr std::uint64_t none = 255;
  ByteReader in(body);
  std::uint64_t compression = none;
  std::optional<std::uint64_t> size;
  for (std::uint64_t field = in.packed(); in.ok() && field != 0; field = in.packed()) {
    ByteReader value(in.take(in.packed()));
    if (field == 1) size = value.packed();
    if (field == 2) compression = value.packed();
    if (!value.ok()) return malformed();
  }
  if (!in.ok() || (size && *size != in.left())) return malformed();
  if (compression != zstd && compression != none) {
    return fail(Code::unsupported,
                "The source compresses its transactions in a way that Minato does not know. Set "
                "binlog_transaction_compression=OFF there.");
  }
  PayloadReader reader;
  reader.input_ = in.rest();
  if (compression == zstd) reader.unpacker_ = std::make_unique<Unpacker>();
  return reader;
}

Result<bool> PayloadReader::fill(std::size_t size) {
  while (event_.size() < size) {
    const std::size_t before = event_.size();
    const std::size_t wanted = std::min(size - before, step_size);
    if (unpacker_ == nullptr) {
      if (input_.size() - used_ < wanted) return false;
      const Bytes part = input_.subspan(used_, wanted);
      event_.insert(event_.end(), part.begin(), part.end());
      used_ += wanted;
      continue;
    }
    event_.resize(before + wanted);
    ZSTD_outBuffer out{event_.data() + before, wanted, 0};
    ZSTD_inBuffer in{input_.data(), input_.size(), used_};
    const std::size_t rc = ZSTD_decompressStream(unpacker_->context, &out, &in);
    if (ZSTD_isError(rc) != 0) return malformed();
    const bool stuck = out.pos == 0 && in.pos == used_;
    used_ = in.pos;
    event_.resize(before + out.pos);
    if (stuck) return false;
  }
  return true;
}

Result<std::optional<Bytes>> PayloadReader::next() {
  event_.clear();
  TRY_ASSIGN(const bool more, fill(event_header_size));
  if (!more) {
    if (!event_.empty()) return malformed();
    return std::optional<Bytes>();
  }
  const std::size_t size = load<std::uint32_t>(event_.data() + 9);
  if (size < event_header_size || size > event_size_max) return malformed();
  TRY_ASSIGN(const bool whole, fill(size));
  if (!whole) return malformed();
  return std::optional<Bytes>(Bytes(event_));
}

}  // namespace minato::wire
