// Result<T> and Error: how every room says that something did not work.
// Promise: no exception crosses a room; an error is returned or logged, never both.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace minato {

/// Closed list of error classes. `properties()` maps each to retry, SQLSTATE, HTTP status and
/// paging.
enum class Code {
  invalid,
  unauthenticated,
  forbidden,
  not_found,
  exists,
  conflict,
  unavailable,
  deadline,
  cancelled,
  exhausted,
  source_gap,
  in_doubt,
  unsupported,
  internal,
};

struct CodeProperties {
  std::string_view name;
  bool retry;                 // the same call may succeed later without anybody's help
  std::string_view sqlstate;  // for the gate
  int http_status;
  bool page;  // somebody should be woken when it persists
};
const CodeProperties& properties(Code code);

struct Error {
  Code code = Code::internal;
  std::string message;  // for the user: what happened, what to do; never another's data
  std::string detail;   // for the operator: engine texts, addresses; goes to the log only
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(Code code, std::string message, std::string detail = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(detail)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

/// "invalid: message (detail)", for logs.
std::string describe(const Error& error);

}  // namespace minato

// TRY(expr): returns the error of a Status/Result from the enclosing function.
// TRY_ASSIGN(auto x, expr): the same, else binds the value.
#define MINATO_JOIN2(a, b) a##b
#define MINATO_JOIN(a, b) MINATO_JOIN2(a, b)
#define TRY(expr) TRY_AS(MINATO_JOIN(minato_try_, __COUNTER__), expr)
#define TRY_AS(name, expr)                            \
  do {                                                \
    if (auto name = (expr); !name) {                  \
      return ::minato::fail(std::move(name).error()); \
    }                                                 \
  } while (false)
#define TRY_ASSIGN(lhs, expr) TRY_ASSIGN_AS(MINATO_JOIN(minato_try_, __COUNTER__), lhs, expr)
#define TRY_ASSIGN_AS(name, lhs, expr)                       \
  auto name = (expr);                                        \
  if (!name) return ::minato::fail(std::move(name).error()); \
  lhs = std::move(*name)
