// Goal: the carriers get on with services that are strict: real HTTP, signatures verified by
// botocore, bodies against Connect's published model, its quotas, a flow that is run. Method: the
// fakes of tests/harness as child processes; without botocore (./dev test lays it down) skipped.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "oncall/carriers/connect.h"
#include "oncall/carriers/twilio.h"
#include "runtime/child.h"

namespace minato::oncall {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* kPerson = "+819000000001";
constexpr const char* kAnother = "+819000000002";

std::filesystem::path root() {
  std::filesystem::path at = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  while (at.has_relative_path() && !std::filesystem::exists(at / "tests/harness/fakes.py")) {
    at = at.parent_path();
  }
  return at;
}

/// A fake in a process of its own; `ready()` is false where it cannot run.
class Fake {
 public:
  explicit Fake(const std::string& kind) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    runtime::ChildOptions options;
    options.argv = {"/usr/bin/python3", (root() / "tests/harness/fakes.py").string(), kind, "0.1"};
    options.output_fd = ends[1];
    if (const auto child = runtime::spawn(options)) pid_ = *child;
    close(ends[1]);
    std::string line;
    char c = 0;
    while (read(ends[0], &c, 1) == 1 && c != '\n') line += c;
    close(ends[0]);
    names_ = Json::parse(line, nullptr, false);
  }
  ~Fake() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    runtime::wait_for_end(pid_, 5s);
  }
  Fake(const Fake&) = delete;
  Fake& operator=(const Fake&) = delete;

  bool ready() const { return names_.is_object(); }
  std::string name(const char* key) const { return names_[key].get<std::string>(); }
  /// Gives an order; returns how often the API was asked with that status.
  int order(const Json& order, const std::string& api = "", const Json& status = 200) const {
    runtime::HttpRequest request;
    request.method = "POST";
    request.url = name("url") + "/_fake";
    request.body = order.dump();
    const auto answer = runtime::http(request);
    if (!answer) return -1;
    int count = 0;
    const Json told = Json::parse(answer->body);
    for (const Json& each : told["requests"]) {
      if (each[0] == api && each[1] == status) ++count;
    }
    return count;
  }
  void person(const Json& script) const {
    order({{"set", {{"persons", {{kPerson, script}, {kAnother, script}}}}}});
  }

 private:
  pid_t pid_ = -1;
  Json names_;
};

ConnectOptions connect_options(const Fake& fake) {
  ConnectOptions options;
  options.region = fake.name("region");
  options.endpoint = fake.name("url");
  options.instance_id = fake.name("instance_id");
  options.contact_flow_id = fake.name("contact_flow_id");
  options.source_phone_number = fake.name("source");
  options.access_key_id = fake.name("access_key");
  options.secret_access_key = fake.name("secret_key");
  return options;
}

Call call(const std::string& attempt) {
  Call made;
  made.attempt = attempt;
  made.phone = kPerson;
  made.ring = 15s;
  made.speech = "<speak>基盤 &amp; <break time=\"1s\"/>more</speak>";
  made.title = "load/orders";
  made.planned_at = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  return made;
}

CallReport until_ended(Carrier& carrier, const std::string& call) {
  CallReport report;
  for (int i = 0; i < 40 && report.state != CallState::ended; ++i) {
    if (const auto seen = carrier.look(call)) report = *seen;
    std::this_thread::sleep_for(200ms);
  }
  return report;
}

TEST(CarriersLive, ConnectInstallsItsFlowAndIsAcknowledged) {
  const Fake fake("connect");
  ASSERT_TRUE(fake.ready()) << "no fake of Connect: botocore is missing, ./dev test installs it";
  ConnectOptions options = connect_options(fake);
  fake.order({{"set", {{"page_size", 1}}}});  // the flow is on another page
  const auto flow = install_flow(options, "minato 待機");
  ASSERT_TRUE(flow) << describe(flow.error());
  EXPECT_EQ(install_flow(options, "minato 待機").value(), *flow);
  EXPECT_EQ(fake.order(Json::object(), "UpdateContactFlowContent"), 1);
  options.contact_flow_id = *flow;
  auto carrier = *connect_carrier(options);

  fake.person({{"does", "answer"}, {"after", 1}, {"keys", {{2, "9"}, {6, "1"}}}});
  const auto id = carrier->place(call("t-1"), false);
  ASSERT_TRUE(id) << describe(id.error());
  EXPECT_EQ(carrier->place(call("t-1"), true).value(), *id);
  const CallReport report = until_ended(*carrier, *id);
  EXPECT_EQ(report.keys, "91");
  EXPECT_EQ(report.outcome, Outcome::acknowledged);
  EXPECT_TRUE(carrier->end(*id));  // has ended: fine
  EXPECT_EQ(fake.order(Json::object(), "DescribeContact", 429), 0);
}

