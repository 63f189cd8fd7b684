// Messages of the server.
#include "wire/pgwire.h"
#include "wire/pgwire_bytes.h"

namespace minato::wire::pgwire {
namespace {

tl::unexpected<Error> malformed(std::string_view name) {
  return fail(Code::invalid, "malformed message of the protocol: " + std::string(name));
}

struct Encoder {
  std::string& out;

  void operator()(const Authentication& authentication) const {
    Message(out, 'R').u32(authentication.kind).bytes(authentication.data);
  }
  void operator()(const ParameterStatus& status) const {
    Message(out, 'S').text(status.name).text(status.value);
  }
  void operator()(const BackendKeyData& key) const {
    Message(out, 'K').u32(key.process).bytes(key.secret);
  }
  void operator()(const ReadyForQuery& ready) const { Message(out, 'Z').byte(ready.state); }
  void operator()(const RowDescription& row) const {
    Message message(out, 'T');
    message.u16(row.fields.size());
    for (const FieldDescription& field : row.fields) {
      message.text(field.name).u32(field.table).u16(static_cast<std::uint16_t>(field.column));
      message.u32(field.type).u16(static_cast<std::uint16_t>(field.size));
      message.u32(static_cast<std::uint32_t>(field.modifier));
      message.u16(static_cast<std::uint16_t>(field.format));
    }
  }
  void operator()(const ParameterDescription& parameters) const {
    Message message(out, 't');
    message.u16(parameters.types.size());
    for (const std::uint32_t type : parameters.types) message.u32(type);
  }
  void operator()(const DataRow& row) const {
    Message message(out, 'D');
    message.u16(row.values.size());
    for (const Value& value : row.values) message.value(value);
  }
  void operator()(const CommandComplete& complete) const { Message(out, 'C').text(complete.tag); }
  void operator()(const Report& report) const {
    Message message(out, report.notice ? 'N' : 'E');
    for (const auto& [code, text] : report.fields) message.byte(code).text(text);
    message.byte('\0');
  }
  void operator()(const Plain& plain) const { Message(out, plain.type); }
  void operator()(const NegotiateVersion& negotiate) const {
    Message message(out, 'v');
    message.u32(negotiate.minor).u32(static_cast<std::uint32_t>(negotiate.unknown_options.size()));
    for (const std::string_view option : negotiate.unknown_options) message.text(option);
  }
};

Result<BackendMessage> parse_row_description(Reader reader) {
  RowDescription row;
  const std::size_t count = reader.u16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    FieldDescription field;
    field.name = reader.text();
    field.table = reader.u32();
    field.column = static_cast<std::int16_t>(reader.u16());
    field.type = reader.u32();
    field.size = static_cast<std::int16_t>(reader.u16());
    field.modifier = static_cast<std::int32_t>(reader.u32());
    field.format = static_cast<std::int16_t>(reader.u16());
    row.fields.push_back(field);
  }
  if (!reader.done()) return malformed("RowDescription");
  return row;
}

Result<BackendMessage> parse_parameters(Reader reader) {
  ParameterDescription parameters;
  const std::size_t count = reader.u16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) parameters.types.push_back(reader.u32());
  if (!reader.done()) return malformed("ParameterDescription");
  return parameters;
}

Result<BackendMessage> parse_row(Reader reader) {
  DataRow row;
  const std::size_t count = reader.u16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) row.values.push_back(reader.value());
  if (!reader.done()) return malformed("DataRow");
  return row;
}

Result<BackendMessage> parse_report(Reader reader, bool notice) {
  Report report{notice, {}};
  for (;;) {
    const char code = reader.byte();
    if (!reader.ok()) return malformed("ErrorResponse");
    if (code == '\0') break;
    report.fields.emplace_back(code, reader.text());
  }
  if (!reader.done()) return malformed("ErrorResponse");
  return report;
}

Result<BackendMessage> parse_negotiate(Reader reader) {
  NegotiateVersion negotiate;
  negotiate.minor = reader.u32();
  const std::uint32_t count = reader.u32();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    negotiate.unknown_options.push_back(reader.text());
  }
  if (!reader.done()) return malformed("NegotiateProtocolVersion");
  return negotiate;
}

Result<BackendMessage> parse_small(char type, Reader reader) {
  switch (type) {
    case 'R': {
      const std::uint32_t kind = reader.u32();
      const Authentication authentication{kind, reader.rest()};
      if (reader.ok()) return authentication;
      break;
    }
    case 'S': {
      const std::string_view name = reader.text();
      const ParameterStatus status{name, reader.text()};
      if (reader.done()) return status;
      break;
    }
    case 'K': {
      const std::uint32_t process = reader.u32();
      const BackendKeyData key{process, reader.rest()};
      if (reader.ok() && !key.secret.empty()) return key;
      break;
    }
    case 'Z': {
      const ReadyForQuery ready{reader.byte()};
      if (reader.done()) return ready;
      break;
    }
    case 'C': {
      const CommandComplete complete{reader.text()};
      if (reader.done()) return complete;
      break;
    }
    default:
      if (reader.done()) return Plain{type};
  }
  return malformed(std::string_view(&type, 1));
}

}  // namespace

Result<BackendMessage> parse_backend(const Frame& frame) {
  const Reader reader(frame.body);
  switch (frame.type) {
    case 'T': return parse_row_description(reader);
    case 't': return parse_parameters(reader);
    case 'D': return parse_row(reader);
    case 'E':
    case 'N': return parse_report(reader, frame.type == 'N');
    case 'v': return parse_negotiate(reader);
    case 'R':
    case 'S':
    case 'K':
    case 'Z':
    case 'C':
    case '1':
    case '2':
    case '3':
    case 'n':
    case 's':
    case 'I': return parse_small(frame.type, reader);
    default: return fail(Code::invalid, "unknown message type of the protocol");
  }
}

void encode(const BackendMessage& message, std::string& out) { std::visit(Encoder{out}, message); }

}  // namespace minato::wire::pgwire
