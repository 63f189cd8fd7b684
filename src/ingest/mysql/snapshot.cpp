#include "ingest/mysql/snapshot.h"

#include "base/log.h"
#include "ingest/mysql/catalog.h"
#include "ingest/mysql/flavour.h"
#include "wire/mysql_rows.h"

namespace minato::ingest::mysql {
namespace {

// Small enough that reading and writing overlap from the start, and that few bytes wait.
constexpr std::size_t rows_max = 16 * 1024;
constexpr std::size_t bytes_max = std::size_t{4} << 20;
constexpr std::chrono::seconds silence_max{300};

/// Takes each table's metadata lock, held to the end of the transaction: shared, it keeps DDL out
/// but no writer. Gives up when a DDL holds it for long.
Status hold(Connection& connection, const std::vector<TableName>& tables, int seconds_max) {
  TRY(connection.run("SET SESSION lock_wait_timeout=" + std::to_string(seconds_max)));
  for (const TableName& table : tables) {
    const Status held = connection.run("SELECT 1 FROM " + quote_mysql_identifier(table.schema) +
                                       "." + quote_mysql_identifier(table.name) + " LIMIT 0");
    if (!held && held.error().code == Code::not_found) continue;  // dropped meanwhile
    TRY(held);
  }
  return {};
}

Result<std::vector<TableSchemaPtr>> read_these_shapes(Connection& connection,
                                                      const std::vector<TableName>& tables) {
  std::vector<TableSchemaPtr> shapes;
  for (const TableName& table : tables) {
    TRY_ASSIGN(auto shape, read_shape(connection, table));
    if (shape != nullptr) shapes.push_back(std::move(shape));
  }
  return shapes;
}

/// A view does not see that a table was renamed, or a column, after it was opened. So a second
/// connection keeps DDL out until the view's own transaction does: names and shapes are those of
/// its place in the log. A DDL that waits for the one makes the other wait: hence the short wait.
/// The server ends a guard that is not heard of; what it kept out may have come in then.
Result<LogPosition> open_held_view(const SourceOptions& options, Connection& connection,
                                   const std::vector<TableName>& tables) {
  constexpr int guard_seconds_max = 10;
  constexpr int seconds_max = 2;
  constexpr int guard_idle_seconds_max = 120;  // a round trip for each table
  constexpr std::chrono::seconds lock_answer_max{30};
  // All that takes time comes before the guard: what a DDL may come into is short then.
  TRY(check_settings(connection));
  TRY_ASSIGN(auto helper, Connection::open(options, lock_answer_max));
  TRY_ASSIGN(auto guard, Connection::open(options, silence_max));
  TRY(guard.run("SET SESSION wait_timeout=" + std::to_string(guard_idle_seconds_max)));
  TRY(guard.run("BEGIN"));
  TRY(hold(guard, tables, guard_seconds_max));
  TRY_ASSIGN(LogPosition position, Flavour::of(connection).open_view(connection, helper, tables));
  TRY(hold(connection, tables, seconds_max));
  TRY(guard.run("ROLLBACK"));
  return position;
}

Status read_table(Connection& connection, const TableSchemaPtr& shape, const SnapshotSink& sink,
                  const std::stop_token& stop) {
  const TableName& name = shape->name;
  std::string columns;
  for (const Column& column : shape->columns) {
    columns += (columns.empty() ? "" : ", ") + quote_mysql_identifier(column.name);
  }
  TRY_ASSIGN(
      const std::vector<std::uint8_t> types,
      connection.begin_rows("SELECT " + columns + " FROM " + quote_mysql_identifier(name.schema) +
                            "." + quote_mysql_identifier(name.name)));
  TRY_ASSIGN(const auto decoder, wire::ResultRowDecoder::compile(*shape, types));
  wire::DecodeCounts counts;
  RowBatch batch(shape);
  while (true) {
    TRY_ASSIGN(const wire::Bytes packet, connection.packet());
    if (packet.size() < 9 && !packet.empty() && packet[0] == 0xfe) break;
    TRY(decoder.decode(packet, batch, counts));
    if (batch.rows() < rows_max && batch.arena->bytes() < bytes_max) continue;
    if (stop.stop_requested()) return fail(Code::cancelled, "stopped");
    TRY(sink(std::exchange(batch, RowBatch(shape))));
  }
  connection.end_rows();
  if (batch.rows() > 0) TRY(sink(std::move(batch)));
  if (counts.zero_dates > 0 || counts.bad_text > 0) {
    log::warn("source_values_adapted", {{"table", display(name)},
                                        {"zero_dates", counts.zero_dates},
                                        {"bad_text", counts.bad_text}});
  }
  return {};
}

}  // namespace

Status read_snapshot(
    const SourceOptions& options, const std::vector<TableName>& tables,
    const std::function<Status(const LogPosition&, const std::vector<TableSchemaPtr>&)>& opened,
    const SnapshotSink& sink, std::stop_token stop) {
  TRY_ASSIGN(auto connection, Connection::open(options, silence_max));
  TRY_ASSIGN(const LogPosition position, open_held_view(options, connection, tables));
  TRY_ASSIGN(const auto shapes, read_these_shapes(connection, tables));
  TRY(opened(position, shapes));
  for (const TableSchemaPtr& shape : shapes) {
    if (stop.stop_requested()) return fail(Code::cancelled, "stopped");
    TRY(read_table(connection, shape, sink, stop));
  }
  return {};
}

}  // namespace minato::ingest::mysql
