#include "oncall/carriers/sip.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "oncall/speech/speech.h"
#include "oncall/speech/wav.h"
#include "runtime/child.h"

namespace minato::oncall {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kSpeech{240};       // of sound: baresip hangs up at the end of the file
constexpr seconds kPause{2};          // between two readings of the message
constexpr milliseconds kDials{3000};  // until baresip's log says that it dials
constexpr milliseconds kObeys{500};   // until it answers a command
constexpr seconds kNoWord{10};  // of the exchange, which has to say at least "100 Trying" at once
constexpr std::chrono::hours kKept{24};

/// Port `wanted` if nobody has it at this moment, else 0; any for 0.
int free_port(int type, const std::string& host, int wanted = 0) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(wanted));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) address.sin_addr.s_addr = 0;
  socklen_t size = sizeof address;
  int port = 0;
  if (fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  if (fd >= 0) close(fd);
  return port;
}

/// For UDP and TCP, and with the one above it for TLS: baresip listens on all three.
int free_sip_port(const std::string& host) {
  for (int tries = 0; tries < 50; ++tries) {
    const int port = free_port(SOCK_DGRAM, host);
    if (port > 0 && port < 65'535 && free_port(SOCK_STREAM, host, port) != 0 &&
        free_port(SOCK_STREAM, host, port + 1) != 0) {
      return port;
    }
  }
  return 0;
}

bool is_baresip(pid_t pid, const fs::path& directory) {
  // In the middle of an exec it has no command line yet.
  for (int tries = 0; tries < 20; ++tries) {
    const auto process = runtime::process_facts(pid);
    if (!process || process->ended()) return false;
    if (!process->command.empty())
      return process->command.find(directory.string()) != std::string::npos;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

pid_t pid_of(const fs::path& directory) {
  const std::string text = read_file(directory / "pid");
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  return pid;
}

bool alive(const fs::path& directory) {
  const pid_t pid = pid_of(directory);
  if (pid > 0) waitpid(pid, nullptr, WNOHANG);  // ours, when it was not left by a predecessor
  return is_baresip(pid, directory);
}

/// The message again and again, as long as a call may last.
Status prepare_sound(const Call& call, const fs::path& voice, const fs::path& directory) {
  TRY(speak_to_file(call.speech, call.language, voice, directory / "once.wav"));
  TRY_ASSIGN(const Sound once, read_wav(read_file(directory / "once.wav")));
  const auto whole = static_cast<std::size_t>(kSpeech.count() * telephone_hz);
  Sound sound;
  sound.samples.reserve(whole + once.samples.size());
  while (sound.samples.size() < whole) {
    sound.samples.insert(sound.samples.end(), once.samples.begin(), once.samples.end());
    sound.samples.resize(sound.samples.size() +
                         static_cast<std::size_t>(kPause.count() * telephone_hz));
  }
  return write_file(directory / "speech.wav", write_wav(sound), 0600);
}

std::string config_of(const SipOptions& options, const fs::path& directory, int sip, int control) {
  // No microphone, no loudspeaker: sound comes from the file and what is heard is dropped.
  return fmt::format(
      "sip_listen {}:{}\nrtp_ports 10000-32000\nstatmode_default off\naudio_level no\n"
      "audio_source aufile,{}\naudio_player aufile,{}\naudio_alert aufile,{}\n"
      "module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\n"
      "module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n"
      "ctrl_tcp_listen 127.0.0.1:{}\n",
      options.listen, sip, (directory / "speech.wav").string(), (directory / "none.wav").string(),
      (directory / "none.wav").string(), control);
}

/// One command over ctrl_tcp; what it answers is not looked at.
void command(int port, const std::string& name, const std::string& parameters) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string text =
        fmt::format(R"({{"command":"{}","params":"{}","token":"m"}})", name, parameters);
    const std::string frame = std::to_string(text.size()) + ":" + text + ",";
    [[maybe_unused]] const auto sent = send(fd, frame.data(), frame.size(), MSG_NOSIGNAL);
    // It obeys only while the connection stands: so until it has answered.
    pollfd answered{fd, POLLIN, 0};
    poll(&answered, 1, static_cast<int>(kObeys.count()));
  }
  if (fd >= 0) close(fd);
}

class Sip : public Carrier {
 public:
  explicit Sip(SipOptions options) : options_(std::move(options)) {}

