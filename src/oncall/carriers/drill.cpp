#include "oncall/carriers/drill.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace minato::oncall {
namespace {

using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAnswers{300};
constexpr std::chrono::milliseconds kPresses{600};

class Drill : public Carrier {
 public:
  explicit Drill(DrillOptions options) : options_(std::move(options)) {}

  Result<std::string> place(const Call& call, bool again) override {
    const std::lock_guard lock(mutex_);
    const std::string id = "drill-" + call.attempt;
    if (!again || !written(call.attempt)) TRY(write(call));
    calls_.try_emplace(id, Known{SteadyClock::now(), call.ring, false});
    return id;
  }

  Result<CallReport> look(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    // After a new start of Minato the "telephone" begins to ring again.
    Known& known =
        calls_.try_emplace(id, Known{SteadyClock::now(), seconds(5), false}).first->second;
    const auto age = SteadyClock::now() - known.since;
    CallReport out;
    if (known.ended) {
      out.state = CallState::ended;
    } else if (options_.press.empty()) {
      if (age >= known.ring) {
        out.state = CallState::ended;
        out.outcome = Outcome::no_answer;
      }
    } else if (age >= kAnswers) {
      out.state = CallState::answered;
      if (age >= kPresses) out.keys = options_.press;
    }
    return out;
  }

  Status end(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    if (const auto known = calls_.find(id); known != calls_.end()) known->second.ended = true;
    return {};
  }

  std::chrono::milliseconds patience() const override { return std::chrono::milliseconds(100); }

 private:
  struct Known {
    SteadyClock::time_point since;
    seconds ring;
    bool ended;
  };

  bool written(const std::string& attempt) const {
    std::ifstream in(options_.log);
    for (std::string line; std::getline(in, line);) {
      if (line.find("\"" + attempt + "\"") != std::string::npos) return true;
    }
    return false;
  }

  Status write(const Call& call) const {
    const auto now =
        std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    const nlohmann::ordered_json line = {
        {"at", rfc3339(now)},          {"attempt", call.attempt},
        {"phone", masked(call.phone)}, {"ring_seconds", call.ring.count()},
        {"about", call.title},         {"speech", call.speech}};
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    const int fd = open(options_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const bool good = fd >= 0 &&
                      ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                      fsync(fd) == 0;
    const std::string why = good ? "" : strerror(errno);
    if (fd >= 0) close(fd);
    if (good) return {};
    return fail(Code::unavailable, "The drill's log cannot be written.", why);
  }

  DrillOptions options_;
  std::mutex mutex_;
  std::map<std::string, Known> calls_;
};

}  // namespace

std::shared_ptr<Carrier> make_drill(DrillOptions options) {
  return std::make_shared<Drill>(std::move(options));
}

}  // namespace minato::oncall
