// The schema `minato` in PostgreSQL and its versions. Migrations only go forward, each in a
// transaction of its own.
#pragma once

#include "runtime/pg.h"

namespace minato::state {

/// Roles that the processes connect as; on a server of your own they may have other owners, but
/// these names.
inline constexpr const char* owner_role = "minato_owner";  // core, worker, web, command line
inline constexpr const char* gate_role =
    "minato_gate";  // the gate's own connection: accounts, nothing else
inline constexpr const char* reader_role =
    "minato_reader";  // the gate's engine: SELECT on the lake's catalogue

/// The version that this program needs.
int schema_version();

/// Brings schema `minato` to schema_version() and grants to the roles that exist (they are created
/// without the right to log in where they do not and the caller may create roles). Safe to call
/// from several processes at once. Error{unsupported} when the schema is newer than this program;
/// Error{unavailable|forbidden…} from PostgreSQL.
Status migrate(pg::Connection& connection);

/// Grants again, for catalogue tables that were created since (the engine creates them on its first
/// ATTACH).
Status grant(pg::Connection& connection);

}  // namespace minato::state
