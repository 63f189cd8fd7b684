// Goal: what is sent to Amazon Connect fits its published limits, and what it answers is
// understood. Method: the pure parts by examples; the carrier with answers and a clock that the
// test makes.
#include "oncall/carriers/connect.h"

#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "oncall/carriers/connect_client.h"
#include "oncall/carriers/spoken.h"
#include "oncall/carriers/token_bucket.h"

namespace minato::oncall {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;
using runtime::HttpRequest;
using runtime::HttpResponse;

ConnectOptions options() {
  ConnectOptions made;
  made.region = "ap-northeast-1";
  made.instance_id = "11111111-2222-3333-4444-555555555555";
  made.contact_flow_id = "66666666-2222-3333-4444-555555555555";
  made.source_phone_number = "+815012345678";
  made.access_key_id = "AKID";
  made.secret_access_key = "secret";
  return made;
}

Call call() {
  Call made;
  made.attempt = "t-1";
  made.phone = "+819000000001";
  made.speech = "<speak><p>基盤 が止まりました</p></speak>";
  made.title = "load/orders";
  return made;
}

/// Answers in the order of the script; time passes only by sleeping.
struct World {
  std::deque<Result<HttpResponse>> answers;
  std::vector<HttpRequest> requests;
  std::vector<Seams::Steady> times;
  Seams::Steady now{1000s};
  std::chrono::sys_seconds clock{1'767'323'045s};

  Seams seams() {
    Seams made = default_seams();
    made.http = [this](const HttpRequest& request) -> Result<HttpResponse> {
      requests.push_back(request);
      times.push_back(now);
      if (answers.empty()) return HttpResponse{200, {}, R"({"ContactId":"c-1"})"};
      auto answer = answers.front();
      answers.pop_front();
      return answer;
    };
    made.now = [this] { return now; };
    made.clock = [this] { return clock; };
    made.sleep = [this](std::chrono::milliseconds time) { now += time; };
    made.random = [] { return 0.5; };
    return made;
  }
  std::unique_ptr<Carrier> carrier() { return *connect_carrier(options(), seams()); }
};

HttpResponse refused(int status, const std::string& type, const std::string& message = "") {
  return {status, {{"x-amzn-errortype", type}}, Json{{"Message", message}}.dump()};
}

TEST(TokenBucket, AdmitsABurstThenARateInOrder) {
  TokenBucket bucket(2, 4);
  const Seams::Steady now{1000s};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(bucket.reserve(now, 10s), 0ms);
  EXPECT_EQ(bucket.reserve(now, 10s), 500ms);
  EXPECT_EQ(bucket.reserve(now, 10s), 1000ms);
  EXPECT_EQ(bucket.reserve(now, 1s), std::nullopt);  // not counted
  EXPECT_EQ(bucket.reserve(now, 10s), 1500ms);
  EXPECT_EQ(bucket.reserve(now + 60s, 10s), 0ms);
  bucket.drain(now + 60s);
  EXPECT_EQ(bucket.reserve(now + 60s, 10s), 500ms);
}

TEST(TokenBucket, NeverOverTheRateInAnyWindow) {
  TokenBucket bucket(2, 4);
  std::vector<Seams::Steady> sent;
  Seams::Steady now{1000s};
  for (int i = 0; i < 200; ++i) {
    now += std::chrono::milliseconds(i * 37 % 400);
    sent.push_back(now + *bucket.reserve(now, 1h));
  }
  std::sort(sent.begin(), sent.end());
  for (std::size_t a = 0; a < sent.size(); ++a) {
    for (std::size_t b = a; b < sent.size(); ++b) {
      const double window = std::chrono::duration<double>(sent[b] - sent[a]).count();
      ASSERT_LE(static_cast<double>(b - a + 1), 4 + 2 * window + 0.01);
    }
  }
}

TEST(ConnectBody, HasWhatTheModelAsksFor) {
  Call asked = call();
  asked.ring = 5s;
  const Json body = Json::parse(*connect::start_body(options(), asked));
  EXPECT_EQ(body["DestinationPhoneNumber"], "+819000000001");
  EXPECT_EQ(body["ClientToken"], "t-1");
  EXPECT_EQ(body["RingTimeoutInSeconds"], 15);
  EXPECT_EQ(body["TrafficType"], "GENERAL");
  EXPECT_EQ(body["Attributes"]["ssml"], "<speak><p>基盤 が止まりました</p></speak>");
  EXPECT_EQ(body["Attributes"]["attempt"], "t-1");
  asked.ring = 300s;
  EXPECT_EQ(Json::parse(*connect::start_body(options(), asked))["RingTimeoutInSeconds"], 60);
}

TEST(ConnectBody, AnyTextFitsIntoTheAttributes) {
  std::string mega;
  while (mega.size() < 1'000'000) mega += "基盤 & <host> \x01 ";
  for (const std::string& speech :
       {"<speak>" + escape_xml(mega) + "</speak>", mega, std::string(), std::string("<speak>"),
        "<speak>" + std::string(50'000, '&') + "</speak>"}) {
    Call asked = call();
    asked.speech = speech;
    asked.title = mega;
    const auto made = connect::start_body(options(), asked);
    ASSERT_TRUE(made) << describe(made.error());
    const Json body = Json::parse(*made);
    std::size_t bytes = 0;
    for (const auto& [key, value] : body["Attributes"].items()) {
      bytes += key.size() + value.get<std::string>().size();
    }
    EXPECT_LE(bytes, 32'768U);
    EXPECT_LE(body["Name"].get<std::string>().size(), 1'024U);
  }
}

TEST(ConnectBody, RefusesNumbersThatCannotBeCalled) {
  for (const char* phone : {"09012345678", "+0123", "", "+81-90", "+815012345678"}) {
    Call asked = call();
    asked.phone = phone;
    EXPECT_EQ(connect::start_body(options(), asked).error().code, Code::invalid) << phone;
  }
}

TEST(ConnectSpoken, CutsAtACharacter) {
  EXPECT_EQ(cut_utf8("基盤", 5), "基");
  EXPECT_EQ(cut_utf8("基盤", 6), "基盤");
  EXPECT_EQ(cut_utf8("基", 2), "");
}

TEST(ConnectReport, KeysDecideThenTheNetwork) {
  const auto of = [](const std::string& contact, const std::string& attributes,
                     bool by_us = false) {
    return *connect::report(R"({"Contact":{)" + contact + "}}",
                            R"({"Attributes":{)" + attributes + "}}", by_us);
  };
  const std::string answered = R"("ConnectedToSystemTimestamp":1,)";
  const auto ended = [](const std::string& reason) {
    return R"("DisconnectTimestamp":2,"DisconnectReason":")" + reason + "\"";
  };
  EXPECT_EQ(of(R"("Id":"c")", "").state, CallState::ringing);
  EXPECT_EQ(of(answered + R"("Id":"c")", "").state, CallState::answered);
  EXPECT_EQ(of(R"("Id":"c")", R"("keys":"1")").state, CallState::answered);
  const auto both = of(answered + ended("OTHER"), R"("keys":"1","repeated":"9")", true);
  EXPECT_EQ(both.keys, "91");
  EXPECT_EQ(both.outcome, Outcome::acknowledged);
  EXPECT_EQ(of(answered + ended("X"), R"("keys":"2")").outcome, Outcome::passed);
  EXPECT_EQ(of(answered + ended("X"), R"("ack":"1")").outcome, Outcome::acknowledged);
  EXPECT_EQ(of(answered + ended("X"), R"("ack":"1","keys":"1")").keys, "1");
  EXPECT_EQ(of(answered + ended("CONTACT_FLOW_DISCONNECT"), "").outcome, Outcome::no_key);
  EXPECT_EQ(of(answered + ended("CUSTOMER_DISCONNECT"), "").outcome, Outcome::no_key);
  EXPECT_EQ(of(answered + ended("OTHER"), "", true).outcome, Outcome::cancelled);
  EXPECT_EQ(of(ended("TELECOM_BUSY"), "").outcome, Outcome::busy);
  EXPECT_EQ(of(ended("TELECOM_NUMBER_INVALID"), "").outcome, Outcome::unknown_number);
  EXPECT_EQ(of(ended("TELECOM_UNANSWERED"), "").outcome, Outcome::no_answer);
  EXPECT_EQ(of(ended("TELECOM_TIMEOUT"), "").outcome, Outcome::no_answer);
  EXPECT_EQ(of(ended("TELECOM_ORIGINATOR_CANCEL"), "").outcome, Outcome::no_answer);
  EXPECT_EQ(of(ended("TELECOM_ORIGINATOR_CANCEL"), "", true).outcome, Outcome::cancelled);
  EXPECT_EQ(of(ended("CUSTOMER_DISCONNECT"), "").outcome, Outcome::rejected);
  EXPECT_EQ(of(ended("TELECOM_PROBLEM"), "").outcome, Outcome::carrier_failed);
  EXPECT_EQ(of(ended("TO_BE_INVENTED"), "").outcome, Outcome::no_answer);
  EXPECT_FALSE(connect::report("x", "{}", false));
  EXPECT_FALSE(connect::report("[]", "[]", false));
  EXPECT_TRUE(connect::report(R"({"Contact":{}})", R"({"Attributes":[1]})", false));
}

TEST(ConnectCarrier, ALostAnswerIsAskedForWithTheSameToken) {
  World world;
  world.answers = {fail(Code::in_doubt, "lost"), HttpResponse{500, {}, ""},
                   HttpResponse{200, {}, R"({"ContactId":"c-9"})"}};
  EXPECT_EQ(world.carrier()->place(call(), false).value(), "c-9");
  ASSERT_EQ(world.requests.size(), 3U);
  for (const auto& request : world.requests) {
    EXPECT_EQ(request.body, world.requests[0].body);
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.aws->service, "connect");
  }
  World lost;
  lost.answers = {fail(Code::in_doubt, "lost"), fail(Code::unavailable, "gone"),
                  fail(Code::unavailable, "gone"), fail(Code::unavailable, "gone")};
  EXPECT_EQ(lost.carrier()->place(call(), true).error().code, Code::in_doubt);
}

TEST(ConnectCarrier, TellsAWrongNumberFromAFailedCarrier) {
  const auto code = [](const Result<HttpResponse>& answer) {
    World world;
    world.answers.assign(4, answer);
    return world.carrier()->place(call(), false).error().code;
  };
  EXPECT_EQ(code(refused(403, "DestinationNotAllowedException")), Code::invalid);
  EXPECT_EQ(code(refused(403, "OutboundContactNotPermittedException:http://x")), Code::invalid);
  EXPECT_EQ(code(refused(400, "InvalidParameterException", "DestinationPhoneNumber is bad")),
            Code::invalid);
  EXPECT_EQ(code(refused(400, "InvalidParameterException", "Name is bad")), Code::unsupported);
  EXPECT_EQ(code(refused(403, "AccessDeniedException")), Code::forbidden);
  EXPECT_EQ(code(refused(403, "UnrecognizedClientException")), Code::unauthenticated);
  EXPECT_EQ(code(refused(404, "ResourceNotFoundException")), Code::unavailable);
  EXPECT_EQ(code(refused(429, "LimitExceededException")), Code::unavailable);
  EXPECT_EQ(code(refused(500, "InternalServiceException")), Code::unavailable);
  EXPECT_EQ(code(fail(Code::unavailable, "no connection")), Code::unavailable);
}

TEST(ConnectCarrier, BacksOffWhenItIsTooMuchAndOtherApisGoOn) {
  World world;
  auto carrier = world.carrier();
  world.answers.assign(4, refused(429, "TooManyRequestsException"));
  EXPECT_FALSE(carrier->place(call(), false));
  ASSERT_EQ(world.times.size(), 4U);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_GE(world.times[i] - world.times[i - 1], 150ms);
  EXPECT_LE(world.times[3] - world.times[0], 15s);
  const auto before = world.now;
  EXPECT_TRUE(carrier->end("c-1"));  // another API: at once
  EXPECT_EQ(world.now, before);
}

TEST(ConnectCarrier, NeverOverTwoRequestsASecondAndNobodyWaitsForEver) {
  World world;
  auto carrier = world.carrier();
  for (int i = 0; i < 40; ++i) (void)carrier->end("c-" + std::to_string(i));
  for (std::size_t i = 4; i < world.times.size(); ++i) {
    EXPECT_GE(world.times[i] - world.times[i - 4], 500ms);
  }
  EXPECT_EQ(world.times.size(), 40U);
  EXPECT_EQ(world.times.back() - world.times.front(), 18s);
}

TEST(ConnectCarrier, AnEndedCallMayBeEndedAgain) {
  World world;
  world.answers = {refused(410, "ContactNotFoundException"),
                   refused(404, "ResourceNotFoundException"),
                   refused(403, "AccessDeniedException")};
  auto carrier = world.carrier();
  EXPECT_TRUE(carrier->end("c-1"));
  EXPECT_TRUE(carrier->end("c-1"));
  EXPECT_FALSE(carrier->end("c-1"));
}

TEST(ConnectCarrier, AWrongClockIsPutRightByTheServices) {
  World world;
  HttpResponse expired = refused(403, "InvalidSignatureException", "Signature expired: 2026");
  expired.headers["date"] = "Fri, 02 Jan 2026 04:04:05 GMT";  // an hour later than ours
  world.answers = {expired};
  EXPECT_TRUE(world.carrier()->place(call(), false));
  ASSERT_EQ(world.requests.size(), 2U);
  EXPECT_EQ(world.requests[0].aws->clock_offset, 0s);
  EXPECT_EQ(world.requests[1].aws->clock_offset, 3600s);
}

TEST(ConnectCarrier, OptionsThatAreMissingAreNamed) {
  ConnectOptions bad = options();
  bad.contact_flow_id.clear();
  const auto made = connect_carrier(bad);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("contact_flow_id"), std::string::npos);
  EXPECT_NE(made.error().message.find("install-flow"), std::string::npos);
}

TEST(ConnectFlow, EveryWayEndsAndKeysAreWritten) {
  const Json flow = Json::parse(contact_flow(options()));
  EXPECT_EQ(flow["Version"], "2019-10-30");
  std::map<std::string, Json> actions;
  for (const Json& action : flow["Actions"]) actions[action["Identifier"]] = action;
  EXPECT_TRUE(actions.contains(flow["StartAction"]));
  for (const auto& [id, action] : actions) {
    const Json& transitions = action["Transitions"];
    if (action["Type"] == "DisconnectParticipant") continue;
    EXPECT_TRUE(actions.contains(transitions["NextAction"])) << id;
    for (const char* kind : {"Conditions", "Errors"}) {
      for (const Json& way : transitions[kind]) {
        EXPECT_TRUE(actions.contains(way["NextAction"])) << id;
      }
    }
  }
  EXPECT_EQ(actions["voice"]["Parameters"]["TextToSpeechVoice"], "Takumi");
  EXPECT_EQ(actions["voice"]["Parameters"]["TextToSpeechEngine"], "Neural");
  EXPECT_EQ(actions["round"]["Parameters"]["LoopCount"], "3");
  EXPECT_EQ(actions["ask"]["Parameters"]["SSML"], "$.Attributes.ssml");
  EXPECT_EQ(actions["acknowledged"]["Parameters"]["Attributes"]["keys"], "1");
  EXPECT_EQ(actions["passed"]["Parameters"]["Attributes"]["keys"], "2");
}

TEST(ConnectFlow, IsUpdatedWhenThereAndItsProblemsAreShown) {
  World world;
  world.answers = {
      HttpResponse{
          200, {}, R"({"ContactFlowSummaryList":[{"Id":"f-0","Name":"x"}],"NextToken":"a/="})"},
      HttpResponse{200, {}, R"({"ContactFlowSummaryList":[{"Id":"f-1","Name":"minato"}]})"},
      HttpResponse{200, {}, "{}"}};
  EXPECT_EQ(install_flow(options(), "minato", world.seams()).value(), "f-1");
  ASSERT_EQ(world.requests.size(), 3U);
  EXPECT_NE(world.requests[1].url.find("&nextToken=a%2F%3D"), std::string::npos);
  EXPECT_TRUE(world.requests[2].url.ends_with("/f-1/content"));
  World refusing;
  refusing.answers = {HttpResponse{200, {}, R"({"ContactFlowSummaryList":[]})"},
                      HttpResponse{400,
                                   {{"x-amzn-errortype", "InvalidContactFlowException"}},
                                   R"({"problems":[{"message":"no voice Takumi"}]})"}};
  const auto made = install_flow(options(), "minato", refusing.seams());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::invalid);
  EXPECT_NE(made.error().message.find("no voice Takumi"), std::string::npos);
}

}  // namespace
}  // namespace minato::oncall
