// Goal: what baresip writes down is read as what happened. Method: logs of real calls (baresip
// 1.0.0, shortened), and the same logs cut off at every line, as a look in between finds them.
#include <gtest/gtest.h>

#include <string>

#include "oncall/carriers/sip.h"

namespace minato::oncall {
namespace {

const std::string kDialled =
    "baresip v1.0.0 Copyright (C) 2010 - 2020 Alfred E. Heggestad et al.\n"
    "Populated 1 account\n"
    "Populated 2 audio codecs\n"
    "baresip is ready.\n"
    "ua: using best effort AF: af=AF_INET\n"
    "call: connecting to 'sip:819000000001@127.0.0.1:33451'..\n";
const std::string kRinging = kDialled + "call: SIP Progress: 180 Ringing (/)\n";
const std::string kAnswered =
    kRinging +
    "stream: update 'audio'\n"
    "audio: Set audio decoder: PCMU 8000Hz 1ch\n"
    "aufile: loading input file 'speech.wav'\n"
    "audio tx pipeline:      aufile ---> PCMU\n"
    "minato@127.0.0.1: Call established: sip:819000000001@127.0.0.1:33451\n"
    "stream: incoming rtp for 'audio' established, receiving from 127.0.0.1:38458\n";

std::string event(char key) {
  const std::string at = std::string("received event: '") + key;
  return at + "' (end=0)\n" + at + "' (end=1)\n";
}
std::string closed(const std::string& why) {
  return "sip:819000000001@127.0.0.1:33451: session closed: " + why + "\n";
}

TEST(Sip, RingsAndIsAnswered) {
  EXPECT_EQ(sip_report("", true).state, CallState::ringing);
  EXPECT_EQ(sip_report(kDialled, true).state, CallState::ringing);
  EXPECT_EQ(sip_report(kRinging, true).state, CallState::ringing);
  const CallReport answered = sip_report(kAnswered, true);
  EXPECT_EQ(answered.state, CallState::answered);
  EXPECT_EQ(answered.outcome, Outcome::none);
  EXPECT_EQ(answered.keys, "");
}

TEST(Sip, KeysCountOnceEachAndStayAfterTheEnd) {
  const std::string pressed = kAnswered + event('9') + event('9') + event('1') + event('#');
  EXPECT_EQ(sip_report(pressed, true).keys, "991#");
  const CallReport over = sip_report(pressed + closed("Connection reset by peer"), false);
  EXPECT_EQ(over.keys, "991#");
  EXPECT_EQ(over.state, CallState::ended);
  // An event of which the end was not seen yet, and SIP INFO.
  EXPECT_EQ(sip_report(kAnswered + "received event: '2' (end=0)\n", true).keys, "2");
  EXPECT_EQ(sip_report(kAnswered + "call: received DTMF: '1' (duration=250)\n", true).keys, "1");
}

TEST(Sip, HungUpByThePersonIsNoKey) {
  const CallReport over =
      sip_report(kAnswered + closed("Connection reset by peer") +
                     "sip:minato@127.0.0.1: Call with sip:819000000001@127.0.0.1:33451 terminated "
                     "(duration: 3 secs)\n",
                 true);
  EXPECT_EQ(over.state, CallState::ended);
  EXPECT_EQ(over.outcome, Outcome::none);  // answered, without a key: the desk says no_key
  EXPECT_EQ(over.detail, "Connection reset by peer");
}

TEST(Sip, StatusOfARefusedCall) {
  const std::pair<const char*, Outcome> known[] = {
      {"486 Busy Here", Outcome::busy},
      {"600 Busy Everywhere", Outcome::busy},
      {"480 Temporarily Unavailable", Outcome::no_answer},
      {"408 Request Timeout", Outcome::no_answer},
      {"487 Request Terminated", Outcome::no_answer},
      {"603 Decline", Outcome::rejected},
      {"404 Not Found", Outcome::unknown_number},
      {"484 Address Incomplete", Outcome::unknown_number},
      {"401 Unauthorized", Outcome::carrier_failed},
      {"403 Forbidden", Outcome::carrier_failed},
      {"503 Service Unavailable", Outcome::carrier_failed},
      {"Connection refused", Outcome::carrier_failed},
      {"Connection timed out", Outcome::carrier_failed}};
  for (const auto& [status, outcome] : known) {
    const CallReport over = sip_report(kRinging + closed(status), true);
    EXPECT_EQ(over.state, CallState::ended) << status;
    EXPECT_EQ(over.outcome, outcome) << status;
    EXPECT_EQ(over.detail, status);
  }
  const CallReport bare = sip_report(kRinging + "sip:x@y: session closed\n", true);
  EXPECT_EQ(bare.state, CallState::ended);
}

TEST(Sip, BaresipThatDiedIsACarrierThatFailed) {
  for (const std::string& log : {std::string(), kDialled, kRinging, kAnswered}) {
    const CallReport over = sip_report(log, false);
    EXPECT_EQ(over.state, CallState::ended);
    EXPECT_EQ(over.outcome, Outcome::carrier_failed);
  }
  // The key that was pressed before counts: the desk looks at keys first.
  EXPECT_EQ(sip_report(kAnswered + event('1'), false).keys, "1");
}

TEST(Sip, ALogThatIsCutOffNeverTellsMoreThanTheWhole) {
  const std::string whole =
      kAnswered + event('9') + event('1') + closed("Connection reset by peer");
  const std::string keys = sip_report(whole, true).keys;
  const std::string detail = sip_report(whole, true).detail;
  CallState state = CallState::ringing;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const CallReport seen = sip_report(whole.substr(0, size), true);
    EXPECT_GE(seen.state, state) << size;
    EXPECT_TRUE(keys.starts_with(seen.keys)) << size << ": " << seen.keys;
    EXPECT_EQ(seen.detail, seen.state == CallState::ended ? detail : "");
    state = seen.state;
  }
}

TEST(Sip, AddressOfANumber) {
  EXPECT_EQ(sip_address("sip:{e164}@trunk.example", "+819012345678"),
            "sip:+819012345678@trunk.example");
  EXPECT_EQ(sip_address("sip:{number}@127.0.0.1:5070", "+819012345678"),
            "sip:819012345678@127.0.0.1:5070");
  EXPECT_EQ(sip_address("sip:{national}@pbx;transport=tcp", "+819012345678"),
            "sip:09012345678@pbx;transport=tcp");
  EXPECT_EQ(sip_address("sip:{national}@pbx", "+14155550100"), "sip:14155550100@pbx");
}

TEST(Sip, OptionsThatCannotBe) {
  SipOptions options;
  options.account = "sip:minato@pbx";
  options.target = "sip:{national}@pbx";
  ASSERT_TRUE(sip_carrier(options));
  const auto invalid = [](SipOptions wrong) {
    const auto made = sip_carrier(std::move(wrong));
    return !made && made.error().code == Code::invalid;
  };
  for (const char* account : {"", "minato@pbx", "sip:a@b>;x", "sip:a@b\n<sip:c@d>"}) {
    SipOptions wrong = options;
    wrong.account = account;
    EXPECT_TRUE(invalid(wrong)) << account;
  }
  for (const char* target : {"", "sip:someone@pbx", "{number}@pbx", "sip:{number}@pbx /quit"}) {
    SipOptions wrong = options;
    wrong.target = target;
    EXPECT_TRUE(invalid(wrong)) << target;
  }
  SipOptions wrong = options;
  wrong.password = "a;b";
  EXPECT_TRUE(invalid(wrong));
}

}  // namespace
}  // namespace minato::oncall
