// What on-call does beside calling: looks at log drops and at Minato's other roles, tells the
// outside what happened. Each chore is called again and again by a thread of its own.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "oncall/settings.h"
#include "oncall/switchboard.h"

namespace minato::oncall {

/// Minato's other roles: while the supervisor's file is there they must live and answer.
class RolesWatch {
 public:
  RolesWatch(std::filesystem::path roles, std::string web_url, int silence_seconds,
             std::string team)
      : roles_(std::move(roles)),
        web_url_(std::move(web_url)),
        silence_(silence_seconds),
        team_(std::move(team)) {}
  Status look(Switchboard& board);

 private:
  std::string trouble() const;
  Status follow_incidents(Switchboard& board) const;

  std::filesystem::path roles_;
  std::string web_url_;
  std::chrono::seconds silence_;
  std::string team_;
  std::optional<std::chrono::steady_clock::time_point> bad_since_;
};

/// Notes that are due: webhooks and commands of teams, acknowledgements to Zabbix.
Status tell_notes(Switchboard& board, const Teams& teams, const Settings& settings,
                  const std::filesystem::path& directory);

}  // namespace minato::oncall
