// The desk: decides who is rung when. A state machine over the journal: commands in, then
// advance(); what it wants from carriers comes out as asks, after the journal has it. No threads,
// no sockets. Promises: an attempt is in the journal before a carrier hears of it; A, B, C, A, B, C
// …; only key 1 or somebody's acknowledgement ends a round, or the source's recovery.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "oncall/carrier.h"
#include "oncall/journal.h"
#include "oncall/rota.h"
#include "oncall/settings.h"
#include "oncall/speech/speech.h"

namespace minato::oncall {

/// Something that happened, as a source tells it.
struct Alarm {
  std::string key;
  std::string team;  // empty or unknown: the default team
  std::string source = "api";
  Severity severity = Severity::critical;
  std::string title;
  std::string text;
  std::map<std::string, std::string> labels;
};

/// What a carrier is asked to do.
struct Ask {
  enum class Kind : std::uint8_t { place, resume, end };
  Kind kind = Kind::place;
  std::string carrier;
  Call call;
  bool again = false;                  // place: it may have been placed before
  std::string call_id;                 // resume, end: the carrier's id, where known
  std::chrono::milliseconds grace{0};  // end: the call may end by itself until then
};

struct DeskClock {
  std::function<SystemTime()> now;
  std::function<std::chrono::steady_clock::time_point()> steady;
};

class Desk {
 public:
  using Steady = std::chrono::steady_clock::time_point;

  /// `carriers`: names in order of preference.
  Desk(Journal& journal, std::vector<std::string> carriers, DeskClock clock);

  /// Reads the journal, after configure(): at the start, and after a failed commit. What was on its
  /// way is asked again.
  Status load();
  /// New teams and speech; incidents of teams that are gone go to the default team.
  Status configure(Teams teams, std::string default_team, Speech speech);

  /// Joins the unresolved incident of the key, or opens one. Error{invalid}: no key or no title.
  Result<Incident> raise(Alarm alarm);
  /// By key or id. Error{not_found} when no such incident is unresolved.
  Result<Incident> acknowledge(const std::string& key, const std::string& who);
  Result<Incident> resolve(const std::string& key, const std::string& who);
  /// Error{not_found} for a heartbeat that teams.toml does not know.
  Status beat(const std::string& name);
  Status add(Change& change);
  Status remove_change(std::int64_t id);
  /// False when it was seen before.
  Result<bool> see_object(const LogDrop& drop, const std::string& name, const std::string& stamp);
  Result<std::vector<Note>> notes_due() { return journal_.notes_due(now()); }
  Status told(const Note& note, const Status& how);
  /// What is said in a call that has not ended; empty for others.
  std::string speech_of(const std::string& attempt) const;

  // What carriers tell; unknown or ended attempts are ignored.
  Status placed(const std::string& attempt, const std::string& call);
  Status not_placed(const std::string& attempt, const Error& error);
  Status reported(const std::string& attempt, const CallReport& report);

  /// Does what is due now. Within the same transaction as the commands before it.
  Status advance();
  /// To be handed to the carriers after the commit.
  std::vector<Ask> take_asks() { return std::exchange(asks_, {}); }
  /// When advance() has something to do next, at the latest.
  Steady next_due() const;

  /// Keys of the unresolved incidents from this source.
  std::set<std::string> keys_of(const std::string& source) const;
  const Teams& teams() const { return teams_; }
  std::size_t unresolved() const { return incidents_.size(); }
  std::size_t ringing() const { return live_.size(); }

 private:
  struct Live {
    Attempt attempt;
    Steady deadline;
  };
  struct TeamState {
    std::optional<Round> round;
    Steady due{};                                // of the round's next attempt
    Steady quiet_until{};                        // no new round before
    std::int64_t given_up = 0;                   // arrivals up to this one rang max_rounds times
    std::int64_t newest = 0;                     // arrival
    std::array<std::set<std::int64_t>, 4> open;  // seq by severity
  };
  struct Beat {
    Steady last;
    bool silent = false;
  };

  SystemTime now() const { return clock_.now(); }
  Steady steady() const { return clock_.steady(); }
  const std::string& home_of(const std::string& team) const;
  Status rehome();
  /// Opens it, again: it counts as newly arrived.
  Status arrive(Incident& incident, const Happening& happening);
  void index(const Incident& incident);
  void unindex(const Incident& incident);
  Result<Incident*> find(const std::string& key);
  Status acknowledge(Incident& incident, const std::string& who);
  std::optional<Severity> gravest_to_ring(const Team& team, const TeamState& state) const;
  std::vector<std::int64_t> to_ring(const Team& team, const TeamState& state) const;
  Status advance_team(const Team& team, TeamState& state);
  Status begin_round(const Team& team, TeamState& state, Severity severity);
  Status begin_lap(const Team& team, TeamState& state, Severity severity);
  Status plan(const Team& team, TeamState& state, Severity severity);
  bool calling(const Round& round) const;
  Status end_round(TeamState& state, const std::string& because);
  Status next_person(const Team& team, TeamState& state);
  Status cancel(TeamState& state);
  Status finish(Live& live, Outcome outcome, const std::string& error);
  Status step(const Attempt& attempt);
  Status acknowledge_by_key(const Attempt& attempt);
  Status overdue();
  Status heartbeats();
  Status drills();
  Status tell(const Team& team, const std::string& what, const std::string& who,
              const std::vector<std::int64_t>& seqs);
  std::vector<Incident> incidents_of(const std::vector<std::int64_t>& seqs) const;
  const std::vector<std::string>& carriers_of(const Team& team) const;
  Ask ask_of(const Attempt& attempt, const Team* team) const;
  void end_call(const Attempt& attempt, std::chrono::milliseconds grace);

  Journal& journal_;
  std::vector<std::string> carriers_;
  DeskClock clock_;
  Teams teams_;
  std::string default_team_;
  Speech speech_;
  std::map<std::int64_t, Incident> incidents_;  // unresolved, by seq
  std::map<std::string, std::int64_t> by_key_;
  std::map<std::string, TeamState> states_;
  std::map<std::string, Live> live_;  // attempts that have not ended, by id
  std::vector<Change> changes_;
  std::map<std::string, Beat> beats_;
  std::map<std::string, std::string> drilled_;  // team → month that was looked at
  std::vector<Ask> asks_;
};

}  // namespace minato::oncall