  Result<std::string> place(const Call& call, bool again) override {
    const fs::path directory = options_.directory / call.attempt;
    std::error_code error;
    if (again && dialled(directory)) return call.attempt;
    if (again) stop(directory);  // or it would dial yet
    clean();
    fs::create_directories(directory, error);
    fs::permissions(directory, fs::perms::owner_all, error);
    TRY(prepare_sound(call, options_.htsvoice, directory));
    const int sip = free_sip_port(options_.listen);
    int control = 0;
    for (int tries = 0; tries < 50 && (control == 0 || control == sip || control == sip + 1);
         ++tries) {
      control = free_port(SOCK_STREAM, "127.0.0.1");
    }
    if (sip == 0 || control == 0) {
      return fail(Code::unavailable,
                  "There is no free port for SIP. Is `sip_listen` an address of "
                  "this machine?");
    }
    TRY(write_file(directory / "config", config_of(options_, directory, sip, control), 0600));
    TRY(write_file(directory / "accounts", account(), 0600));
    TRY(write_file(directory / "contacts", "\n", 0600));
    TRY(write_file(directory / "control", std::to_string(control) + "\n", 0600));
    TRY(write_file(directory / "ring", std::to_string(call.ring.count()) + "\n", 0600));
    TRY(start(directory, sip_address(options_.target, call.phone)));
    return call.attempt;
  }

  Result<CallReport> look(const std::string& id) override {
    const fs::path directory = options_.directory / id;
    const bool lives = alive(directory);
    CallReport out = sip_report(read_file(directory / "log"), lives);
    if (out.state == CallState::ended) {
      if (lives) stop(directory);
      return out;
    }
    if (out.state == CallState::ringing && rings_in_vain(directory, out)) {
      stop(directory);
      out.state = CallState::ended;
      return out;
    }
    repeat(id, directory, out.keys);
    return out;
  }

  Status end(const std::string& id) override {
    const fs::path directory = options_.directory / id;
    stop(directory);
    return {};
  }

  milliseconds patience() const override { return milliseconds(100); }

 private:
  std::string account() const {
    std::string out = "<" + options_.account + ">;regint=0;audio_codecs=PCMU,PCMA";
    if (!options_.password.empty()) out += ";auth_pass=" + options_.password;
    return out + "\n";
  }

  /// baresip writes "connecting to" before it sends anything.
  static bool dialled(const fs::path& directory) {
    for (milliseconds waited{0};; waited += milliseconds(50)) {
      if (read_file(directory / "log").find("call: connecting to") != std::string::npos) {
        return true;
      }
      if (!alive(directory) || waited >= kDials) return false;
      std::this_thread::sleep_for(milliseconds(50));
    }
  }

  Status start(const fs::path& directory, const std::string& address) {
    const int log =
        open((directory / "log").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log < 0) return fail(Code::unavailable, "The log of a SIP call cannot be written.");
    runtime::ChildOptions child;
    // It writes down its id before it can dial, should we die now. Should nobody come back for it,
    // it ends by itself. In the foreground, or baresip would be told twice to end and say no BYE.
    child.argv = {"sh",
                  "-c",
                  "echo $$ > \"$0/pid\" && exec timeout --foreground --kill-after=5 600 \"$@\"",
                  directory.string(),
                  options_.program,
                  "-f",
                  directory.string(),
                  "-e",
                  "/dial " + address};
    child.death_signal = 0;  // the call outlives us; the next start takes it up
    child.output_fd = log;
    auto pid = runtime::spawn(child);
    close(log);
    if (!pid) return fail(pid.error());
    // Until its exec it is a copy of us.
    while ((pid_of(directory) != *pid || !is_baresip(*pid, directory)) &&
           !runtime::wait_for_end(*pid, milliseconds(5))) {
    }
    if (dialled(directory)) return {};
    const std::string said = read_file(directory / "log");
    stop(directory);
    return fail(
        Code::unavailable,
        "baresip did not dial. Is the package baresip-core installed, and the account right?",
        said.substr(said.size() - std::min<std::size_t>(said.size(), 500)));
  }

  static void stop(const fs::path& directory) {
    const pid_t pid = pid_of(directory);
    if (!is_baresip(pid, directory)) return;
    kill(pid, SIGTERM);  // says BYE or CANCEL
    for (int i = 0; i < 40 && alive(directory); ++i) {
      std::this_thread::sleep_for(milliseconds(50));
    }
    // The group: baresip itself, not only the `timeout` before it.
    if (is_baresip(pid, directory)) kill(-pid, SIGKILL);
    waitpid(pid, nullptr, WNOHANG);
  }

