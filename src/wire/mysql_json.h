// MySQL's binary form of JSON values (as row events carry them) to the text that the server itself
// prints for them, character by character: a value is the same whether a snapshot or the log
// brought it. Pure; malformed bytes give false and nothing outside them is read.
#pragma once

#include <string>

#include "wire/mysql_bytes.h"

namespace minato::wire {

/// Appends the text of `value` to `out`; no bytes at all are what the server shows as null.
bool append_mysql_json(Bytes value, std::string& out);

}  // namespace minato::wire
