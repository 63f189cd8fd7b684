#include "lake/rows_function.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <variant>

namespace minato::lake {
namespace {

using Positions = std::span<const std::uint32_t>;
using Lent = std::variant<RowsFeed*, Positions>;

/// What is lent now, by number: SQL text can carry a number, not a pointer.
struct Registry {
  std::mutex mutex;
  std::map<std::uint64_t, Lent> lent;
  std::uint64_t next = 1;

  std::uint64_t add(Lent item) {
    const std::lock_guard lock(mutex);
    lent.emplace(next, item);
    return next++;
  }
  void remove(std::uint64_t id) {
    const std::lock_guard lock(mutex);
    lent.erase(id);
  }
  const Lent* find(std::uint64_t id) {
    const std::lock_guard lock(mutex);
    const auto found = lent.find(id);
    return found == lent.end() ? nullptr : &found->second;  // nodes of a map stay in place
  }
};
Registry& registry() {
  static Registry instance;
  return instance;
}

struct Scan {
  std::vector<std::size_t> columns;  // of the batch, in the order of the output
  RowsPart part;
  std::size_t row = 0;  // of the part's selection, or of its batch; of the positions
};

std::size_t rows_of(const RowsPart& part) {
  if (part.batch == nullptr) return 0;
  return part.selection.empty() ? part.batch->rows() : part.selection.size();
}

duckdb_logical_type logical_type(ColumnType type) {
  switch (type.kind) {
    case TypeKind::boolean: return duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case TypeKind::int8: return duckdb_create_logical_type(DUCKDB_TYPE_TINYINT);
    case TypeKind::int16: return duckdb_create_logical_type(DUCKDB_TYPE_SMALLINT);
    case TypeKind::int32: return duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);
    case TypeKind::int64:
    case TypeKind::interval_us: return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case TypeKind::uint8: return duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT);
    case TypeKind::uint16: return duckdb_create_logical_type(DUCKDB_TYPE_USMALLINT);
    case TypeKind::uint32: return duckdb_create_logical_type(DUCKDB_TYPE_UINTEGER);
    case TypeKind::uint64: return duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    case TypeKind::float32: return duckdb_create_logical_type(DUCKDB_TYPE_FLOAT);
    case TypeKind::float64: return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    case TypeKind::decimal: return duckdb_create_decimal_type(type.precision, type.scale);
    case TypeKind::varchar:
    case TypeKind::json: return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    case TypeKind::blob: return duckdb_create_logical_type(DUCKDB_TYPE_BLOB);
    case TypeKind::date: return duckdb_create_logical_type(DUCKDB_TYPE_DATE);
    case TypeKind::time: return duckdb_create_logical_type(DUCKDB_TYPE_TIME);
    case TypeKind::timestamp: return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
    case TypeKind::timestamptz: return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP_TZ);
  }
  CHECK(false);
}

template <class T>
const T* lent_to(duckdb_bind_info info) {
  duckdb_value value = duckdb_bind_get_parameter(info, 0);
  const auto id = static_cast<std::uint64_t>(duckdb_get_int64(value));
  duckdb_destroy_value(&value);
  const Lent* lent = registry().find(id);
  const T* item = lent == nullptr ? nullptr : std::get_if<T>(lent);
  if (item == nullptr) duckdb_bind_set_error(info, "nothing is lent under this number");
  return item;
}

void bind_rows(duckdb_bind_info info) {
  RowsFeed* const* feed = lent_to<RowsFeed*>(info);
  if (feed == nullptr) return;
  for (const Column& column : (*feed)->schema->columns) {
    const LogicalType type(logical_type(column.type));
    duckdb_bind_add_result_column(info, column.name.c_str(), type.handle);
  }
  duckdb_bind_set_bind_data(info, *feed, nullptr);
}

void init_scan(duckdb_init_info info) {
  auto scan = std::make_unique<Scan>();
  const idx_t count = duckdb_init_get_column_count(info);
  for (idx_t n = 0; n < count; ++n) {
    scan->columns.push_back(duckdb_init_get_column_index(info, n));
  }
  duckdb_init_set_max_threads(info, 1);  // the order of the rows is promised
  duckdb_init_set_init_data(info, scan.release(),
                            [](void* data) { delete static_cast<Scan*>(data); });
}

template <class T>
void gather(const std::byte* from, std::span<const std::uint32_t> selection, void* to) {
  T* out = static_cast<T*>(to);
  for (std::size_t n = 0; n < selection.size(); ++n) {
    std::memcpy(static_cast<void*>(out + n), from + std::size_t{selection[n]} * sizeof(T),
                sizeof(T));
  }
}

struct Wide {
  std::uint64_t halves[2];
};

void gather_values(const ColumnData& column, std::span<const std::uint32_t> selection, void* to) {
  switch (width(column.type())) {
    case 1: return gather<std::uint8_t>(column.data(), selection, to);
    case 2: return gather<std::uint16_t>(column.data(), selection, to);
    case 4: return gather<std::uint32_t>(column.data(), selection, to);
    case 8: return gather<std::uint64_t>(column.data(), selection, to);
    default: return gather<Wide>(column.data(), selection, to);
  }
}

