// Fuzzes the PostgreSQL protocol: any bytes parse or are refused, and what parses survives encode →
// parse → encode.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "wire/pgwire.h"

using namespace minato::wire;

namespace {

template <class ParseMessage>
void run(std::string_view input, bool startup, ParseMessage parse) {
  while (!input.empty()) {
    const auto frame = pgwire::next_frame(input, startup, 1 << 20);
    if (!frame || !*frame) return;
    if (const auto message = parse(**frame)) {
      std::string once;
      pgwire::encode(*message, once);
      const auto again_frame = pgwire::next_frame(once, startup, 1 << 20);
      CHECK(again_frame && *again_frame && (*again_frame)->size == once.size());
      const auto again = parse(**again_frame);
      CHECK(again);
      std::string twice;
      pgwire::encode(*again, twice);
      CHECK(once == twice);
    }
    input.remove_prefix((*frame)->size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: run(input, true, pgwire::parse_frontend); break;
    case 1: run(input, false, pgwire::parse_frontend); break;
    case 2: run(input, false, pgwire::parse_backend); break;
    default: (void)pgwire::parse_sasl_initial(input);
  }
  return 0;
}
