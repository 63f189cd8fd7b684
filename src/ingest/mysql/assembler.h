// Binary log events of a source → pieces of whole transactions in columns. No sockets:
// events come in by event(), pieces go to a PieceQueue.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <unordered_map>

#include "ingest/mysql/cascades.h"
#include "ingest/mysql/piece_queue.h"
#include "ingest/mysql/position.h"
#include "ingest/mysql/shape_book.h"
#include "ingest/source.h"
#include "wire/mysql_rows.h"

namespace minato::ingest::mysql {

class Assembler {
 public:
  /// Error when the source's settings are wrong now; asked when the log has what they should
  /// prevent.
  using CheckSettings = std::function<Status()>;

  /// Tables that were read as of `position`: their shapes there, known to the stream from there on.
  struct Join {
    LogPosition position;
    std::vector<TableSchemaPtr> shapes;
  };
  Assembler(const SourceOptions& options, LogPosition from, std::optional<Join> cut,
            ShapeBook shapes, Cascades cascades, PieceQueue& queue, CheckSettings check_settings);

  /// One event as it came. Error{cancelled} when the queue was closed; other errors are final.
  Status event(wire::Bytes bytes);
  /// A new connection starts over at position(): a transaction that was cut off comes again from
  /// its start.
  void reconnected();
  /// The end of the last whole transaction.
  const LogPosition& position() const { return position_; }
  const wire::DecodeCounts& counts() const { return counts_; }

 private:
  struct Table {
    std::vector<std::uint8_t> raw;  // the TABLE_MAP it was made from
    TableName name;
    bool unknown = false;  // to be captured, but without a shape
    bool parent = false;   // foreign keys change other tables with it
    std::uint64_t shapes_version = 0;
    bool captured = false;
    std::optional<wire::RowDecoder> decoder;
    TableSchemaPtr schema;
    std::uint64_t piece = 0;  // the queue's generation in which `slot` is valid
    std::size_t slot = 0;     // in the open piece's tables
  };

  Status dispatch(const wire::Event& event);
  Status on_rotate(const wire::Event& event);
  Status on_gtid(const wire::Event& event);
  Status on_mysql_gtid(const wire::Event& event);
  /// A group begins, or comes again after the connection broke.
  Status begin_group(const Gtid& gtid);
  Status on_payload(const wire::Event& event);
  Status on_query(const wire::Event& event);
  Status on_table_map(const wire::Event& event);
  Status on_unknown_table(const TableName& name);
  Status on_rows(const wire::Event& event);
  Status on_statement(const wire::QueryEvent& query, const wire::Event& event);
  Status on_schema_statement(const wire::QueryEvent& query, const wire::Event& event);
  Status on_data_statement(const wire::QueryEvent& query);
  Status refuse(const wire::Event& event);
  Status on_partial_rows(const wire::Event& event);
  Status on_xa_prepare(const wire::Event& event);
  Status on_xa_statement(std::string_view text);
  Status end_group(const wire::EventHeader& header);
  Status lose(const TableName& table);
  Status lose(const Cascades::Losses& tables);
  /// Rows of a parent changed; `changes` from row `first` on are they, nullptr: not known which.
  Status on_parent_rows(const Table& table, const wire::RowsEvent& rows,
                        const TableChanges* changes, std::size_t first);
  Status on_rows_of_others(const Table& table, const wire::RowsEvent& rows);
  /// A statement may have made, dropped or renamed foreign keys or what they are about.
  Status on_keys_statement(std::string_view text, const wire::DdlStatement& statement);
  Status push(bool at_boundary);
  /// False when the step was taken in before the connection broke. Error{conflict} when the group
  /// is not the same events as before.
  Result<bool> next_step(const wire::EventHeader& header);
  Status all_came_again() const;
  TableChanges& changes_of(Table& table, StreamBatch& piece);
  Status lose_group();
  /// True when the position has reached the cut just now.
  bool reach_cut();

  SourceOptions options_;
  LogPosition position_;
  std::optional<Join> cut_;
  ShapeBook shapes_;
  Cascades cascades_;
  PieceQueue& queue_;
  CheckSettings check_settings_;

  wire::LogFormat format_;
  bool format_known_ = false;
  std::string file_;                                 // of the events that come in
  std::unordered_map<std::uint64_t, Table> tables_;  // by table id; ids change with each DDL and
                                                     // server start
  std::map<TableName, std::chrono::steady_clock::time_point> asked_;  // unknown tables: when
  std::size_t held_ = 0;  // decoded bytes in the open piece, about
  std::vector<std::uint8_t> storage_;

  bool in_group_ = false;
  bool standalone_ = false;      // the group is one statement, without a COMMIT …
  bool without_effect_ = false;  // … which is said again when it is carried out
  std::optional<Gtid> gtid_;
  std::uint64_t steps_ = 0;  // row events and statements of the group that were taken in
  std::uint64_t skip_ = 0;   // steps to pass over after a reconnection …
  std::pair<std::string, std::uint32_t> taken_;  // … of which the last ends here: file, offset
  std::set<TableName> touched_;                  // captured tables with rows in the group
  bool xa_ = false;  // the group is prepared, not committed: rows left out
  std::map<std::string, std::set<TableName>> prepared_;  // by XA id: tables with rows
  wire::DecodeCounts counts_;
};

}  // namespace minato::ingest::mysql
