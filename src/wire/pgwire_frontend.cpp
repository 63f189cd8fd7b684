// Messages of the client.
#include "wire/pgwire.h"
#include "wire/pgwire_bytes.h"

namespace minato::wire::pgwire {
namespace {

constexpr std::uint32_t kCancel = 80877102;
constexpr std::uint32_t kSsl = 80877103;
constexpr std::uint32_t kGssEnc = 80877104;

tl::unexpected<Error> malformed(std::string_view name) {
  return fail(Code::invalid, "malformed message of the protocol: " + std::string(name));
}

Result<FrontendMessage> parse_first(Reader reader) {
  const std::uint32_t version = reader.u32();
  if (!reader.ok()) return malformed("start-up");
  if (version == kSsl || version == kGssEnc) {
    if (!reader.done()) return malformed("start-up");
    if (version == kSsl) return SslRequest{};
    return GssEncRequest{};
  }
  if (version == kCancel) {
    const std::uint32_t process = reader.u32();
    const CancelRequest cancel{process, reader.rest()};
    if (!reader.ok() || cancel.secret.empty()) return malformed("CancelRequest");
    return cancel;
  }
  Startup startup{version, {}};
  for (;;) {
    const std::string_view name = reader.text();
    if (!reader.ok()) return malformed("StartupMessage");
    if (name.empty()) break;
    const std::string_view value = reader.text();
    if (!reader.ok()) return malformed("StartupMessage");
    startup.parameters.emplace_back(name, value);
  }
  if (!reader.done()) return malformed("StartupMessage");
  return startup;
}

std::vector<std::int16_t> formats(Reader& reader) {
  std::vector<std::int16_t> list;
  const std::size_t count = reader.u16();
  if (count > reader.left() / 2) {
    reader.bytes(reader.left() + 1);  // marks the reader as failed
    return list;
  }
  list.reserve(count);
  for (std::size_t i = 0; i < count; ++i) list.push_back(static_cast<std::int16_t>(reader.u16()));
  return list;
}

bool known(const std::vector<std::int16_t>& formats) {
  for (const std::int16_t format : formats) {
    if (format != 0 && format != 1) return false;
  }
  return true;
}

Result<FrontendMessage> parse_parse(Reader reader) {
  Parse parse;
  parse.statement = reader.text();
  parse.sql = reader.text();
  const std::size_t count = reader.u16();
  if (!reader.ok() || count != reader.left() / 4) return malformed("Parse");
  for (std::size_t i = 0; i < count; ++i) parse.types.push_back(reader.u32());
  if (!reader.done()) return malformed("Parse");
  return parse;
}

Result<FrontendMessage> parse_bind(Reader reader) {
  Bind bind;
  bind.portal = reader.text();
  bind.statement = reader.text();
  bind.formats = formats(reader);
  const std::size_t count = reader.u16();
  if (!reader.ok() || count > reader.left() / 4) return malformed("Bind");
  bind.values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) bind.values.push_back(reader.value());
  bind.result_formats = formats(reader);
  if (!reader.done() || !known(bind.formats) || !known(bind.result_formats))
    return malformed("Bind");
  if (bind.formats.size() > 1 && bind.formats.size() != count) return malformed("Bind");
  return bind;
}

template <class Target>
Result<FrontendMessage> parse_target(Reader reader, std::string_view name) {
  Target target;
  target.kind = reader.byte();
  target.name = reader.text();
  if (!reader.done() || (target.kind != 'S' && target.kind != 'P')) return malformed(name);
  return target;
}

template <class Empty>
Result<FrontendMessage> parse_empty(Reader reader, std::string_view name) {
  if (!reader.done()) return malformed(name);
  return Empty{};
}

Result<FrontendMessage> parse_query(Reader reader) {
  const Query query{reader.text()};
  if (!reader.done()) return malformed("Query");
  return query;
}

Result<FrontendMessage> parse_execute(Reader reader) {
  const std::string_view portal = reader.text();
  const Execute execute{portal, static_cast<std::int32_t>(reader.u32())};
  if (!reader.done()) return malformed("Execute");
  return execute;
}

struct Encoder {
  std::string& out;

