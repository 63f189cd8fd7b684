// A client's parameters: the bytes of a Bind message as values of the engine, and the casts that
// give each $n the type that the client declared (one of unknown type would make the whole result
// "unknown").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lake/engine.h"
#include "wire/pgwire.h"

namespace minato::gate {

struct Parameter {
  lake::Value value;
  std::string cast;  // engine type that loses nothing of this value; empty: the one of its
                     // declaration
};

/// Error{invalid}: the bytes are no value of this type. Error{unsupported}: the type has no binary
/// form here.
Result<Parameter> read_parameter(const wire::pgwire::Value& value, std::uint32_t type, bool binary);

/// The text with every $n (outside of quotes and comments) written as (CAST($n AS casts[n-1])); an
/// empty cast leaves its parameter as it is.
Result<std::string> with_casts(std::string_view sql, const std::vector<std::string>& casts);

}  // namespace minato::gate
