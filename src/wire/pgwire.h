// Messages of the PostgreSQL protocol 3.0 (manual, chapter "Message Formats"): bytes to values and
// back, both directions. No sockets, no state. Promise: any bytes give a value or Error{invalid},
// never a crash. Texts and values are views into the bytes they were read from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace minato::wire::pgwire {

inline constexpr std::uint32_t protocol_3_0 = 196608;
/// First packets (without a type byte) are small; PostgreSQL's own limit.
inline constexpr std::size_t startup_size_max = 10000;

/// One message cut out of the input: `size` bytes of it are used up.
struct Frame {
  char type = 0;  // 0: a first packet
  std::string_view body;
  std::size_t size = 0;
};
/// Nothing while the message is not yet complete. `startup`: a connection's first packet, which has
/// no type byte. Error{invalid}: a length that cannot be, or a body larger than `body_max`.
Result<std::optional<Frame>> next_frame(std::string_view input, bool startup, std::size_t body_max);

using Value = std::optional<std::string_view>;  // nothing: NULL

// ---- from the client
struct Startup {
  std::uint32_t version = protocol_3_0;
  std::vector<std::pair<std::string_view, std::string_view>> parameters;
};
struct SslRequest {};
struct GssEncRequest {};
struct CancelRequest {
  std::uint32_t process = 0;
  std::string_view secret;
};
struct Query {
  std::string_view sql;
};
struct Parse {
  std::string_view statement, sql;
  std::vector<std::uint32_t> types;  // 0: the server decides
};
struct Bind {
  std::string_view portal, statement;
  std::vector<std::int16_t> formats;  // 0 text, 1 binary; none: all text; one: for all
  std::vector<Value> values;
  std::vector<std::int16_t> result_formats;
};
struct Describe {
  char kind = 'S';  // S statement, P portal
  std::string_view name;
};
struct Execute {
  std::string_view portal;
  std::int32_t rows_max = 0;  // 0: all
};
struct Close {
  char kind = 'S';
  std::string_view name;
};
struct Sync {};
struct Flush {};
struct Terminate {};
/// Type 'p': PasswordMessage, SASLInitialResponse or SASLResponse; only the state of the login
/// tells which.
struct Password {
  std::string_view body;
};
struct CopyData {
  std::string_view bytes;
};
struct CopyDone {};
struct CopyFail {
  std::string_view reason;
};
struct FunctionCall {
  std::string_view body;
};
using FrontendMessage = std::variant<Startup, SslRequest, GssEncRequest, CancelRequest, Query,
                                     Parse, Bind, Describe, Execute, Close, Sync, Flush, Terminate,
                                     Password, CopyData, CopyDone, CopyFail, FunctionCall>;

Result<FrontendMessage> parse_frontend(const Frame& frame);
void encode(const FrontendMessage& message, std::string& out);

/// Contents of a SASLInitialResponse.
struct SaslInitial {
  std::string_view mechanism;
  Value data;
};
Result<SaslInitial> parse_sasl_initial(std::string_view body);
std::string encode_sasl_initial(const SaslInitial& initial);

/// Format code of the n-th of `count` values, after the rule "none: text; one: for all".
std::int16_t format_of(const std::vector<std::int16_t>& formats, std::size_t index);

// ---- from the server
struct Authentication {
  enum Kind : std::uint32_t {
    ok = 0,
    cleartext = 3,
    sasl = 10,
    sasl_continue = 11,
    sasl_final = 12
  };
  std::uint32_t kind = ok;
  std::string_view data;  // sasl: the mechanisms, each ended by NUL, and a last NUL
};
struct ParameterStatus {
  std::string_view name, value;
};
struct BackendKeyData {
  std::uint32_t process = 0;
  std::string_view secret;  // 4 bytes in protocol 3.0
};
struct ReadyForQuery {
  char state = 'I';  // I idle, T in a transaction, E in a failed one
};
struct FieldDescription {
  std::string_view name;
  std::uint32_t table = 0;
  std::int16_t column = 0;
  std::uint32_t type = 0;
  std::int16_t size = -1;
  std::int32_t modifier = -1;
  std::int16_t format = 0;
};
struct RowDescription {
  std::vector<FieldDescription> fields;
};
struct ParameterDescription {
  std::vector<std::uint32_t> types;
};
struct DataRow {
  std::vector<Value> values;
};
struct CommandComplete {
  std::string_view tag;
};
/// ErrorResponse or NoticeResponse: (code, text), e.g. ('S', "ERROR").
struct Report {
  bool notice = false;
  std::vector<std::pair<char, std::string_view>> fields;
};
/// Messages without a body: '1' ParseComplete, '2' BindComplete, '3' CloseComplete, 'n' NoData,
/// 's' PortalSuspended, 'I' EmptyQueryResponse.
struct Plain {
  char type = '1';
};
struct NegotiateVersion {
  std::uint32_t minor = 0;
  std::vector<std::string_view> unknown_options;
};
using BackendMessage =
    std::variant<Authentication, ParameterStatus, BackendKeyData, ReadyForQuery, RowDescription,
                 ParameterDescription, DataRow, CommandComplete, Report, Plain, NegotiateVersion>;

Result<BackendMessage> parse_backend(const Frame& frame);
void encode(const BackendMessage& message, std::string& out);

/// Writes DataRow messages without intermediate values: begin(), then one of null()/text()/… per
/// column, end().
class RowWriter {
 public:
  explicit RowWriter(std::string& out) : out_(out) {}
  void begin(std::size_t columns);
  void null() { put32(0xffffffffU); }
  void text(std::string_view value) {
    put32(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }
  /// A value written in place: open(), append to out(), close().
  void open() {
    value_ = out_.size();
    put32(0);
  }
  void close() { patch32(value_, static_cast<std::uint32_t>(out_.size() - value_ - 4)); }
  std::string& out() { return out_; }
  void end() { patch32(row_ + 1, static_cast<std::uint32_t>(out_.size() - row_ - 1)); }
  /// Takes an unfinished row back.
  void drop() { out_.resize(row_); }

 private:
  void put32(std::uint32_t value);
  void patch32(std::size_t at, std::uint32_t value);

  std::string& out_;
  std::size_t row_ = 0;
  std::size_t value_ = 0;
};

/// Big-endian numbers, appended.
void put16(std::string& out, std::uint16_t value);
void put32(std::string& out, std::uint32_t value);
void put64(std::string& out, std::uint64_t value);

}  // namespace minato::wire::pgwire
