// Which PostgreSQL type a client is told for a column of the engine, and which type of the engine a
// client's parameter type means.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lake/engine.h"

namespace minato::gate {

/// Object ids of PostgreSQL's pg_type, fixed for ever.
namespace oid {
inline constexpr std::uint32_t boolean = 16, bytea = 17, name = 19, int8 = 20, int2 = 21, int4 = 23,
                               text = 25, oid = 26, json = 114, float4 = 700, float8 = 701,
                               unknown = 705, bpchar = 1042, varchar = 1043, date = 1082,
                               time = 1083, timestamp = 1114, timestamptz = 1184, interval = 1186,
                               timetz = 1266, numeric = 1700, uuid = 2950, jsonb = 3802;
}  // namespace oid

struct PgType {
  std::uint32_t oid = oid::text;
  std::int16_t size = -1;      // bytes in binary; -1: variable
  std::int32_t modifier = -1;  // numeric: precision and scale
  bool operator==(const PgType&) const = default;
};

/// What values of this type are sent as. Types without a counterpart (structures, maps, nested
/// lists …) are text as the engine prints them.
PgType pg_type(const lake::Type& type);

/// The array type over an element type and back; 0 when there is none.
std::uint32_t array_of(std::uint32_t element);
std::uint32_t element_of(std::uint32_t array);

/// The engine's type for a parameter that the client declared ("BIGINT", "DECIMAL(38,10)",
/// "INTEGER[]"); empty when the client leaves it open (0, unknown) or the type is not known here.
std::string engine_type(std::uint32_t type);

/// "integer", "timestamp with time zone" …, for messages.
std::string_view type_name(std::uint32_t type);

}  // namespace minato::gate
