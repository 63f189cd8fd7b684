// Fuzzes the parser of form bodies (what a carrier's webhook posts): any bytes have an answer, and
// what was parsed survives encode → parse; so do percent escapes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "runtime/http_client.h"

using namespace minato::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Fields fields = form_decode(input);
  CHECK(fields.size() <= size);
  CHECK(form_decode(form_encode(fields)) == fields);
  CHECK(percent_decode(percent_encode(input)) == input);
  CHECK(percent_decode(input).size() <= size);
  return 0;
}
