// How a column of a row event is read: from its declared type and what the log says about it.
#pragma once

#include <optional>

#include "wire/mysql_rows.h"

namespace minato::wire {

/// Nothing when the log's column is not what the type would give: the shape must be read anew.
/// `charset`: of a text column, else nullptr.
std::optional<RowDecoder::Step> make_step(const MysqlType& type, const TableMapColumn& column,
                                          const Charset* charset);

}  // namespace minato::wire