TEST(CarriersLive, ConnectFlowRefusedWithItsProblems) {
  const Fake fake("connect");
  ASSERT_TRUE(fake.ready()) << "no fake of Connect: botocore is missing, ./dev test installs it";
  ConnectOptions options = connect_options(fake);
  options.voice = "Mizuki";  // has no neural engine
  const auto made = install_flow(options, "minato");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::invalid);
  EXPECT_NE(made.error().message.find("no voice Mizuki"), std::string::npos);
}

TEST(CarriersLive, ConnectLostAnswersVoicemailAndWrongKeys) {
  const Fake fake("connect");
  ASSERT_TRUE(fake.ready()) << "no fake of Connect: botocore is missing, ./dev test installs it";
  auto carrier = *connect_carrier(connect_options(fake));
  fake.person({{"does", "answer"}, {"after", 1}});  // voicemail
  const Json lost{{"fail_next", {"StartOutboundVoiceContact", "lose", 500, 429}}};
  fake.order(lost);
  const auto id = carrier->place(call("t-1"), false);
  ASSERT_TRUE(id) << describe(id.error());
  EXPECT_EQ(until_ended(*carrier, *id).outcome, Outcome::no_key);
  fake.person({{"does", "no_answer"}});
  const auto ringing = carrier->place(call("t-2"), false);
  ASSERT_TRUE(ringing);
  EXPECT_NE(*ringing, *id);
  EXPECT_EQ(carrier->look(*ringing)->state, CallState::ringing);
  EXPECT_TRUE(carrier->end(*ringing));
  EXPECT_EQ(until_ended(*carrier, *ringing).outcome, Outcome::cancelled);
  fake.person({{"does", "not_allowed"}});
  EXPECT_EQ(carrier->place(call("t-3"), false).error().code, Code::invalid);
  ConnectOptions wrong = connect_options(fake);
  wrong.secret_access_key = "another";
  EXPECT_EQ((*connect_carrier(wrong))->place(call("t-4"), false).error().code,
            Code::unauthenticated);
  fake.order({{"set", {{"clock_offset_s", 7200}}}});
  fake.person({{"does", "busy"}, {"after", 0}});
  const auto skewed = carrier->place(call("t-5"), false);
  ASSERT_TRUE(skewed) << describe(skewed.error());
  EXPECT_EQ(until_ended(*carrier, *skewed).outcome, Outcome::busy);
}

TEST(CarriersLive, TwilioPlacesOnceWhateverIsLost) {
  const Fake fake("twilio");
  ASSERT_TRUE(fake.ready()) << "no fake of Twilio: python3 is missing";
  TwilioOptions options;
  options.base_url = fake.name("url");
  options.account_sid = fake.name("account_sid");
  options.auth_token = fake.name("auth_token");
  options.from = fake.name("source");
  options.public_url = "http://127.0.0.1:1";  // nobody there: webhooks fail
  Seams hurried = default_seams();
  hurried.sleep = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time / 10); };
  auto carrier = *twilio_carrier(options, hurried);
  fake.person({{"does", "answer"}, {"after", 60}});  // rings 15 s, which are 1.5 s here
  fake.order({{"fail_next", {"create", "lose"}}});
  const auto id = carrier->place(call("t-1"), false);
  ASSERT_TRUE(id) << describe(id.error());
  EXPECT_EQ(fake.order(Json::object(), "create", 201), 1);
  EXPECT_EQ(carrier->look(*id)->state, CallState::ringing);
  EXPECT_EQ(until_ended(*carrier, *id).outcome, Outcome::no_answer);

  // Another process, the same attempt: it is found again.
  auto restarted = *twilio_carrier(options, hurried);
  Call second = call("t-2");
  second.phone = kAnother;  // Twilio's times are whole seconds: they do not tell these calls apart
  const auto before = carrier->place(second, false);
  ASSERT_TRUE(before);
  EXPECT_EQ(restarted->place(second, true).value(), *before);
  EXPECT_EQ(fake.order(Json::object(), "create", 201), 2);
  EXPECT_TRUE(restarted->end(*before));
  EXPECT_EQ(until_ended(*restarted, *before).outcome, Outcome::cancelled);
  fake.order({{"fail_next", {"create", 500}}});
  EXPECT_EQ(carrier->place(call("t-3"), false).error().code, Code::unavailable);
}

}  // namespace
}  // namespace minato::oncall
