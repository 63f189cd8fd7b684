// Goal: only what Twilio signed is believed, its states are understood, and an attempt never makes
// two calls. Method: signatures by Twilio's own Python library; the carrier with answers and a
// clock that the test makes.
#include "oncall/carriers/twilio.h"

#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "oncall/carriers/twilio_webhook.h"

namespace minato::oncall {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;
using runtime::Fields;
using runtime::HttpRequest;
using runtime::HttpResponse;

TEST(TwilioSignature, IsThatOfTwiliosLibrary) {
  const std::string url = "https://minato.example.com/twilio/voice?a=t-1";
  const Fields fields{{"To", "+819000000001"},
                      {"CallSid", "CA1"},
                      {"Digits", "1"},
                      {"From", "+815012345678"},
                      {"Name", "基盤 & more"}};
  const std::string signature = "HQtvQySGhFk3vn7Wb1iDomoP+iI=";
  EXPECT_TRUE(valid_signature({"token-1"}, url, fields, signature));
  EXPECT_TRUE(valid_signature({"token-2", "token-1"}, url, fields, signature));
  EXPECT_FALSE(valid_signature({"token-2"}, url, fields, signature));
  EXPECT_FALSE(valid_signature({}, url, fields, signature));
  Fields changed = fields;
  changed[2].second = "2";
  EXPECT_FALSE(valid_signature({"token-1"}, url, changed, signature));
  changed = fields;
  changed.emplace_back("Digits", "2");
  EXPECT_FALSE(valid_signature({"token-1"}, url, changed, signature));
  EXPECT_FALSE(valid_signature({"token-1"}, url + "x", fields, signature));
  for (const char* bad : {"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}) {
    EXPECT_FALSE(valid_signature({"token-1"}, url, fields, bad));
  }
  // An empty token must not make everybody a signer.
  EXPECT_FALSE(valid_signature({""}, url, fields, twilio_signature("", url, fields)));
}

TEST(TwilioSignature, ThePortMayBeWrittenOrNot) {
  const Fields none;
  const std::string bare = "https://h/x?a=1";
  const std::string with = "https://h:443/x?a=1";
  EXPECT_TRUE(valid_signature({"t"}, bare, none, twilio_signature("t", with, none)));
  EXPECT_TRUE(valid_signature({"t"}, with, none, twilio_signature("t", bare, none)));
  EXPECT_FALSE(
      valid_signature({"t"}, "https://h:8443/x", none, twilio_signature("t", "https://h/x", none)));
}

TEST(Twiml, IsEscapedAndAsksForOneKey) {
  const std::string twiml = twiml_for("<speak>基盤 &amp; <break time=\"1s\"/>more</speak>",
                                      "Polly.Takumi", "https://h/twilio/voice?a=t-1&n=2");
  EXPECT_EQ(twiml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Gather input=\"dtmf\" "
            "numDigits=\"1\" timeout=\"5\" method=\"POST\" actionOnEmptyResult=\"true\" "
            "action=\"https://h/twilio/voice?a=t-1&amp;n=2\"><Say language=\"ja-JP\" "
            "voice=\"Polly.Takumi\">基盤 &amp; <break time=\"1s\"/>more</Say></Gather></Response>");
  EXPECT_EQ(twiml_one_moment("https://h/?a=1&b=2"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Gather input=\"dtmf\" "
            "numDigits=\"1\" timeout=\"3\" method=\"POST\" actionOnEmptyResult=\"true\" "
            "action=\"https://h/?a=1&amp;b=2\"/></Response>");
  EXPECT_NE(twiml_goodbye("a < b", "alice").find("a &lt; b</Say><Hangup/>"), std::string::npos);
  const std::string large =
      twiml_for("<speak>" + std::string(100'000, 'x') + "</speak>", "alice", "https://h/");
  EXPECT_LT(large.size(), 5'000U);
}

TEST(Twiml, VoicesKnowDifferentSsml) {
  EXPECT_EQ(ssml_of_twilio_voice("Polly.Takumi"), Ssml::polly_standard);
  EXPECT_EQ(ssml_of_twilio_voice("Polly.Takumi-Neural"), Ssml::polly_neural);
  EXPECT_EQ(ssml_of_twilio_voice("Google.ja-JP-Wavenet-A"), Ssml::none);
  EXPECT_EQ(language_of_twilio_voice("Google.ja-JP-Wavenet-A"), "ja-JP");
  EXPECT_EQ(language_of_twilio_voice("Polly.Joanna"), "en-US");
}

TEST(TwilioReport, StatesAndSipCodes) {
  const auto outcome = [](const char* status, const char* sip) {
    return twilio_report(status, sip).outcome;
  };
  for (const char* status : {"queued", "initiated", "ringing", "", "new"}) {
    EXPECT_EQ(twilio_report(status, "").state, CallState::ringing);
  }
  EXPECT_EQ(twilio_report("in-progress", "").state, CallState::answered);
  EXPECT_EQ(outcome("completed", "200"), Outcome::no_key);
  EXPECT_EQ(outcome("busy", "486"), Outcome::busy);
  EXPECT_EQ(outcome("no-answer", ""), Outcome::no_answer);
  EXPECT_EQ(outcome("canceled", ""), Outcome::cancelled);
  EXPECT_EQ(outcome("failed", "480"), Outcome::no_answer);
  EXPECT_EQ(outcome("failed", "404"), Outcome::unknown_number);
  EXPECT_EQ(outcome("failed", "484"), Outcome::unknown_number);
  EXPECT_EQ(outcome("failed", "603"), Outcome::rejected);
  EXPECT_EQ(outcome("failed", "503"), Outcome::carrier_failed);
  EXPECT_EQ(outcome("failed", ""), Outcome::carrier_failed);
  const auto pressed = report_of_callback({{"CallStatus", "in-progress"}, {"Digits", "1<script>"}});
  EXPECT_EQ(pressed.keys, "1");
}

TEST(TwilioReport, CallbacksInAnyOrder) {
  const CallReport ringing = twilio_report("ringing", "");
  const CallReport failed = twilio_report("failed", "");
  const CallReport told = twilio_report("failed", "480");
  EXPECT_EQ(merged(failed, told).outcome, Outcome::no_answer);
  EXPECT_EQ(merged(told, failed).outcome, Outcome::no_answer);
  EXPECT_EQ(merged(told, ringing).state, CallState::ended);
  CallReport pressed = twilio_report("in-progress", "");
  pressed.keys = "1";
  EXPECT_EQ(merged(pressed, twilio_report("completed", "200")).outcome, Outcome::acknowledged);
  EXPECT_EQ(merged(twilio_report("completed", "200"), pressed).outcome, Outcome::acknowledged);
}

TwilioOptions options() {
  TwilioOptions made;
  made.base_url = "https://api.example.com/";
  made.account_sid = "AC1";
  made.auth_token = "token";
  made.from = "+815012345678";
  made.public_url = "https://minato.example.com/";
  return made;
}

constexpr std::chrono::sys_seconds kNow{1'767'323'045s};  // 2026-01-02 03:04:05

Call call() {
  Call made;
  made.attempt = "t-1";
  made.phone = "+819000000001";
  made.speech = "<speak>x</speak>";
  made.planned_at = kNow - 5s;
  return made;
}

struct World {
  std::deque<Result<HttpResponse>> answers;
  std::vector<HttpRequest> requests;
  Seams::Steady now{1000s};
  std::function<void()> while_asleep;

  Seams seams() {
    Seams made = default_seams();
    made.http = [this](const HttpRequest& request) -> Result<HttpResponse> {
      requests.push_back(request);
      if (answers.empty()) return fail(Code::internal, "no answer is left");
      auto answer = answers.front();
      answers.pop_front();
      return answer;
    };
    made.now = [this] { return now; };
    made.clock = [] { return kNow; };
    made.sleep = [this](std::chrono::milliseconds time) {
      now += time;
      if (while_asleep) while_asleep();
    };
    made.random = [] { return 0.5; };
    return made;
  }
  std::unique_ptr<TwilioCarrier> carrier() { return *twilio_carrier(options(), seams()); }
};

HttpResponse created(const std::string& sid) {
  return {201, {}, Json{{"sid", sid}, {"status", "queued"}}.dump()};
}
HttpResponse listed(const std::vector<std::pair<std::string, std::string>>& calls) {
  Json list = Json::array();
  for (const auto& [sid, at] : calls) list.push_back({{"sid", sid}, {"date_created", at}});
  return {200, {{"date", "Fri, 02 Jan 2026 03:04:05 GMT"}}, Json{{"calls", list}}.dump()};
}
HttpResponse refused(int status, int code) {
  return {status, {}, Json{{"code", code}, {"message", "m"}}.dump()};
}
HttpResponse state(const std::string& status) { return {200, {}, Json{{"status", status}}.dump()}; }

TEST(TwilioCarrier, PlacesACall) {
  World world;
  world.answers = {created("CA1")};
  EXPECT_EQ(world.carrier()->place(call(), false).value(), "CA1");
  const HttpRequest& request = world.requests.at(0);
  EXPECT_EQ(request.url, "https://api.example.com/2010-04-01/Accounts/AC1/Calls.json");
  EXPECT_EQ(request.user, "AC1");
  const Fields form = runtime::form_decode(request.body);
  EXPECT_EQ(field_of(form, "Url"), "https://minato.example.com/twilio/voice?a=t-1");
  EXPECT_EQ(field_of(form, "StatusCallback"), "https://minato.example.com/twilio/status?a=t-1");
  EXPECT_EQ(field_of(form, "Timeout"), "20");
  EXPECT_EQ(std::count_if(form.begin(), form.end(),
                          [](const auto& f) { return f.first == "StatusCallbackEvent"; }),
            4);
}

TEST(TwilioCarrier, AgainAdoptsTheCallThatWasMade) {
  World world;
  world.answers = {listed({{"CA-later", "Fri, 02 Jan 2026 03:04:04 +0000"},
                           {"CA-ours", "Fri, 02 Jan 2026 03:04:01 +0000"},
                           {"CA-before", "Fri, 02 Jan 2026 03:03:30 +0000"}})};
  EXPECT_EQ(world.carrier()->place(call(), true).value(), "CA-ours");
  EXPECT_EQ(world.requests.size(), 1U);
  EXPECT_EQ(world.requests[0].method, "GET");
}

TEST(TwilioCarrier, AgainPlacesWhenThereIsNone) {
  World world;
  world.answers = {listed({{"CA-before", "Fri, 02 Jan 2026 03:03:30 +0000"}}), created("CA2")};
  EXPECT_EQ(world.carrier()->place(call(), true).value(), "CA2");
}

TEST(TwilioCarrier, AnotherAttemptsCallIsNotAdopted) {
  World world;
  world.answers = {created("CA1"), listed({{"CA1", "Fri, 02 Jan 2026 03:04:04 +0000"}}),
                   created("CA2")};
  auto carrier = world.carrier();
  Call first = call();
  first.attempt = "t-0";
  EXPECT_EQ(carrier->place(first, false).value(), "CA1");
  EXPECT_EQ(carrier->place(call(), true).value(), "CA2");
}

TEST(TwilioCarrier, AClockThatIsWrongHereDoesNotHideTheCall) {
  World world;
  HttpResponse list = listed({{"CA-ours", "Fri, 02 Jan 2026 02:04:02 +0000"}});
  list.headers["date"] = "Fri, 02 Jan 2026 02:04:05 GMT";
  world.answers = {list};
  EXPECT_EQ(world.carrier()->place(call(), true).value(), "CA-ours");
}

TEST(TwilioCarrier, NotToKnowIsNoGroundToCallTwice) {
  World world;
  world.answers = {fail(Code::unavailable, "gone")};
  EXPECT_EQ(world.carrier()->place(call(), true).error().code, Code::in_doubt);
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST(TwilioCarrier, ALostAnswerIsLookedFor) {
  World world;
  world.answers = {fail(Code::in_doubt, "lost"),
                   listed({{"CA-ours", "Fri, 02 Jan 2026 03:04:05 +0000"}})};
  EXPECT_EQ(world.carrier()->place(call(), false).value(), "CA-ours");
  World none;
  none.answers = {fail(Code::in_doubt, "lost"), listed({})};
  EXPECT_EQ(none.carrier()->place(call(), false).error().code, Code::in_doubt);
  World failed;  // an error of theirs, and no call: another carrier
  failed.answers = {HttpResponse{500, {}, ""}, listed({})};
  EXPECT_EQ(failed.carrier()->place(call(), false).error().code, Code::unavailable);
}

TEST(TwilioCarrier, AWebhookTellsOfTheCallWhoseAnswerWasLost) {
  World world;
  world.answers = {fail(Code::in_doubt, "lost")};
  auto carrier = world.carrier();
  world.while_asleep = [&] { carrier->tell("t-1", "CA-told", twilio_report("initiated", "")); };
  EXPECT_EQ(carrier->place(call(), false).value(), "CA-told");
  EXPECT_EQ(world.requests.size(), 1U);
}

TEST(TwilioCarrier, TellsAWrongNumberFromAFailedCarrier) {
  const auto code = [](const Result<HttpResponse>& answer) {
    World world;
    world.answers.assign(3, answer);
    return world.carrier()->place(call(), false).error().code;
  };
  EXPECT_EQ(code(refused(400, 21211)), Code::invalid);
  EXPECT_EQ(code(refused(400, 21215)), Code::invalid);
  EXPECT_EQ(code(refused(400, 21210)), Code::forbidden);
  EXPECT_EQ(code(refused(400, 20001)), Code::unsupported);
  EXPECT_EQ(code(refused(401, 20003)), Code::unauthenticated);
  EXPECT_EQ(code(refused(429, 20429)), Code::unavailable);
  EXPECT_EQ(code(fail(Code::unavailable, "no connection")), Code::unavailable);
  World world;
  Call own = call();
  own.phone = options().from;
  EXPECT_EQ(world.carrier()->place(own, false).error().code, Code::invalid);
  EXPECT_TRUE(world.requests.empty());
}

TEST(TwilioCarrier, FailedWaitsForTheCallbackThatTellsWhy) {
  World world;
  world.answers.assign(4, state("failed"));
  auto carrier = world.carrier();
  EXPECT_EQ(carrier->look("CA1")->state, CallState::ringing);
  carrier->tell("t-1", "CA1", twilio_report("failed", "480"));
  EXPECT_EQ(carrier->look("CA1")->outcome, Outcome::no_answer);
  EXPECT_EQ(carrier->look("CA2")->state, CallState::ringing);
  world.now += 5s;
  EXPECT_EQ(carrier->look("CA2")->outcome, Outcome::carrier_failed);
}

TEST(TwilioCarrier, KeysFromWebhooksStay) {
  World world;
  world.answers = {state("in-progress"), state("completed")};
  auto carrier = world.carrier();
  CallReport nine = twilio_report("in-progress", "");
  nine.keys = "9";
  carrier->tell("t-1", "CA1", nine);
  nine.keys = "1";
  carrier->tell("t-1", "CA1", nine);
  const auto report = carrier->look("CA1");
  EXPECT_EQ(report->keys, "91");
  EXPECT_EQ(report->state, CallState::answered);
  EXPECT_EQ(carrier->look("CA1")->outcome, Outcome::acknowledged);
}

TEST(TwilioCarrier, EndsACallInAnyState) {
  const auto asked = [](std::deque<Result<HttpResponse>> answers, bool answered) {
    World world;
    world.answers = std::move(answers);
    auto carrier = world.carrier();
    if (answered) carrier->tell("t-1", "CA1", twilio_report("in-progress", ""));
    EXPECT_TRUE(carrier->end("CA1"));
    std::string all;
    for (const auto& request : world.requests) all += request.body + " ";
    return all;
  };
  EXPECT_EQ(asked({state("canceled")}, false), "Status=canceled ");
  EXPECT_EQ(asked({state("completed")}, true), "Status=completed ");
  // Answered between our knowing and our asking.
  EXPECT_EQ(asked({state("in-progress"), state("completed")}, false),
            "Status=canceled Status=completed ");
  EXPECT_EQ(asked({refused(400, 21220), refused(400, 21220)}, false),
            "Status=canceled Status=completed ");
  EXPECT_EQ(asked({refused(404, 20404)}, false), "Status=canceled ");
}

TEST(TwilioCarrier, OptionsThatAreMissingAreNamed) {
  TwilioOptions bad = options();
  bad.public_url = "minato.example.com";
  const auto made = twilio_carrier(bad);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("public_url"), std::string::npos);
}

}  // namespace
}  // namespace minato::oncall