/// Rows [row, row + count) of the part into `vector`.
void fill(duckdb_vector vector, const ColumnData& column, const RowsPart& part, std::size_t row,
          std::size_t count) {
  void* to = duckdb_vector_get_data(vector);
  const auto selection =
      part.selection.empty() ? part.selection : part.selection.subspan(row, count);
  if (selection.empty()) {
    const std::size_t size = width(column.type());
    std::memcpy(to, column.data() + row * size, count * size);
  } else {
    gather_values(column, selection, to);
  }
  if (!column.has_nulls()) return;
  duckdb_vector_ensure_validity_writable(vector);
  std::uint64_t* validity = duckdb_vector_get_validity(vector);
  for (std::size_t n = 0; n < count; ++n) {
    if (column.is_null(selection.empty() ? row + n : selection[n])) {
      validity[n >> 6] &= ~(std::uint64_t{1} << (n & 63));
    }
  }
}

void scan_rows(duckdb_function_info info, duckdb_data_chunk output) {
  auto& feed = *static_cast<RowsFeed*>(duckdb_function_get_bind_data(info));
  auto& scan = *static_cast<Scan*>(duckdb_function_get_init_data(info));
  while (scan.row == rows_of(scan.part)) {
    feed.status = feed.next(scan.part);
    scan.row = 0;
    if (!feed.status) duckdb_function_set_error(info, "the rows' source failed");
    if (!feed.status || scan.part.batch == nullptr) {
      duckdb_data_chunk_set_size(output, 0);
      return;
    }
  }
  const RowsPart& part = scan.part;
  const std::size_t count = std::min<std::size_t>(duckdb_vector_size(), rows_of(part) - scan.row);
  for (std::size_t n = 0; n < scan.columns.size(); ++n) {
    // A query that needs no column asks for one beyond the last.
    if (scan.columns[n] >= part.batch->columns.size()) continue;
    fill(duckdb_data_chunk_get_vector(output, n), part.batch->columns[scan.columns[n]], part,
         scan.row, count);
  }
  scan.row += count;
  feed.rows += count;
  duckdb_data_chunk_set_size(output, count);
}

void bind_positions(duckdb_bind_info info) {
  const Positions* positions = lent_to<Positions>(info);
  if (positions == nullptr) return;
  const LogicalType type(duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
  duckdb_bind_add_result_column(info, "pos", type.handle);
  duckdb_bind_set_cardinality(info, positions->size(), true);
  duckdb_bind_set_bind_data(info, const_cast<Positions*>(positions), nullptr);
}

void scan_positions(duckdb_function_info info, duckdb_data_chunk output) {
  const auto& positions = *static_cast<const Positions*>(duckdb_function_get_bind_data(info));
  auto& scan = *static_cast<Scan*>(duckdb_function_get_init_data(info));
  const std::size_t count =
      std::min<std::size_t>(duckdb_vector_size(), positions.size() - scan.row);
  for (std::size_t n = 0; n < scan.columns.size(); ++n) {
    if (scan.columns[n] != 0) continue;
    auto* to =
        static_cast<std::int64_t*>(duckdb_vector_get_data(duckdb_data_chunk_get_vector(output, n)));
    for (std::size_t row = 0; row < count; ++row) to[row] = positions[scan.row + row];
  }
  scan.row += count;
  duckdb_data_chunk_set_size(output, count);
}

Status register_function(Session& session, const char* name, duckdb_table_function_bind_t bind,
                         duckdb_table_function_t scan) {
  duckdb_table_function function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, name);
  const LogicalType number(duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
  duckdb_table_function_add_parameter(function, number.handle);
  duckdb_table_function_set_bind(function, bind);
  duckdb_table_function_set_init(function, init_scan);
  duckdb_table_function_set_function(function, scan);
  duckdb_table_function_supports_projection_pushdown(function, true);
  const duckdb_state state =
      duckdb_register_table_function(session.impl().link->connection, function);
  duckdb_destroy_table_function(&function);
  if (state == DuckDBSuccess) return {};
  return fail(Code::internal, std::string("The engine refuses the function ") + name + ".");
}

}  // namespace

Status register_row_functions(Session& session) {
  TRY_ASSIGN(const Rows known, session.query("SELECT count(*) FROM duckdb_functions() "
                                             "WHERE function_name = 'minato_rows'"));
  if (known.integer(0, 0) > 0) return {};
  TRY(register_function(session, "minato_rows", bind_rows, scan_rows));
  return register_function(session, "minato_positions", bind_positions, scan_positions);
}

LentRows::LentRows(RowsFeed& feed) : id_(registry().add(&feed)) {}
LentRows::~LentRows() { registry().remove(id_); }

LentPositions::LentPositions(std::span<const std::uint32_t> positions)
    : id_(registry().add(positions)) {}
LentPositions::~LentPositions() { registry().remove(id_); }

}  // namespace minato::lake
