#include "ingest/mysql/assembler.h"

#include <zlib.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "ingest/mysql/catalog.h"
#include "wire/mysql_payload.h"

namespace minato::ingest::mysql {
namespace {

using wire::BinlogEvent;

constexpr std::chrono::seconds ask_again_after{10};

/// Events made up for the connection carry a checksum or not by rules of their own: the sum itself
/// tells.
bool ends_with_checksum(wire::Bytes bytes) {
  if (bytes.size() < wire::event_header_size + 4) return false;
  const auto sum = crc32(0, bytes.data(), static_cast<uInt>(bytes.size() - 4));
  return sum == wire::load<std::uint32_t>(bytes.data() + bytes.size() - 4);
}

/// When a transaction that was read just now was committed, of which the log says whole seconds
/// only: within that second, and not later than now.
SystemTime commit_time(std::uint32_t seconds) {
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const SystemTime begin{std::chrono::seconds(seconds)};
  return std::clamp<SystemTime>(now, begin, begin + std::chrono::microseconds(999'999));
}

std::string first_word(std::string_view text) {
  std::string word;
  for (const char c : text.substr(0, 16)) {
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    if (upper < 'A' || upper > 'Z') break;
    word += upper;
  }
  return word;
}

}  // namespace

Assembler::Assembler(const SourceOptions& options, LogPosition from, std::optional<Join> cut,
                     ShapeBook shapes, Cascades cascades, PieceQueue& queue,
                     CheckSettings check_settings)
    : options_(options),
      position_(std::move(from)),
      cut_(std::move(cut)),
      shapes_(std::move(shapes)),
      cascades_(std::move(cascades)),
      queue_(queue),
      check_settings_(std::move(check_settings)) {
  reach_cut();
}

bool Assembler::reach_cut() {
  if (!cut_ || !position_.covers(cut_->position)) return false;
  for (const TableSchemaPtr& shape : cut_->shapes) shapes_.join(shape);
  cut_.reset();
  return true;
}

Status Assembler::event(wire::Bytes bytes) {
  if (bytes.size() < wire::event_header_size)
    return fail(Code::invalid, "The source sent half an event.");
  const auto type = static_cast<BinlogEvent>(bytes[4]);
  if (type == BinlogEvent::format_description) {
    TRY_ASSIGN(format_, wire::parse_format_description(bytes));
    format_known_ = true;
    tables_.clear();
    return {};
  }
  const bool made_up = type == BinlogEvent::rotate || type == BinlogEvent::heartbeat ||
                       type == BinlogEvent::heartbeat_v2 ||
                       (wire::load<std::uint16_t>(bytes.data() + 17) & 0x20) != 0;
  if (!format_known_ && !made_up)
    return fail(Code::invalid, "The source's log does not begin with its format.");
  wire::LogFormat format = format_;
  if (made_up) format.checksum = ends_with_checksum(bytes);
  TRY_ASSIGN(const wire::Event event, wire::parse_event(bytes, format, !made_up));
  return dispatch(event);
}

Status Assembler::dispatch(const wire::Event& event) {
  switch (event.header.type) {
    case BinlogEvent::rotate: return on_rotate(event);
    case BinlogEvent::gtid: return on_gtid(event);
    case BinlogEvent::mysql_gtid:
    case BinlogEvent::mysql_gtid_tagged: return on_mysql_gtid(event);
    case BinlogEvent::transaction_payload: return on_payload(event);
    case BinlogEvent::query:
    case BinlogEvent::query_compressed: return on_query(event);
    case BinlogEvent::xid: return end_group(event.header);
    case BinlogEvent::table_map: return on_table_map(event);
    case BinlogEvent::xa_prepare: return on_xa_prepare(event);
    case BinlogEvent::incident:
    case BinlogEvent::mysql_anonymous_gtid: return refuse(event);
    default: break;
  }
  const bool partial = event.header.type == BinlogEvent::partial_update_rows;
  if (!partial && !wire::is_rows_event(event.header.type)) return {};
  TRY_ASSIGN(const bool fresh, next_step(event.header));
  if (!fresh) return {};
  return partial ? on_partial_rows(event) : on_rows(event);
}

Status Assembler::refuse(const wire::Event& event) {
  switch (event.header.type) {
    case BinlogEvent::incident:
      return fail(Code::source_gap, "The source's binary log says that events were lost there.");
    default:
      return fail(Code::source_gap,
                  "The source wrote a transaction without a GTID. Keep gtid_mode=ON there; then "
                  "let Minato read the tables anew.");
  }
}

Status Assembler::on_rotate(const wire::Event& event) {
  TRY_ASSIGN(const wire::Rotate rotate, wire::parse_rotate(event.body));
  file_ = std::string(rotate.file);
  if (!in_group_ && !event.header.artificial()) {
    position_.file = file_;
    position_.offset = rotate.position;
  }
  return {};
}

Status Assembler::on_gtid(const wire::Event& event) {
  TRY_ASSIGN(const wire::GtidEvent gtid, wire::parse_gtid(event.body));
  TRY(begin_group(MariadbGtid{gtid.domain, event.header.server_id, gtid.sequence}));
  standalone_ = gtid.standalone;
  xa_ = gtid.prepared_xa;
  without_effect_ = gtid.without_effect;
  return {};
}

Status Assembler::on_mysql_gtid(const wire::Event& event) {
  const bool tagged = event.header.type == BinlogEvent::mysql_gtid_tagged;
  TRY_ASSIGN(const wire::MysqlGtid gtid, tagged ? wire::parse_mysql_tagged_gtid(event.body)
                                                : wire::parse_mysql_gtid(event.body));
  TRY(begin_group(gtid));
  standalone_ = true;  // unless BEGIN or XA START follows
  xa_ = false;
  without_effect_ = false;
  return {};
}

/// A whole transaction, compressed: its events are as if they had come one by one.
Status Assembler::on_payload(const wire::Event& event) {
  TRY_ASSIGN(auto reader, wire::PayloadReader::open(event.body));
  wire::LogFormat format = format_;
  format.checksum = false;  // the payload has one for all of them
  while (true) {
    TRY_ASSIGN(const auto bytes, reader.next());
    if (!bytes) return {};
    TRY_ASSIGN(wire::Event inner, wire::parse_event(*bytes, format, false));
    if (inner.header.type == BinlogEvent::transaction_payload)
      return fail(Code::invalid, "The source sent a transaction inside a transaction.");
    inner.header.next_position = event.header.next_position;
    TRY(dispatch(inner));
  }
}

Status Assembler::on_query(const wire::Event& event) {
  std::string storage;
  const bool compressed = event.header.type == BinlogEvent::query_compressed;
  TRY_ASSIGN(const wire::QueryEvent query, wire::parse_query(event.body, compressed, storage));
  const std::string word = first_word(query.text);
  if (word == "BEGIN") {
    in_group_ = true;  // also in logs without GTIDs
    standalone_ = false;
    return {};
  }
  if (word == "XA") {
    if (query.text.starts_with("XA START")) {  // MySQL says so here, MariaDB in the GTID
      xa_ = true;
      standalone_ = false;
    }
    TRY(on_xa_statement(query.text));
    return xa_ ? Status{} : end_group(event.header);
  }
  if (word == "COMMIT") return end_group(event.header);
  if (word == "ROLLBACK") {
    // Rows of tables without transactions stay, those of others do not: the log does not say which
    // are which.
    TRY(lose_group());
    return query.text.size() <= 10 ? end_group(event.header) : Status{};
  }
  if (word != "SAVEPOINT" && word != "RELEASE") {
    TRY_ASSIGN(const bool fresh, next_step(event.header));
    if (fresh && !without_effect_) TRY(on_statement(query, event));
  }
  if (standalone_ || !in_group_) return end_group(event.header);
  return {};
}

/// Rows of a prepared transaction are left out; when it commits, perhaps much later, its tables are
/// read anew. XA is rare, and a transaction may stay prepared over restarts of everything.
Status Assembler::on_xa_prepare(const wire::Event& event) {
  TRY_ASSIGN(const wire::XaPrepare prepare, wire::parse_xa_prepare(event.body));
  if (prepare.one_phase) {
    TRY(lose_group());
  } else {
    prepared_[prepare.xid] = std::exchange(touched_, {});
  }
  return end_group(event.header);
}

Status Assembler::on_xa_statement(std::string_view text) {
  const bool commit = text.starts_with("XA COMMIT");
  if (!commit && !text.starts_with("XA ROLLBACK")) return {};  // START, END
  const std::string xid(text.substr(text.find(' ', 3) + 1));
  const auto found = prepared_.find(xid);
  if (commit) {
    // Prepared before this stream began: any table may have its rows.
    const auto all = shapes_.names();
    const std::set<TableName> tables =
        found != prepared_.end() ? found->second : std::set<TableName>(all.begin(), all.end());
    log::warn("source_xa_commit", {{"source", options_.name}, {"tables", tables.size()}});
    for (const TableName& table : tables) TRY(lose(table));
  }
  if (found != prepared_.end()) prepared_.erase(found);
  return {};
}

Status Assembler::on_statement(const wire::QueryEvent& query, const wire::Event& event) {
  const std::string word = first_word(query.text);
  if (word == "INSERT" || word == "UPDATE" || word == "DELETE" || word == "REPLACE" ||
      word == "LOAD") {
    return on_data_statement(query);
  }
  return on_schema_statement(query, event);
}

Status Assembler::on_data_statement(const wire::QueryEvent& query) {
  TRY(check_settings_());
  // A session of its own wrote a statement: which tables it changed is not for us to guess.
  log::warn("source_statement_in_log", {{"source", options_.name}, {"database", query.database}});
  for (const TableName& table : shapes_.names()) {
    if (query.text.find(table.name) != std::string_view::npos) TRY(lose(table));
  }
  for (const TableName& table : cascades_.parents()) {
    if (query.text.find(table.name) != std::string_view::npos) TRY(lose(cascades_.any(table)));
  }
  return {};
}

Status Assembler::on_schema_statement(const wire::QueryEvent& query, const wire::Event& event) {
  std::string converted;
  std::string_view text = query.text;
  TRY_ASSIGN(const wire::Charset* const charset, shapes_.client_charset(query.client_charset));
  if (charset != nullptr) {
    charset->convert(query.text, converted);
    text = converted;
  }
  const wire::DdlStatement statement = wire::parse_ddl(text, query.database, query.sql_mode);
  TRY_ASSIGN(
      ShapeChanges changes,
      shapes_.apply(statement, text, {query.sql_mode, {event.header.timestamp, query.time_zone}}));
  if (!changes.ddl.empty()) {
    // What came before stands on its own: a piece is either rows or DDL.
    StreamBatch& rows = queue_.open();
    if (!rows.tables.empty() || !rows.lost.empty()) {
      if (rows.end.text.empty()) rows.end = position_.position();
      // Rows of this very transaction would have to wait for its end.
      TRY(push(touched_.empty()));
    }
    StreamBatch& piece = queue_.open();
    piece.ddl = std::move(changes.ddl);
    piece.bytes += event.header.size;
    if (standalone_ || !in_group_) {
      for (const TableName& table : changes.lost) piece.lost.push_back(table);
      return on_keys_statement(text, statement);  // end_group() follows at once, hands it over
    }
    piece.end = position_.position();
    TRY(push(false));
  }
  for (const TableName& table : changes.lost) TRY(lose(table));
  return on_keys_statement(text, statement);
}

Status Assembler::lose(const TableName& table) {
  shapes_.lose(table);
  // Other tables' maps stay: their rows may follow in the same statement.
  for (auto& [id, each] : tables_) {
    if (each.schema != nullptr && each.schema->name == table) each.captured = false;
  }
  StreamBatch& piece = queue_.open();
  if (std::find(piece.lost.begin(), piece.lost.end(), table) == piece.lost.end())
    piece.lost.push_back(table);
  return {};
}

/// Those that were lost before are awaited already.
Status Assembler::lose(const Cascades::Losses& tables) {
  for (const auto& [table, why] : tables) {
    if (shapes_.find(table) == nullptr && !shapes_.unknown(table)) continue;
    log::warn("source_foreign_key", {{"source", options_.name}, {"table", display(table)}});
    TRY(lose(table));
    queue_.open().lost_why[table] = why;
  }
  return {};
}

Status Assembler::on_table_map(const wire::Event& event) {
  TRY_ASSIGN(const std::uint64_t id, wire::peek_table_id(event.body, format_));
  Table& table = tables_[id];
  if (table.shapes_version == shapes_.version() && std::ranges::equal(table.raw, event.body))
    return table.unknown ? on_unknown_table(table.name) : Status{};
  table = Table{};
  table.raw.assign(event.body.begin(), event.body.end());
  table.shapes_version = shapes_.version();
  TRY_ASSIGN(const wire::TableMap map, wire::parse_table_map(event.body, format_));
  const TableName name{std::string(map.database), std::string(map.table)};
  table.name = name;
  table.parent = cascades_.is_parent(name);
  table.schema = shapes_.find(name);
  if (table.schema == nullptr) {
    table.unknown = shapes_.unknown(name);
    table.schema = cascades_.parent_shape(name);
    if (table.schema != nullptr) {
      if (auto decoder = wire::RowDecoder::compile(map, *table.schema)) table.decoder = *decoder;
    }
    return table.unknown ? on_unknown_table(name) : Status{};
  }
  auto decoder = wire::RowDecoder::compile(map, *table.schema);
  if (!decoder) {
    if (decoder.error().code != Code::conflict) return fail(std::move(decoder).error());
    log::warn("source_shape_lost",
              {{"source", options_.name}, {"table", display(name)}, {"why", decoder.error()}});
    return lose(name);
  }
  table.decoder = std::move(*decoder);
  table.captured = true;
  return {};
}

/// Rows of a table that a list of tables left out, or that the account could not see then. One that
/// the source does not show now either is dropped further on in the log, or none to be captured (a
/// sequence, a versioned table): it is asked for again, but not each time.
Status Assembler::on_unknown_table(const TableName& name) {
  const auto named = [&](const TableSchemaPtr& shape) { return shape->name == name; };
  if (cut_ && std::ranges::any_of(cut_->shapes, named)) return {};  // it joins in a moment
  const auto now = std::chrono::steady_clock::now();
  const auto [asked, first] = asked_.try_emplace(name, now);
  if (!first && now - asked->second < ask_again_after) return {};
  asked->second = now;
  auto shape = shapes_.ask(name);
  if (!shape) {
    asked_.erase(asked);
    return fail(std::move(shape).error());
  }
  if (*shape == nullptr) return {};
  log::warn("source_table_unknown", {{"source", options_.name}, {"table", display(name)}});
  return lose(name);
}

TableChanges& Assembler::changes_of(Table& table, StreamBatch& piece) {
  if (table.piece != queue_.generation()) {
    const auto found =
        std::find_if(piece.tables.begin(), piece.tables.end(),
                     [&](const TableChanges& each) { return each.rows.schema == table.schema; });
    table.slot = static_cast<std::size_t>(found - piece.tables.begin());
    if (found == piece.tables.end()) piece.tables.emplace_back(table.schema);
    table.piece = queue_.generation();
  }
  return piece.tables[table.slot];
}

Status Assembler::on_rows(const wire::Event& event) {
  TRY_ASSIGN(const std::uint64_t id, wire::peek_table_id(event.body, format_));
  const auto found = tables_.find(id);
  if (found == tables_.end() || !(found->second.captured || found->second.parent)) {
    queue_.open().bytes += event.header.size;
    return {};
  }
  const TableName& name = found->second.name;
  if (xa_) {
    if (found->second.captured) touched_.insert(name);
    for (const auto& [child, why] : cascades_.any(name)) touched_.insert(child);
    return {};
  }
  TRY_ASSIGN(const wire::RowsEvent rows, wire::parse_rows(event, format_, storage_));
  if (!found->second.captured || !rows.full_image) TRY(on_rows_of_others(found->second, rows));
  if (!found->second.captured) {
    queue_.open().bytes += event.header.size;
    return {};
  }
  if (!rows.full_image) {
    TRY(check_settings_());
    // One session's setting: its rows cannot be applied, so the table is read anew.
    log::warn("source_partial_rows",
              {{"source", options_.name}, {"table", display(found->second.schema->name)}});
    return lose(TableName(found->second.schema->name));
  }
  StreamBatch& piece = queue_.open();
  if (piece.rows == 0) held_ = 0;  // the consumer took the one before
  TableChanges& into = changes_of(found->second, piece);
  const std::size_t first = into.ops.size();
  TRY_ASSIGN(const std::uint64_t changes, found->second.decoder->decode(rows, into, counts_));
  touched_.insert(name);
  if (found->second.parent) TRY(on_parent_rows(found->second, rows, &into, first));
  piece.rows += changes;
  piece.bytes += event.header.size;
  held_ += rows.rows.size();
  if (piece.rows < options_.batch_rows_max && held_ < options_.batch_bytes_max) return {};
  piece.end = position_.position();
  return push(false);
}

/// One session's binlog_row_value_options: the new JSON values are not there in whole.
Status Assembler::on_partial_rows(const wire::Event& event) {
  TRY_ASSIGN(const std::uint64_t id, wire::peek_table_id(event.body, format_));
  const auto found = tables_.find(id);
  if (found == tables_.end()) return {};
  if (found->second.parent) TRY(lose(cascades_.any(found->second.name)));
  if (!found->second.captured) return {};
  TRY(check_settings_());
  log::warn("source_partial_rows",
            {{"source", options_.name}, {"table", display(found->second.schema->name)}});
  return lose(TableName(found->second.schema->name));
}

Status Assembler::push(bool at_boundary) {
  queue_.open().at_boundary = at_boundary;
  held_ = 0;
  if (!queue_.push()) return fail(Code::cancelled, "stopped");
  return {};
}

Status Assembler::end_group(const wire::EventHeader& header) {
  TRY(all_came_again());
  if (gtid_) TRY(position_.gtids.add(*gtid_));
  position_.file = file_;
  if (header.next_position != 0) position_.offset = header.next_position;
  in_group_ = false;
  standalone_ = false;
  xa_ = false;
  gtid_.reset();
  steps_ = 0;
  skip_ = 0;
  touched_.clear();
  StreamBatch& piece = queue_.open();
  piece.end = position_.position();
  piece.transactions += 1;
  piece.last_commit = commit_time(header.timestamp);
  if (reach_cut() || !piece.ddl.empty() || piece.rows >= options_.batch_rows_max ||
      held_ >= options_.batch_bytes_max) {
    return push(true);
  }
  queue_.boundary();
  return {};
}

}  // namespace minato::ingest::mysql
