// Sessions: statements, prepared statements and their results.
#include <algorithm>

#include "lake/engine_impl.h"
#include "lake/object_store.h"

namespace minato::lake {
namespace {

struct ErrorClass {
  std::string_view prefix;
  Code code;
  const char* message;
};

constexpr ErrorClass kErrorClasses[] = {
    {"INTERRUPT", Code::cancelled, "The statement was cancelled."},
    {"Out of Memory", Code::exhausted, "The statement needs more memory than it may use."},
    {"IO Error", Code::unavailable, "A file of the lake could not be read or written."},
    {"Connection", Code::unavailable, "A connection was lost."},
    {"Network", Code::unavailable, "A connection was lost."},
    {"TransactionContext", Code::conflict, "The transaction conflicts with another one."},
    {"Transaction", Code::conflict, "The transaction conflicts with another one."},
    {"Constraint", Code::invalid, "A value breaks a constraint of the table."},
    {"Catalog", Code::not_found, "A name in the statement is not known."},
    {"Parser", Code::invalid, "The statement has a syntax error."},
    {"Syntax", Code::invalid, "The statement has a syntax error."},
    {"Binder", Code::invalid, "The statement does not fit its tables, columns or functions."},
    {"Conversion", Code::invalid, "A value cannot be converted to the type that is needed."},
    {"Out of Range", Code::invalid, "A value is out of range."},
    {"Invalid Input", Code::invalid, "A value is not valid."},
    {"Invalid Error", Code::internal, "The engine failed."},
    {"Invalid", Code::invalid, "The statement is not valid here."},
    {"Mismatch Type", Code::invalid, "Types do not match."},
    {"Not implemented", Code::unsupported, "The engine does not support this."},
    {"Permission", Code::forbidden, "This is not permitted."},
    {"Parameter Not", Code::invalid, "A parameter's type is not known."},
    {"Dependency", Code::conflict, "Something else depends on this."},
    {"Divide by Zero", Code::invalid, "Division by zero."},
};

std::string text_of(const char* text) { return text != nullptr ? text : ""; }

Result<ResultStream> wrap(std::unique_ptr<ResultStream::Impl> impl) {
  const idx_t count = duckdb_column_count(&impl->result);
  impl->columns.reserve(count);
  for (idx_t n = 0; n < count; ++n) {
    const LogicalType type(duckdb_column_logical_type(&impl->result, n));
    impl->columns.push_back(
        {text_of(duckdb_column_name(&impl->result, n)), describe_type(type.handle)});
  }
  impl->kind = describe_kind(duckdb_result_statement_type(impl->result));
  return ResultStream(std::move(impl));
}

Result<std::shared_ptr<PreparedHandle>> prepare_handle(const Link& link, const std::string& sql) {
  auto prepared = std::make_shared<PreparedHandle>();
  if (duckdb_prepare(link.connection, sql.c_str(), &prepared->statement) != DuckDBSuccess) {
    return engine_error(text_of(duckdb_prepare_error(prepared->statement)));
  }
  return prepared;
}

Result<ResultStream> execute(const std::shared_ptr<Link>& link,
                             const std::shared_ptr<PreparedHandle>& prepared) {
  duckdb_pending_result pending = nullptr;
  if (duckdb_pending_prepared_streaming(prepared->statement, &pending) != DuckDBSuccess) {
    auto error = engine_error(text_of(duckdb_pending_error(pending)));
    duckdb_destroy_pending(&pending);
    return error;
  }
  auto impl = std::make_unique<ResultStream::Impl>();
  impl->link = link;
  impl->prepared = prepared;
  const duckdb_state state = duckdb_execute_pending(pending, &impl->result);
  duckdb_destroy_pending(&pending);
  if (state != DuckDBSuccess) return engine_error(text_of(duckdb_result_error(&impl->result)));
  return wrap(std::move(impl));
}

duckdb_state bind(duckdb_prepared_statement statement, idx_t index, const Value& value) {
  struct Visitor {
    duckdb_prepared_statement statement;
    idx_t index;
    duckdb_state operator()(std::monostate) const { return duckdb_bind_null(statement, index); }
    duckdb_state operator()(bool flag) const { return duckdb_bind_boolean(statement, index, flag); }
    duckdb_state operator()(std::int64_t number) const {
      return duckdb_bind_int64(statement, index, number);
    }
    duckdb_state operator()(double number) const {
      return duckdb_bind_double(statement, index, number);
    }
    duckdb_state operator()(const std::string& text) const {
      return duckdb_bind_varchar_length(statement, index, text.data(), text.size());
    }
    duckdb_state operator()(const Blob& blob) const {
      return duckdb_bind_blob(statement, index, blob.bytes.data(), blob.bytes.size());
    }
  };
  return std::visit(Visitor{statement, index}, value);
}

std::int64_t integer_at(const Vector& vector, std::size_t row) {
  switch (vector.type().id) {
    case TypeId::boolean: return vector.get<bool>(row) ? 1 : 0;
    case TypeId::int8: return vector.get<std::int8_t>(row);
    case TypeId::int16: return vector.get<std::int16_t>(row);
    case TypeId::int32: return vector.get<std::int32_t>(row);
    case TypeId::int64: return vector.get<std::int64_t>(row);
    case TypeId::uint8: return vector.get<std::uint8_t>(row);
    case TypeId::uint16: return vector.get<std::uint16_t>(row);
    case TypeId::uint32: return vector.get<std::uint32_t>(row);
    case TypeId::uint64: {
      const auto value = vector.get<std::uint64_t>(row);
      CHECK(value <= INT64_MAX);
      return static_cast<std::int64_t>(value);
    }
    case TypeId::int128: {
      const auto value = vector.get<Int128>(row);
      CHECK(value <= INT64_MAX && value >= INT64_MIN);
      return static_cast<std::int64_t>(value);
    }
    default: CHECK(!"not an integer column");
  }
}

}  // namespace

tl::unexpected<Error> engine_error(std::string_view text) {
  if (text.starts_with("IO Error") || text.starts_with("HTTP")) {
    const std::string_view problem = object_store_problem(text);
    if (!problem.empty()) return fail(Code::unavailable, std::string(problem), std::string(text));
  }
  for (const ErrorClass& known : kErrorClasses) {
    if (text.starts_with(known.prefix)) return fail(known.code, known.message, std::string(text));
  }
  return fail(Code::internal, "The engine failed.", std::string(text));
}

ResultStream::ResultStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResultStream::ResultStream(ResultStream&&) noexcept = default;
ResultStream& ResultStream::operator=(ResultStream&&) noexcept = default;
ResultStream::~ResultStream() = default;
const std::vector<ResultColumn>& ResultStream::columns() const { return impl_->columns; }
StatementKind ResultStream::kind() const { return impl_->kind; }

Result<std::optional<Chunk>> ResultStream::next() {
  duckdb_data_chunk chunk = duckdb_fetch_chunk(impl_->result);
  if (chunk == nullptr) {
    const std::string error = text_of(duckdb_result_error(&impl_->result));
    if (!error.empty()) return engine_error(error);
    return std::nullopt;
  }
  std::optional<Chunk> out(Chunk(chunk, &impl_->columns));
  if (out->rows() == 0) return std::nullopt;
  return out;
}

Rows::Rows(ResultStream stream) : stream_(std::make_unique<ResultStream>(std::move(stream))) {}

bool Rows::is_null(std::size_t row, std::size_t column) const {
  CHECK(row < total_);
  // Chunks are full but for the last: streams yield chunks of one size.
  for (const Chunk& chunk : chunks_) {
    if (row < chunk.rows()) return chunk.column(column).is_null(row);
    row -= chunk.rows();
  }
  CHECK(false);
}

std::string Rows::text(std::size_t row, std::size_t column) const {
  CHECK(row < total_);
  for (const Chunk& chunk : chunks_) {
    if (row < chunk.rows()) return to_text(chunk.column(column), row).value_or("");
    row -= chunk.rows();
  }
  CHECK(false);
}

std::int64_t Rows::integer(std::size_t row, std::size_t column) const {
  CHECK(row < total_);
  for (const Chunk& chunk : chunks_) {
    if (row < chunk.rows()) {
      const Vector vector = chunk.column(column);
      return vector.is_null(row) ? 0 : integer_at(vector, row);
    }
    row -= chunk.rows();
  }
  CHECK(false);
}

Prepared::Prepared(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Prepared::Prepared(Prepared&&) noexcept = default;
Prepared& Prepared::operator=(Prepared&&) noexcept = default;
Prepared::~Prepared() = default;
StatementKind Prepared::kind() const { return impl_->kind; }
const std::vector<ResultColumn>& Prepared::columns() const { return impl_->columns; }
const std::vector<Type>& Prepared::parameters() const { return impl_->parameters; }

Result<ResultStream> Prepared::execute(const std::vector<Value>& values) {
  if (values.size() != impl_->parameters.size()) {
    return fail(Code::invalid, "The statement has " + std::to_string(impl_->parameters.size()) +
                                   " parameters, but " + std::to_string(values.size()) +
                                   " values were given.");
  }
  const duckdb_prepared_statement statement = impl_->prepared->statement;
  duckdb_clear_bindings(statement);
  for (std::size_t n = 0; n < values.size(); ++n) {
    if (bind(statement, n + 1, values[n]) != DuckDBSuccess) {
      return engine_error(text_of(duckdb_prepare_error(statement)));
    }
  }
  return lake::execute(impl_->link, impl_->prepared);
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Rows> Session::collect(ResultStream stream) {
  Rows rows(std::move(stream));
  for (;;) {
    TRY_ASSIGN(std::optional<Chunk> chunk, rows.stream_->next());
    if (!chunk) return rows;
    rows.total_ += chunk->rows();
    rows.chunks_.push_back(std::move(*chunk));
  }
}

Result<Rows> Session::query(const std::string& sql) {
  auto impl = std::make_unique<ResultStream::Impl>();
  impl->link = impl_->link;
  if (duckdb_query(impl_->link->connection, sql.c_str(), &impl->result) != DuckDBSuccess) {
    return engine_error(text_of(duckdb_result_error(&impl->result)));
  }
  TRY_ASSIGN(ResultStream stream, wrap(std::move(impl)));
  return collect(std::move(stream));
}

Result<Rows> Session::query(const std::string& sql, const std::vector<Value>& values) {
  TRY_ASSIGN(Prepared prepared, prepare(sql));
  TRY_ASSIGN(ResultStream stream, prepared.execute(values));
  return collect(std::move(stream));
}

Status Session::run(const std::string& sql) {
  duckdb_result result{};
  const duckdb_state state = duckdb_query(impl_->link->connection, sql.c_str(), &result);
  Status status;
  if (state != DuckDBSuccess) status = engine_error(text_of(duckdb_result_error(&result)));
  duckdb_destroy_result(&result);
  return status;
}

Result<ResultStream> Session::stream(const std::string& sql) {
  TRY_ASSIGN(const std::shared_ptr<PreparedHandle> prepared, prepare_handle(*impl_->link, sql));
  return execute(impl_->link, prepared);
}

Result<Prepared> Session::prepare(const std::string& sql) {
  auto impl = std::make_unique<Prepared::Impl>();
  impl->link = impl_->link;
  TRY_ASSIGN(impl->prepared, prepare_handle(*impl_->link, sql));
  const duckdb_prepared_statement statement = impl->prepared->statement;
  const idx_t columns = duckdb_prepared_statement_column_count(statement);
  for (idx_t n = 0; n < columns; ++n) {
    const char* name = duckdb_prepared_statement_column_name(statement, n);
    const LogicalType type(duckdb_prepared_statement_column_logical_type(statement, n));
    impl->columns.push_back({text_of(name), describe_type(type.handle)});
    duckdb_free(const_cast<char*>(name));
  }
  const idx_t parameters = duckdb_nparams(statement);
  for (idx_t n = 1; n <= parameters; ++n) {
    const LogicalType type(duckdb_param_logical_type(statement, n));
    impl->parameters.push_back(type.handle != nullptr ? describe_type(type.handle) : Type{});
  }
  impl->kind = describe_kind(duckdb_prepared_statement_type(statement));
  return Prepared(std::move(impl));
}

void Session::interrupt() { duckdb_interrupt(impl_->link->connection); }

double Session::progress() const {
  return duckdb_query_progress(impl_->link->connection).percentage;
}

}  // namespace minato::lake
