// The events inside a TRANSACTION_PAYLOAD event (MySQL, binlog_transaction_compression): unpacked
// one at a time, so that a transaction of many gigabytes costs no more memory than its largest
// event.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "wire/mysql_bytes.h"

namespace minato::wire {

class PayloadReader {
 public:
  /// `body` must outlive the reader. Error{unsupported} for a compression other than zstd.
  static Result<PayloadReader> open(Bytes body);
  /// The next whole event (header and body, never a checksum); its bytes live until the next call.
  /// Nothing at the end.
  Result<std::optional<Bytes>> next();

  PayloadReader(PayloadReader&&) noexcept;
  PayloadReader& operator=(PayloadReader&&) noexcept;
  ~PayloadReader();

 private:
  struct Unpacker;
  PayloadReader();
  /// Makes `event_` `size` bytes long; false when the payload ends before.
  Result<bool> fill(std::size_t size);

  std::unique_ptr<Unpacker> unpacker_;  // nullptr: stored as it is
  Bytes input_;
  std::size_t used_ = 0;
  std::vector<std::uint8_t> event_;
};

}  // namespace minato::wire