  /// Long enough; the outcome is then the report's.
  static bool rings_in_vain(const fs::path& directory, CallReport& report) {
    std::error_code error;
    const auto since = fs::last_write_time(directory / "pid", error);
    long long ring = 20;
    const std::string text = read_file(directory / "ring");
    std::from_chars(text.data(), text.data() + text.size(), ring);
    const bool silent = read_file(directory / "log").find("SIP Progress") == std::string::npos;
    report.outcome = silent ? Outcome::carrier_failed : Outcome::no_answer;
    if (silent) report.detail = "the SIP exchange does not answer";
    const seconds limit = silent ? std::min(seconds(ring), kNoWord) : seconds(ring);
    if (!error && fs::file_time_type::clock::now() - since > limit) return true;
    report.outcome = Outcome::none;
    return false;
  }

  /// Key 9: the message from its beginning.
  void repeat(const std::string& id, const fs::path& directory, const std::string& keys) {
    const std::lock_guard lock(mutex_);
    const auto nines = static_cast<int>(std::count(keys.begin(), keys.end(), '9'));
    int& done = repeated_[id];
    if (nines <= done) return;
    done = nines;
    int port = 0;
    const std::string text = read_file(directory / "control");
    std::from_chars(text.data(), text.data() + text.size(), port);
    command(port, "ausrc", "aufile," + (directory / "speech.wav").string());
  }

  void clean() const {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(options_.directory, error)) {
      const auto age = fs::file_time_type::clock::now() - entry.last_write_time(error);
      if (age > kKept && !alive(entry.path())) fs::remove_all(entry.path(), error);
    }
  }

  SipOptions options_;
  std::mutex mutex_;
  std::map<std::string, int> repeated_;
};

/// RFC 4733, the beginning of the event, or SIP INFO, as some exchanges send it.
std::string key_in(const std::string& line) {
  const std::string_view event = "received event: '";
  const std::string_view info = "received DTMF: '";
  std::size_t at = line.find(event);
  if (at != std::string::npos && line.find("(end=0)") != std::string::npos) {
    at += event.size();
  } else if (at = line.find(info); at != std::string::npos) {
    at += info.size();
  }
  return at < line.size() ? std::string(1, line[at]) : std::string();
}

}  // namespace

CallReport sip_report(const std::string& log, bool alive) {
  CallReport out;
  // A line that is being written is read the next time.
  std::istringstream lines(alive ? log.substr(0, log.rfind('\n') + 1) : log);
  for (std::string line; std::getline(lines, line);) {
    const auto has = [&](const char* text) { return line.find(text) != std::string::npos; };
    if (has("Call established")) out.state = CallState::answered;
    out.keys += key_in(line);
    if (const auto at = line.find("session closed"); at != std::string::npos) {
      out.detail = line.substr(std::min(at + 16, line.size()));
      int status = 0;
      std::from_chars(out.detail.data(), out.detail.data() + out.detail.size(), status);
      if (out.state != CallState::answered) out.outcome = outcome_of_sip_status(status);
      out.state = CallState::ended;
      return out;
    }
    if (has("terminated (duration")) {
      out.state = CallState::ended;
      return out;
    }
  }
  if (alive) return out;
  // It died: what it had to say was not said to its end.
  out.outcome = Outcome::carrier_failed;
  out.detail = "baresip ended in the middle of the call";
  out.state = CallState::ended;
  return out;
}

std::string sip_address(const std::string& target, const std::string& phone) {
  std::string out = target;
  const std::string digits = phone.substr(std::min<std::size_t>(1, phone.size()));
  const std::string national = digits.starts_with("81") ? "0" + digits.substr(2) : digits;
  for (const auto& [mark, value] : {std::pair<std::string, std::string>{"{e164}", phone},
                                    {"{number}", digits},
                                    {"{national}", national}}) {
    if (const auto at = out.find(mark); at != std::string::npos)
      out.replace(at, mark.size(), value);
  }
  return out;
}

Result<std::shared_ptr<Carrier>> sip_carrier(SipOptions options) {
  const auto plain = [](const std::string& text) {
    return text.find_first_of("<>\"\n\r ") == std::string::npos;
  };
  if (!options.account.starts_with("sip:") || !plain(options.account)) {
    return fail(Code::invalid, "`account` must be written as \"sip:user@host\".");
  }
  if (!options.target.starts_with("sip:") || options.target.find('{') == std::string::npos ||
      !plain(options.target)) {
    return fail(Code::invalid, "`target` must be written as \"sip:{national}@host\".");
  }
  if (options.password.find_first_of(";\n\r<>\"") != std::string::npos) {
    return fail(Code::invalid, "baresip cannot take a password with ; < > or quotes.");
  }
  return std::make_shared<Sip>(std::move(options));
}

}  // namespace minato::oncall
