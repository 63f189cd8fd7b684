#include "oncall/service.h"

#include <sys/stat.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "oncall/api.h"
#include "oncall/carriers/drill.h"
#include "oncall/carriers/options.h"
#include "oncall/carriers/sip.h"
#include "oncall/chores.h"
#include "oncall/log_drop.h"

namespace minato::oncall {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kFilesPeriod{500};
constexpr milliseconds kDropsPeriod{1000};
constexpr milliseconds kBucketsPeriod{10'000};  // each list of a bucket is paid for
constexpr milliseconds kNotesPeriod{500};
constexpr milliseconds kRolesPeriod{2000};
constexpr const char* kFilesKey = "minato/oncall.files";
constexpr const char* kSettingsKey = "minato/oncall.settings";
constexpr std::uint64_t kBodyMax = 4 * 1024 * 1024;

std::string stamp(const fs::path& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return "-";
  return std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + "/" +
         std::to_string(info.st_size) + "/" + std::to_string(info.st_ino);
}

/// A thread that does something again and again until it is destroyed; a complaint is logged when
/// it changes.
std::jthread every(milliseconds period, std::string what, std::function<Status()> chore) {
  return std::jthread(
      [period, what = std::move(what), chore = std::move(chore)](std::stop_token stop) {
        std::mutex mutex;
        std::condition_variable_any never;
        std::string told;
        while (!stop.stop_requested()) {
          const Status done = chore();
          std::string complaint = done ? "" : describe(done.error());
          if (complaint != told && !complaint.empty()) {
            log::warn("oncall.chore", {{"what", what}, {"error", complaint}});
          }
          told = std::move(complaint);
          std::unique_lock lock(mutex);
          never.wait_for(lock, stop, period, [] { return false; });
        }
      });
}

/// Everything that can change while on-call runs.
struct Files {
  std::shared_ptr<const TeamsFile> teams;
  Speech speech;
  std::vector<std::string> tokens;
  std::map<std::string, std::string> routing_keys;
  std::string key_stamps;  // of the files of routing keys
  std::string default_team;
};

struct Door {
  std::string listen;
  int port = 0;
  runtime::HttpListener listener;
};

class Service {
 public:
  /// `door` stays open from one service to the next, so that no alarm is refused between them.
  Service(const ServiceOptions& options, Settings settings, std::optional<Door>& door)
      : options_(options), settings_(std::move(settings)), door_(door) {}

  /// True: the settings changed, start again; false: asked to stop.
  Result<bool> run(std::stop_token stop);

 private:
  Result<Files> read_files() const;
  std::string stamps() const;
  std::string key_stamps(const Teams& teams) const;
  std::string secret_stamps() const;
  Status complain(const char* key, const std::string& title, const Error& error);
  Status settle(const char* key);
  Status follow_settings();
  Status follow_files();
  ApiFacts facts_of(const Files& files) const;
  std::vector<std::jthread> chores();
  Switchboard::Options board_options() const;

  const ServiceOptions& options_;
  Settings settings_;
  std::optional<Door>& door_;
  std::map<std::string, std::shared_ptr<Carrier>> carriers_;
  std::optional<Switchboard> board_;
  std::optional<Api> api_;
  std::mutex mutex_;
  Files files_;
  std::string stamps_;
  std::string secret_stamps_;
  // Not empty at first: an incident may be left of our predecessor.
  std::string refused_ = "unknown";
  std::stop_source restart_;
};

Result<Files> Service::read_files() const {
  Files out;
  TRY_ASSIGN(TeamsFile teams, load_teams(options_.directory));
  for (const Problem& warning : teams.warnings)
    log::warn("oncall.rota", {{"text", to_string(warning)}});
  out.key_stamps = key_stamps(teams.teams);
  for (const auto& [name, team] : teams.teams.teams) {
    for (const std::string& carrier : team.carriers) {
      if (settings_.carrier.contains(carrier)) continue;
      return fail(Code::invalid, "Team " + name + " has carriers = [\"" + carrier +
                                     "\"], but minato.toml has no [oncall.carrier." + carrier +
                                     "].");
    }
    if (team.routing_key_file.empty()) continue;
    TRY_ASSIGN(const std::string key, read_secret({team.routing_key_file, ""}, options_.directory,
                                                  "[team." + name + "] routing_key"));
    out.routing_keys[key] = name;
  }
  out.default_team = settings_.default_team;
  if (out.default_team.empty()) out.default_team = teams.teams.teams.begin()->first;
  if (!teams.teams.find(out.default_team)) {
    return fail(Code::invalid, "[oncall] default_team = \"" + out.default_team +
                                   "\" is not a team of oncall/teams.toml.");
  }
  out.teams = std::make_shared<const TeamsFile>(std::move(teams));
  TRY_ASSIGN(out.speech, load_speech(options_.directory / "oncall"));
  TRY_ASSIGN(out.tokens, read_tokens(options_.directory / settings_.tokens_file));
  return out;
}

std::string Service::stamps() const {
  const fs::path dir = options_.directory;
  return stamp(dir / "oncall" / "teams.toml") + stamp(dir / "oncall" / "speech.toml") +
         stamp(dir / "oncall" / "readings.toml") + stamp(dir / settings_.tokens_file);
}

std::string Service::key_stamps(const Teams& teams) const {
  std::string out;
  for (const auto& [name, team] : teams.teams) {
    if (!team.routing_key_file.empty()) out += stamp(options_.directory / team.routing_key_file);
  }
  return out;
}

/// Of the files with keys and passwords of carriers and buckets, which people and programs renew.
std::string Service::secret_stamps() const {
  std::string out;
  const auto add = [&](const SecretRef& secret) {
    if (!secret.file.empty()) out += stamp(options_.directory / secret.file) + " ";
  };
  for (const auto& [name, carrier] : settings_.carrier) {
    for (const SecretRef& secret : carrier.secrets()) add(secret);
  }
  for (const LogDrop& drop : settings_.log_drops) {
    add(drop.access_key);
    add(drop.secret_key);
  }
  return out;
}

ApiFacts Service::facts_of(const Files& files) const {
  ApiFacts out;
  out.teams = files.teams;
  out.default_team = files.default_team;
  out.tokens = files.tokens;
  out.routing_keys = files.routing_keys;
  out.prices = prices_of(settings_);
  return out;
}

/// A mistake changes nothing; the log and an incident that rings nobody say so.
Status Service::complain(const char* key, const std::string& title, const Error& error) {
  log::error("oncall.files: not taken over; the former ones stay", {{"error", error}});
  return board_->run([&](Desk& desk) -> Status {
    Alarm alarm;
    alarm.key = key;
    alarm.source = "files";
    alarm.severity = Severity::warning;
    alarm.title = title;
    alarm.text = error.message;
    TRY(desk.raise(std::move(alarm)));
    return {};
  });
}

Status Service::settle(const char* key) {
  return board_->run([key](Desk& desk) -> Status {
    if (desk.keys_of("files").contains(key)) TRY(desk.resolve(key, "files"));
    return {};
  });
}

/// Settings with which on-call could not start again are not taken over.
Status Service::follow_settings() {
  const auto now = options_.settings();
  const bool renewed = secret_stamps() != secret_stamps_;
  if (now && *now == settings_ && !renewed) {
    if (!std::exchange(refused_, "").empty()) TRY(settle(kSettingsKey));
    return {};
  }
  Status good;
  if (!now) {
    good = fail(now.error());
  } else if (const auto made = make_carriers(*now, options_.directory, options_.hidden); !made) {
    good = fail(made.error());
  } else if (const auto tokens = read_tokens(options_.directory / now->tokens_file); !tokens) {
    good = fail(tokens.error());
  }
  if (good) {
    log::info("oncall.settings: changed; on-call starts again, calls go on",
              {{"what", renewed ? "secrets" : "[oncall]"}});
    restart_.request_stop();
    return {};
  }
  std::string why = describe(good.error());
  if (why == refused_) return {};
  refused_ = std::move(why);
  return complain(kSettingsKey, "The settings of on-call are not taken over; the former ones stay",
                  good.error());
}

Status Service::follow_files() {
  TRY(follow_settings());
  const std::string plain = stamps();
  std::string now = plain + key_stamps(files_.teams->teams);
  if (now == stamps_) return {};
  stamps_ = std::move(now);
  const auto files = read_files();
  if (!files) {
    return complain(kFilesKey,
                    "The files of on-call are not taken over; the former ones stay in force",
                    files.error());
  }
  stamps_ = plain + files->key_stamps;
  api_->set(facts_of(*files));
  {
    const std::lock_guard lock(mutex_);
    files_ = *files;
  }
  log::info("oncall.files: taken over", {{"teams", files->teams->teams.teams.size()}});
  TRY(board_->run([&](Desk& desk) {
    return desk.configure(files->teams->teams, files->default_team, files->speech);
  }));
  return settle(kFilesKey);
}

std::vector<std::jthread> Service::chores() {
  std::vector<std::jthread> out;
  out.push_back(every(kFilesPeriod, "files", [this] { return follow_files(); }));
  out.push_back(every(kNotesPeriod, "notes", [this] {
    std::shared_ptr<const TeamsFile> teams;
    {
      const std::lock_guard lock(mutex_);
      teams = files_.teams;
    }
    return tell_notes(*board_, teams->teams, settings_, options_.directory);
  }));
  for (const LogDrop& drop : settings_.log_drops) {
    const bool bucket = drop.place.starts_with("s3://");
    auto watch = bucket ? watch_bucket(drop, options_.directory)
                        : watch_directory(drop, options_.directory / drop.place);
    out.push_back(every(bucket ? kBucketsPeriod : kDropsPeriod, "log drop " + drop.name,
                        [this, watch] { return watch->look(*board_); }));
  }
  if (settings_.silence_seconds > 0) {
    auto watch = std::make_shared<RolesWatch>(options_.roles, options_.web_url,
                                              settings_.silence_seconds, settings_.platform_team);
    out.push_back(
        every(kRolesPeriod, "Minato's roles", [this, watch] { return watch->look(*board_); }));
  }
  return out;
}

Result<bool> Service::run(std::stop_token stop) {
  stamps_ = stamps();
  secret_stamps_ = secret_stamps();
  TRY_ASSIGN(files_, read_files());
  stamps_ += files_.key_stamps;
  TRY_ASSIGN(carriers_, make_carriers(settings_, options_.directory, options_.hidden));
  const fs::path journal = options_.hidden / "journal.db";
  board_.emplace(Switchboard::Options{journal, carriers_, settings_.carriers});
  TRY(board_->start(files_.teams->teams, files_.default_team, files_.speech));
  api_.emplace(*board_, options_.directory, journal);
  api_->set(facts_of(files_));
  std::vector<TwilioDoor> doors;
  for (const auto& [name, settings] : settings_.carrier) {
    const auto twilio = std::dynamic_pointer_cast<TwilioCarrier>(carriers_[name]);
    if (!twilio) continue;
    TRY_ASSIGN(TwilioDoor door, twilio_door(settings, options_.directory, twilio));
    doors.push_back(std::move(door));
  }
  if (!doors.empty()) {
    api_->set_webhook([this, doors](const runtime::HttpCall& call) {
      return answer_twilio(doors, *board_, call);
    });
  }
  const std::stop_callback ends(stop, [this] { restart_.request_stop(); });
  runtime::HttpServerOptions server;
  server.listen = settings_.listen;
  server.port = static_cast<std::uint16_t>(settings_.port);
  server.setting = "[oncall] listen = \"127.0.0.1:8751\"";
  server.threads = 8;
  server.urgent = "/twilio/";  // alarms that wait for the journal hold up no telephone
  server.connections_max = 1000;
  server.body_max = kBodyMax;
  if (!door_ || door_->listen != settings_.listen || door_->port != settings_.port) {
    door_.reset();
    TRY_ASSIGN(auto listener, runtime::HttpListener::open(server));
    door_.emplace(Door{settings_.listen, settings_.port, std::move(listener)});
  }
  {
    const auto working = chores();
    log::info("oncall works", {{"listen", settings_.listen}, {"port", settings_.port}});
    runtime::serve_http(
        door_->listener, server,
        [this](const runtime::HttpCall& call) { return api_->answer(call); }, restart_.get_token());
  }
  board_->stop();
  return !stop.stop_requested();
}

Result<std::shared_ptr<Carrier>> make_carrier(const CarrierSettings& settings,
                                              const fs::path& directory, const fs::path& hidden) {
  if (settings.kind == "amazon-connect") {
    TRY_ASSIGN(const ConnectOptions options, connect_options(settings, directory));
    if (options.contact_flow_id.empty()) {
      return fail(Code::invalid,
                  "`contact_flow_id` is missing: `minato oncall install-flow` makes "
                  "the flow and prints its id.");
    }
    return connect_carrier(options);
  }
  if (settings.kind == "twilio") {
    TRY_ASSIGN(const TwilioOptions options, twilio_options(settings, directory));
    return twilio_carrier(options);
  }
  if (settings.kind == "sip") {
    SipOptions options;
    options.directory = hidden / "sip";
    options.account = settings.sip_account;
    options.target = settings.sip_target;
    options.listen = settings.sip_listen;
    TRY_ASSIGN(options.password, read_secret(settings.sip_password, directory, "password"));
    return sip_carrier(std::move(options));
  }
  return make_drill({hidden / (settings.name + ".log"), settings.press});
}

}  // namespace

Status serve(const ServiceOptions& options, std::stop_token stop) {
  std::error_code error;
  fs::create_directories(options.hidden, error);
  fs::permissions(options.hidden, fs::perms::owner_all, error);
  std::optional<Door> door;
  while (true) {
    TRY_ASSIGN(Settings settings, options.settings());
    Service service(options, std::move(settings), door);
    TRY_ASSIGN(const bool again, service.run(stop));
    if (!again) return {};
  }
}

Result<std::map<std::string, std::shared_ptr<Carrier>>> make_carriers(const Settings& settings,
                                                                      const fs::path& directory,
                                                                      const fs::path& hidden) {
  std::map<std::string, std::shared_ptr<Carrier>> out;
  for (const auto& [name, carrier] : settings.carrier) {
    auto made = make_carrier(carrier, directory, hidden);
    if (!made) {
      Error error = made.error();
      error.message = "[oncall.carrier." + name + "]: " + error.message;
      return fail(std::move(error));
    }
    out[name] = std::move(*made);
  }
  return out;
}

Complaints check(const Settings& settings, const fs::path& directory) {
  Complaints out;
  const auto add = [&](const std::string& file, const Error& error) {
    out.problems.push_back({file, 0, error.message, ""});
  };
  if (auto teams = read_teams(directory)) {
    out.problems = std::move(teams->problems);
    out.warnings = std::move(teams->warnings);
  } else {
    add("oncall/teams.toml", teams.error());
  }
  if (const auto speech = load_speech(directory / "oncall"); !speech) {
    add("oncall", speech.error());
  }
  if (const auto tokens = read_tokens(directory / settings.tokens_file); !tokens) {
    add("minato.toml", tokens.error());
  }
  // Secrets from the environment are those of `serve`, which may have others than we.
  for (const auto& [name, carrier] : settings.carrier) {
    for (const SecretRef& secret : carrier.secrets()) {
      if (secret.file.empty()) continue;
      if (const auto read = read_secret(secret, directory, "carrier " + name); !read) {
        add("minato.toml", read.error());
      }
    }
  }
  return out;
}

Result<std::vector<std::string>> read_tokens(const fs::path& file) {
  std::ifstream in(file);
  if (!in) {
    return fail(Code::not_found, "[oncall] tokens_file " + file.string() +
                                     " cannot be read. Write a long random token into it: "
                                     "openssl rand -hex 24 > " +
                                     file.string());
  }
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    line.erase(0, line.find(':') == std::string::npos ? 0 : line.find(':') + 1);
    if (line.size() < 16) {
      return fail(Code::invalid, file.string() + ": a token is shorter than 16 characters.");
    }
    out.push_back(line);
  }
  if (out.empty()) return fail(Code::invalid, file.string() + " holds no token.");
  return out;
}

}  // namespace minato::oncall
