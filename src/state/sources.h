// Sources as people see them: how far each one's stream is in the lake, and how it fares.
// Written by capture (capture.h); the position is true whenever it can be read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/change.h"
#include "runtime/pg.h"

namespace minato::state {

enum class SourceState { starting, snapshotting, streaming, waiting, error, removed };
std::string_view name_of(SourceState state);

struct Source {
  std::string name;
  std::string kind;  // "mysql"
  Position position;
  std::optional<SystemTime> source_time;  // commit time, by the source's clock, of the last applied
                                          // transaction
  SourceState state = SourceState::starting;
  std::string settings;  // with which it streams, see source_streams(); empty: it never did
  std::string error;
  std::int64_t lag_ms = 0;
  std::optional<std::int64_t> lag_bytes;  // nothing: not known now
  std::int64_t transactions = 0;
  std::int64_t changes = 0;
  SystemTime updated_at{};
};

/// Makes a source known; one that had been removed starts again where it was.
Status register_source(pg::Connection& connection, const std::string& name,
                       const std::string& kind);
Result<std::optional<Source>> source(pg::Connection& connection, const std::string& name);
Result<std::vector<Source>> sources(pg::Connection& connection);
/// Forgets position and shapes: the next start reads everything anew.
Status reset_source(pg::Connection& connection, const std::string& name);

/// `error` is one sentence for people, empty when all is well.
Status set_source_state(pg::Connection& connection, const std::string& name, SourceState state,
                        const std::string& error);

}  // namespace minato::state
