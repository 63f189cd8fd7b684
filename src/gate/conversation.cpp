// Messages: which ones come when, and what is answered to each.
#include "gate/conversation.h"

#include <new>

#include "base/log.h"

namespace minato::gate {
namespace {

using namespace wire::pgwire;

constexpr std::size_t kMessageMax = 16UL << 20;
constexpr std::size_t kOutputStep = 256UL << 10;  // output is sent when it has grown to this
constexpr std::size_t kScanInline = 16UL << 10;  // longer SQL is not even scanned on the event loop
constexpr std::size_t kNamedMax = 1000;          // statements, and portals, of a session

tl::unexpected<Error> too_many(std::string_view what) {
  return fail(Code::exhausted,
              "This session has too many " + std::string(what) + ": close some of them.");
}

}  // namespace

Conversation::Conversation(std::unique_ptr<Reader> reader, const GateOptions& options,
                           Client client)
    : reader_(std::move(reader)),
      options_(options),
      client_(std::move(client)),
      settings_(client_.who.account) {}

Result<std::unique_ptr<Conversation>> Conversation::open(const lake::Engine& engine,
                                                         const GateOptions& options, Client client,
                                                         std::string& out) {
  TRY_ASSIGN(auto reader, Reader::open(engine));
  std::unique_ptr<Conversation> self(
      new Conversation(std::move(reader), options, std::move(client)));
  for (const auto& [name, value] : self->client_.settings) TRY(self->settings_.set(name, value));
  self->settings_.take_changes();
  encode(BackendMessage{Authentication{Authentication::ok, {}}}, out);
  for (const auto& [name, value] : self->settings_.reported()) {
    encode(BackendMessage{ParameterStatus{name, value}}, out);
  }
  encode(BackendMessage{BackendKeyData{self->client_.who.process, self->client_.secret}}, out);
  encode(BackendMessage{ReadyForQuery{'I'}}, out);
  return self;
}

std::chrono::milliseconds Conversation::statement_timeout() const {
  const auto own = settings_.statement_timeout();
  const auto highest = options_.statement_timeout;
  if (own.count() == 0) return highest;
  return highest.count() == 0 ? own : std::min(own, highest);
}

void Conversation::interrupt(Interruption reason) {
  auto none = Interruption::none;
  interruption_.compare_exchange_strong(none, reason);
  reader_->interrupt();
}

Step Conversation::advance(std::string_view& input, std::string& out, bool on_pool) {
  try {
    return advance_within_memory(input, out, on_pool);
  } catch (const std::bad_alloc&) {
    // The process is bounded (RLIMIT_AS): this session ends, the others go on.
    executing_.reset();
    portals_.clear();
    out.clear();
    log::warn("gate.out_of_memory", {{"account", client_.who.account}});
    fatal(out, "53200", "The gate has no memory left for this statement.");
    return Step::close;
  }
}

Step Conversation::advance_within_memory(std::string_view& input, std::string& out, bool on_pool) {
  while (out.size() < kOutputStep) {
    if (!reader_->usable() && !closing_) {
      fatal(out, "58000", "The engine could not end this session's transaction: connect again.");
    }
    if (closing_) return Step::close;
    if (executing_ || simple_) {
      if (!on_pool) return Step::engine;
      work(out);
      continue;
    }
    const auto frame = next_frame(input, false, kMessageMax);
    if (frame && !*frame) return out.empty() ? Step::read : Step::write;
    const auto message =
        frame ? parse_frontend(**frame) : Result<FrontendMessage>(fail(Error(frame.error())));
    if (!message) {
      fatal(out, "08P01", message.error().message);
      return Step::close;
    }
    if (!on_pool && needs_engine(*message)) return Step::engine;
    handle(*message, out);
    input.remove_prefix((*frame)->size);
  }
  return Step::write;
}

bool Conversation::needs_engine(const FrontendMessage& message) const {
  const auto light = [this](std::string_view text) {
    if (text.size() > kScanInline) return false;
    const auto statement = sql::recognise(text);
    if (!statement) return true;
    using enum sql::StatementKind;
    switch (statement->kind) {
      case query: return canned_answer(text, client_.who).has_value();
      case explain: return false;
      case commit:
      case rollback:
      case discard: return !reader_->in_transaction();
      default: return true;
    }
  };
  if (skipping_ && !std::holds_alternative<Sync>(message)) return false;
  if (std::holds_alternative<Query>(message)) return true;
  if (const auto* parse = std::get_if<Parse>(&message)) return !light(parse->sql);
  if (const auto* execute = std::get_if<Execute>(&message)) {
    const auto portal = portals_.find(execute->portal);
    return portal != portals_.end() &&
           (portal->second->statement->heavy() || reader_->in_transaction());
  }
  // Ending a transaction, and dropping a live result, talk to the engine.
  return reader_->in_transaction() && !std::holds_alternative<Flush>(message);
}

void Conversation::handle(const FrontendMessage& message, std::string& out) {
  if (const auto* query = std::get_if<Query>(&message)) return on(*query, out);
  if (const auto* sync = std::get_if<Sync>(&message)) return on(*sync, out);
  if (std::holds_alternative<Terminate>(message)) {
    closing_ = true;
    return;
  }
  if (skipping_ || std::holds_alternative<Flush>(message)) return;
  if (const auto* parse = std::get_if<Parse>(&message)) return on(*parse, out);
  if (const auto* bind = std::get_if<Bind>(&message)) return on(*bind, out);
  if (const auto* describe = std::get_if<Describe>(&message)) return on(*describe, out);
  if (const auto* execute = std::get_if<Execute>(&message)) return on(*execute, out);
  if (const auto* close = std::get_if<Close>(&message)) return on(*close, out);
  if (std::holds_alternative<FunctionCall>(message)) {
    failed(Error{Code::unsupported, "Function calls of the old protocol are not supported.", {}},
           Origin::session, out);
    ready(out);
    return;
  }
  if (std::holds_alternative<Password>(message)) {
    return fatal(out, "08P01", "The login is over: no password is expected.");
  }
  // CopyData and kin outside of COPY: PostgreSQL ignores them, too.
}

void Conversation::on(const Query& query, std::string& out) {
  statements_.erase("");
  portals_.erase("");
  auto statements = sql::split_statements(query.sql);
  if (!statements) {
    failed(statements.error(), Origin::fence, out);
    return ready(out);
  }
  simple_ = true;
  script_.assign(statements->begin(), statements->end());
  if (script_.empty()) encode(BackendMessage{Plain{'I'}}, out);
}

void Conversation::on(const Sync&, std::string& out) {
  skipping_ = false;
  ready(out);
}

void Conversation::on(const Parse& parse, std::string& out) {
  if (!parse.statement.empty() && statements_.contains(parse.statement)) {
    return failed(
        Report{"42P05",
               "prepared statement \"" + std::string(parse.statement) + "\" already exists",
               {},
               {}},
        out);
  }
  if (statements_.size() >= kNamedMax)
    return failed(too_many("prepared statements").value(), Origin::session, out);
  const auto texts = sql::split_statements(parse.sql);
  if (!texts) return failed(texts.error(), Origin::fence, out);
  if (texts->size() > 1) {
    return failed(
        Report{"42601", "cannot insert multiple commands into a prepared statement", {}, {}}, out);
  }
  auto statement = prepare(texts->empty() ? std::string() : texts->front(), parse.types);
  if (!statement) return failed(statement.error(), out);
  statements_[std::string(parse.statement)] = std::move(*statement);
  encode(BackendMessage{Plain{'1'}}, out);
}

void Conversation::on(const Bind& bind, std::string& out) {
  const auto statement = statements_.find(bind.statement);
  if (statement == statements_.end()) {
    return failed(
        Report{"26000",
               "prepared statement \"" + std::string(bind.statement) + "\" does not exist",
               {},
               {}},
        out);
  }
  if (!bind.portal.empty() && portals_.contains(bind.portal)) {
    return failed(
        Report{"42P03", "portal \"" + std::string(bind.portal) + "\" already exists", {}, {}}, out);
  }
  if (portals_.size() >= kNamedMax)
    return failed(too_many("portals").value(), Origin::session, out);
  auto portal = std::make_shared<Portal>();
  portal->statement = statement->second;
  const auto& types = portal->statement->types;
  if (bind.values.size() != types.size()) {
    return failed(Report{"08P01",
                         "bind message supplies " + std::to_string(bind.values.size()) +
                             " parameters, but the statement has " + std::to_string(types.size()),
                         {},
                         {}},
                  out);
  }
  portal->casts = portal->statement->casts;
  for (std::size_t i = 0; i < types.size(); ++i) {
    auto parameter = read_parameter(bind.values[i], types[i], format_of(bind.formats, i) == 1);
    if (!parameter) {
      Report report = report_of(parameter.error(), Origin::session);
      report.sqlstate = parameter.error().code == Code::invalid ? "22P02" : report.sqlstate;
      report.message = "$" + std::to_string(i + 1) + ": " + report.message;
      return failed(report, out);
    }
    portal->values.push_back(std::move(parameter->value));
    if (!parameter->cast.empty()) portal->casts[i] = parameter->cast;
  }
  portal->formats = bind.result_formats;
  portals_[std::string(bind.portal)] = std::move(portal);
  encode(BackendMessage{Plain{'2'}}, out);
}

void Conversation::on(const Describe& describe, std::string& out) {
  const Prepared* statement = nullptr;
  std::vector<std::int16_t> formats;
  if (describe.kind == 'S') {
    const auto found = statements_.find(describe.name);
    if (found != statements_.end()) statement = found->second.get();
  } else if (const auto found = portals_.find(describe.name); found != portals_.end()) {
    statement = found->second->statement.get();
    formats = found->second->formats;
  }
  if (statement == nullptr) {
    const bool portal = describe.kind == 'P';
    return failed(Report{portal ? "34000" : "26000",
                         (portal ? "portal \"" : "prepared statement \"") +
                             std::string(describe.name) + "\" does not exist",
                         {},
                         {}},
                  out);
  }
  if (describe.kind == 'S') encode(BackendMessage{ParameterDescription{statement->types}}, out);
  if (statement->rows()) {
    row_description(*statement, formats, out);
  } else {
    encode(BackendMessage{Plain{'n'}}, out);
  }
}

void Conversation::on(const Execute& execute, std::string& out) {
  const auto found = portals_.find(execute.portal);
  if (found == portals_.end()) {
    return failed(
        Report{"34000", "portal \"" + std::string(execute.portal) + "\" does not exist", {}, {}},
        out);
  }
  Executing executing{found->second};
  executing.limited = execute.rows_max > 0;
  if (executing.limited) executing.rows_left = static_cast<std::uint64_t>(execute.rows_max);
  executing_ = std::move(executing);
  // Without the engine there is nothing to wait for.
  if (!executing_->portal->statement->heavy()) work(out);
}

void Conversation::on(const Close& close, std::string& out) {
  if (close.kind == 'S') {
    if (const auto found = statements_.find(close.name); found != statements_.end())
      statements_.erase(found);
  } else if (const auto found = portals_.find(close.name); found != portals_.end()) {
    portals_.erase(found);
  }
  encode(BackendMessage{Plain{'3'}}, out);
}

void Conversation::work(std::string& out) {
  if (!executing_) return next_of_script(out);
  const auto done = run(out);
  if (!done) failed(done.error(), out);
}

void Conversation::next_of_script(std::string& out) {
  if (script_.empty()) {
    simple_ = false;
    return ready(out);
  }
  const std::string text = std::move(script_.front());
  script_.pop_front();
  auto statement = prepare(text, {});
  if (!statement) return failed(statement.error(), out);
  auto portal = std::make_shared<Portal>();
  portal->statement = std::move(*statement);
  if (!portal->statement->types.empty()) {
    return failed(
        Report{"42P02", "there is no parameter $1", {}, "Parameters need the extended protocol."},
        out);
  }
  executing_ = Executing{std::move(portal)};
}

void Conversation::ready(std::string& out) {
  if (!block_) end_transaction();
  interruption_ = Interruption::none;
  const char state = !block_ ? 'I' : (block_failed_ ? 'E' : 'T');
  encode(BackendMessage{ReadyForQuery{state}}, out);
}

void Conversation::fatal(std::string& out, std::string_view sqlstate, std::string message) {
  append_error(out, Report{std::string(sqlstate), std::move(message), {}, {}}, true);
  closing_ = true;
}

void Conversation::failed(const Error& error, Origin origin, std::string& out) {
  const Interruption reason = interruption_;
  if (error.code != Code::cancelled || reason == Interruption::none) {
    if (origin == Origin::engine && properties(error.code).page) {
      log::warn("gate.statement_failed", {{"account", client_.who.account}, {"error", error}});
    }
    Report report = report_of(error, origin);
    if (const std::string hint = table_hint(report.message); !hint.empty()) report.hint = hint;
    return failed(report, out);
  }
  if (reason == Interruption::shutdown) {
    return fatal(out, "57P01", "terminating connection due to administrator command");
  }
  if (reason == Interruption::memory) {
    return failed(Report{"53200",
                         "The gate ran short of memory: the statement was cancelled.",
                         {},
                         "Read fewer columns or rows, filter earlier, or aggregate in a mart."},
                  out);
  }
  const bool timeout = reason == Interruption::timeout;
  failed(
      Report{"57014",
             timeout ? "canceling statement due to statement timeout"
                     : "canceling statement due to user request",
             {},
             timeout ? "It ran longer than " + std::to_string(statement_timeout().count()) + " ms."
                     : ""},
      out);
}

void Conversation::failed(const Failure& failure, std::string& out) {
  if (failure.sqlstate.empty()) return failed(failure.error, failure.origin, out);
  failed(Report{failure.sqlstate, failure.error.message, {}, {}}, out);
}

void Conversation::failed(const Report& report, std::string& out) {
  append_error(out, report);
  executing_.reset();
  script_.clear();
  skipping_ = !simple_;
  if (block_) block_failed_ = true;
  end_transaction();
}

}  // namespace minato::gate
