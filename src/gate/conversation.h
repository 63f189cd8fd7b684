// One client's session after its login, without sockets: bytes in, bytes out. Messages of the
// protocol drive the engine; what may take long says so (Step::engine) and is then called on a pool
// thread. One thread at a time, but interrupt() and what is marked so from any.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "gate/canned.h"
#include "gate/gate.h"
#include "gate/parameters.h"
#include "gate/reader.h"
#include "gate/report.h"
#include "gate/settings.h"
#include "gate/types.h"
#include "sql/fence.h"
#include "wire/pgwire.h"

namespace minato::gate {

/// What to do after advance().
enum class Step {
  read,    // wait for more input
  write,   // send the output, then advance again
  engine,  // advance again on a pool thread
  close,   // send the output, then end the connection
};

enum class Interruption { none, client, timeout, memory, shutdown };

class Conversation {
 public:
  struct Client {
    Who who;
    std::string secret;  // 4 bytes, for cancel requests
    bool administrator = false;
    std::vector<std::pair<std::string, std::string>> settings;  // of the start-up message
  };
  /// Why a statement was refused.
  struct Failure {
    Error error;
    Origin origin;
    std::string sqlstate;  // when the error's class says too little
  };
  /// Opens the engine's session and appends the end of the login: settings, key, ready.
  static Result<std::unique_ptr<Conversation>> open(const lake::Engine& engine,
                                                    const GateOptions& options, Client client,
                                                    std::string& out);

  /// Takes whole messages off `input` and appends answers to `out`.
  Step advance(std::string_view& input, std::string& out, bool on_pool);

  /// From any thread: ends the running statement. Repeat until advance() has returned.
  void interrupt(Interruption reason);

  bool in_block() const { return block_; }
  /// 0: none. The smaller of the session's and the administrator's.
  std::chrono::milliseconds statement_timeout() const;

 private:
  /// One SQL statement, checked; what Parse makes.
  struct Prepared {
    std::string sql;  // as written
    sql::Checked checked;
    std::optional<TextRows> canned;
    std::vector<std::uint32_t> types;  // of the parameters, as told to the client
    std::vector<std::string> casts;    // engine types for them
    std::vector<std::string> names;    // of the result's columns
    std::vector<PgType> columns;       // none: no rows
    std::string verified_text;         // with casts; means what was checked (sql::verify_casts)
    std::optional<lake::Prepared> engine;
    std::string engine_text;          // what `engine` was prepared from,
    std::uint64_t engine_serial = 0;  // and in which transaction
    bool rows() const { return !columns.empty(); }
    bool heavy() const;
  };
  using PreparedPtr = std::shared_ptr<Prepared>;

  struct Portal {
    PreparedPtr statement;
    std::vector<lake::Value> values;
    std::vector<std::string> casts;
    std::vector<std::int16_t> formats;
    std::shared_ptr<Run> run;
    bool done = false;
  };
  using PortalPtr = std::shared_ptr<Portal>;

  /// The portal that is being executed.
  struct Executing {
    PortalPtr portal;
    std::uint64_t rows_left = UINT64_MAX;
    std::uint64_t rows = 0;
    bool limited = false;
  };

  Conversation(std::unique_ptr<Reader> reader, const GateOptions& options, Client client);

  // conversation.cpp: messages
  Step advance_within_memory(std::string_view& input, std::string& out, bool on_pool);
  bool needs_engine(const wire::pgwire::FrontendMessage& message) const;
  void handle(const wire::pgwire::FrontendMessage& message, std::string& out);
  void on(const wire::pgwire::Query& query, std::string& out);
  void on(const wire::pgwire::Sync& sync, std::string& out);
  void on(const wire::pgwire::Parse& parse, std::string& out);
  void on(const wire::pgwire::Bind& bind, std::string& out);
  void on(const wire::pgwire::Describe& describe, std::string& out);
  void on(const wire::pgwire::Execute& execute, std::string& out);
  void on(const wire::pgwire::Close& close, std::string& out);
  void work(std::string& out);
  void next_of_script(std::string& out);
  void ready(std::string& out);
  void fatal(std::string& out, std::string_view sqlstate, std::string message);
  void failed(const Error& error, Origin origin, std::string& out);
  void failed(const Report& report, std::string& out);
  void failed(const Failure& failure, std::string& out);

  // statements.cpp: what statements do
  template <class T>
  using Outcome = tl::expected<T, Failure>;
  Outcome<PreparedPtr> prepare(const std::string& sql, const std::vector<std::uint32_t>& types);
  Outcome<void> verify(Prepared& statement, const std::string& text);
  Outcome<void> describe(Prepared& statement, const std::vector<std::uint32_t>& types);
  Outcome<void> start(Portal& portal);
  /// One step of what is being executed.
  Outcome<void> run(std::string& out);
  Outcome<void> run_canned(const Prepared& statement, std::string& out);
  Outcome<void> run_query(Portal& portal, std::string& out);
  void complete(const std::string& tag, std::string& out);
  std::string table_hint(const std::string& message);
  Outcome<std::string> command(const sql::Statement& statement, std::string& out);
  Outcome<std::string> transaction(const sql::Statement& statement, std::string& out);
  void canned_rows(const TextRows& rows, std::string& out) const;
  void row_description(const Prepared& statement, const std::vector<std::int16_t>& formats,
                       std::string& out) const;
  void end_transaction();
  void report_settings(std::string& out);
  Status not_interrupted() const;

  std::unique_ptr<Reader> reader_;
  const GateOptions& options_;
  Client client_;
  Settings settings_;
  std::map<std::string, PreparedPtr, std::less<>> statements_;
  std::map<std::string, PortalPtr, std::less<>> portals_;
  std::optional<Executing> executing_;
  std::deque<std::string> script_;  // the rest of a simple query
  bool simple_ = false;             // a simple query is being answered
  bool skipping_ = false;           // after an error, until Sync
  bool block_ = false;              // between BEGIN and COMMIT
  bool block_failed_ = false;
  bool closing_ = false;
  std::atomic<Interruption> interruption_ = Interruption::none;
};

}  // namespace minato::gate
