// `minato wait`: asks each source where it stands, then waits until the lake holds everything up to
// there. The position is stored in the lake's own commits, and the gate begins each statement on
// the newest snapshot: what the stored position covers can be read.
#include <fmt/format.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/catalogue.h"
#include "app/cli.h"
#include "app/commands/commands.h"
#include "app/roles/sources.h"
#include "state/sources.h"
#include "state/tables.h"

namespace minato::app {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPeriod = std::chrono::milliseconds(10);

// One source: first where it stands, then whether the lake has reached that.
struct Goal {
  std::string name;
  std::string settings;  // as minato.toml has them
  std::unique_ptr<ingest::Source> source;
  std::optional<Position> wanted;
  std::string missing;  // why it is not reached yet; empty: reached
};

Result<std::vector<Goal>> goals(const Platform& platform, const Config& config,
                                const std::string& only) {
  std::vector<Goal> out;
  std::string names;
  for (const SourceConfig& source : config.sources) {
    names += (names.empty() ? "" : ", ") + source.name;
    if (!only.empty() && source.name != only) continue;
    TRY_ASSIGN(auto options, source_options(platform, source));
    std::string settings = describe(options);
    out.push_back(
        {source.name, std::move(settings), ingest::make_mysql_source(std::move(options)), {}, ""});
  }
  if (out.empty() && !only.empty()) {
    return fail(Code::not_found,
                "There is no source " + only + " in minato.toml. " +
                    (names.empty() ? "There is none." : "There are: " + names + "."));
  }
  return out;
}

std::string unreadable_table(const std::vector<state::LakeTable>& tables,
                             const std::string& source) {
  for (const state::LakeTable& table : tables) {
    if (table.source != source) continue;
    const bool reading = table.state == state::TableState::snapshotting;
    if (!reading && table.state != state::TableState::repairing) continue;
    const std::string so_far =
        table.rows_read ? fmt::format(" ({} rows so far)", *table.rows_read) : "";
    return fmt::format("table {} is being read{}{}.", display(table.name),
                       reading ? " for the first time" : " again", so_far);
  }
  return {};
}

// What is missing, "" when nothing is.
Result<std::string> look(Goal& goal, pg::Connection& connection) {
  if (!goal.wanted) {
    auto position = goal.source->current_position();
    if (!position) {
      return fmt::format("it cannot be asked where it stands: {} {}", position.error().message,
                         position.error().detail);
    }
    goal.wanted = std::move(*position);
  }
  TRY_ASSIGN(const auto stored, state::source(connection, goal.name));
  if (!stored) return std::string("minato serve has not taken it over yet.");
  const std::string error = stored->error.empty() ? "" : " " + stored->error;
  if (stored->position.text.empty()) {
    return fmt::format("nothing was captured yet (state {}).{}", name_of(stored->state), error);
  }
  if (stored->settings != goal.settings) {
    return fmt::format("minato serve has not taken over its settings yet (state {}).{}",
                       name_of(stored->state), error);
  }
  if (!goal.source->covers(stored->position, *goal.wanted)) {
    return fmt::format("the lake has it up to {}, the source stands at {} (state {}).{}",
                       stored->position.text, goal.wanted->text, name_of(stored->state), error);
  }
  TRY_ASSIGN(const auto tables, state::lake_tables(connection));
  return unreadable_table(tables, goal.name);
}

// True when all are reached. A lost connection is made again at the next look.
bool look_at_all(std::vector<Goal>& all, const std::string& conninfo,
                 std::optional<pg::Connection>& connection) {
  if (!connection || !connection->alive()) {
    auto opened = pg::Connection::open(conninfo);
    if (!opened) {
      for (Goal& goal : all) goal.missing = "PostgreSQL does not answer: " + opened.error().detail;
      return all.empty();
    }
    connection.emplace(std::move(*opened));
  }
  bool reached = true;
  for (Goal& goal : all) {
    auto missing = look(goal, *connection);
    goal.missing = missing ? *missing : describe(missing.error());
    reached = reached && goal.missing.empty();
  }
  return reached;
}

}  // namespace

Result<int> wait(const Platform& platform, const WaitOptions& options) {
  TRY_ASSIGN(const Config config, load_config(platform.dir));
  if (Status running = require_serve(platform); !running) {
    std::cerr << "minato: " << running.error().message << "\n";
    return kExitNotRunning;
  }
  TRY_ASSIGN(std::vector<Goal> all, goals(platform, config, options.source));
  TRY_ASSIGN(const Access access, catalogue_access(platform, config));
  const auto began = Clock::now();
  const auto deadline = began + std::chrono::duration_cast<Clock::duration>(
                                    std::chrono::duration<double>(options.timeout_s));
  std::optional<pg::Connection> connection;
  bool reached = look_at_all(all, access.owner, connection);
  while (!reached && Clock::now() < deadline) {
    std::this_thread::sleep_for(kPeriod);
    reached = look_at_all(all, access.owner, connection);
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
  if (options.json) {
    nlohmann::json out = {
        {"reached", reached}, {"took_ms", took.count()}, {"sources", nlohmann::json::array()}};
    for (const Goal& goal : all) {
      out["sources"].push_back(
          {{"name", goal.name}, {"reached", goal.missing.empty()}, {"missing", goal.missing}});
    }
    std::cout << out.dump(2) << "\n";
  }
  if (reached) return kExitGood;
  for (const Goal& goal : all) {
    if (goal.missing.empty()) continue;
    std::cerr << fmt::format("minato: source {} is not there after {} s: {}\n", goal.name,
                             options.timeout_s, goal.missing);
  }
  return kExitDeadline;
}

}  // namespace minato::app