  void operator()(const Startup& startup) const {
    Message message(out, 0);
    message.u32(startup.version);
    for (const auto& [name, value] : startup.parameters) message.text(name).text(value);
    message.byte('\0');
  }
  void operator()(const SslRequest&) const { Message(out, 0).u32(kSsl); }
  void operator()(const GssEncRequest&) const { Message(out, 0).u32(kGssEnc); }
  void operator()(const CancelRequest& cancel) const {
    Message(out, 0).u32(kCancel).u32(cancel.process).bytes(cancel.secret);
  }
  void operator()(const Query& query) const { Message(out, 'Q').text(query.sql); }
  void operator()(const Parse& parse) const {
    Message message(out, 'P');
    message.text(parse.statement).text(parse.sql).u16(parse.types.size());
    for (const std::uint32_t type : parse.types) message.u32(type);
  }
  void operator()(const Bind& bind) const {
    Message message(out, 'B');
    message.text(bind.portal).text(bind.statement).u16(bind.formats.size());
    for (const std::int16_t format : bind.formats) message.u16(static_cast<std::uint16_t>(format));
    message.u16(bind.values.size());
    for (const Value& value : bind.values) message.value(value);
    message.u16(bind.result_formats.size());
    for (const std::int16_t format : bind.result_formats) {
      message.u16(static_cast<std::uint16_t>(format));
    }
  }
  void operator()(const Describe& target) const {
    Message(out, 'D').byte(target.kind).text(target.name);
  }
  void operator()(const Execute& execute) const {
    Message(out, 'E').text(execute.portal).u32(static_cast<std::uint32_t>(execute.rows_max));
  }
  void operator()(const Close& target) const {
    Message(out, 'C').byte(target.kind).text(target.name);
  }
  void operator()(const Sync&) const { Message(out, 'S'); }
  void operator()(const Flush&) const { Message(out, 'H'); }
  void operator()(const Terminate&) const { Message(out, 'X'); }
  void operator()(const Password& password) const { Message(out, 'p').bytes(password.body); }
  void operator()(const CopyData& data) const { Message(out, 'd').bytes(data.bytes); }
  void operator()(const CopyDone&) const { Message(out, 'c'); }
  void operator()(const CopyFail& failure) const { Message(out, 'f').text(failure.reason); }
  void operator()(const FunctionCall& call) const { Message(out, 'F').bytes(call.body); }
};

}  // namespace

Result<FrontendMessage> parse_frontend(const Frame& frame) {
  const Reader reader(frame.body);
  switch (frame.type) {
    case 0: return parse_first(reader);
    case 'Q': return parse_query(reader);
    case 'P': return parse_parse(reader);
    case 'B': return parse_bind(reader);
    case 'D': return parse_target<Describe>(reader, "Describe");
    case 'C': return parse_target<Close>(reader, "Close");
    case 'E': return parse_execute(reader);
    case 'S': return parse_empty<Sync>(reader, "Sync");
    case 'H': return parse_empty<Flush>(reader, "Flush");
    case 'X': return parse_empty<Terminate>(reader, "Terminate");
    case 'p': return Password{frame.body};
    case 'd': return CopyData{frame.body};
    case 'c': return parse_empty<CopyDone>(reader, "CopyDone");
    case 'f': {
      Reader text(frame.body);
      const CopyFail failure{text.text()};
      if (!text.done()) return malformed("CopyFail");
      return failure;
    }
    case 'F': return FunctionCall{frame.body};
    default: return fail(Code::invalid, "unknown message type of the protocol");
  }
}

void encode(const FrontendMessage& message, std::string& out) { std::visit(Encoder{out}, message); }

Result<SaslInitial> parse_sasl_initial(std::string_view body) {
  Reader reader(body);
  const std::string_view mechanism = reader.text();
  const SaslInitial initial{mechanism, reader.value()};
  if (!reader.done()) return malformed("SASLInitialResponse");
  return initial;
}

std::string encode_sasl_initial(const SaslInitial& initial) {
  std::string body(initial.mechanism);
  body.push_back('\0');
  put32(body, initial.data ? static_cast<std::uint32_t>(initial.data->size()) : 0xffffffffU);
  if (initial.data) body.append(*initial.data);
  return body;
}

}  // namespace minato::wire::pgwire
