// What alert sources send, and what they must not be able to send.
#include "oncall/inputs.h"

#include <gtest/gtest.h>

namespace minato::oncall {
namespace {

using Kind = Input::Kind;

template <class T>
std::string complaint(const Result<T>& result) {
  if (result) return "taken";
  EXPECT_EQ(result.error().code, Code::invalid);
  return result.error().message;
}

TEST(PlainInput, WholeAndLeast) {
  const auto whole = plain_input(
      R"({"key":"load/orders","severity":"warning","title":"t","text":"x","team":"data",)"
      R"("labels":{"host":"db01","n":1,"none":null,"list":[1,2]}})");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->kind, Kind::trigger);
  EXPECT_EQ(whole->alarm.key, "load/orders");
  EXPECT_EQ(whole->alarm.source, "api");
  EXPECT_EQ(whole->alarm.severity, Severity::warning);
  EXPECT_EQ(whole->alarm.team, "data");
  EXPECT_EQ(whole->alarm.labels.at("host"), "db01");
  EXPECT_EQ(whole->alarm.labels.at("n"), "1");
  EXPECT_EQ(whole->alarm.labels.at("none"), "");
  EXPECT_EQ(whole->alarm.labels.at("list"), "[1,2]");
  const auto least = plain_input(R"({"key":"k","title":"t"})");
  ASSERT_TRUE(least);
  EXPECT_EQ(least->alarm.severity, Severity::critical);
  EXPECT_EQ(least->alarm.team, "");
}

TEST(PlainInput, BadInputSaysWhatToWrite) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "not JSON"},
      {"{", "not JSON"},
      {"[]", "must be a JSON object"},
      {"{\"key\":\"\xff\",\"title\":\"t\"}", "not JSON"},
      {R"({"title":"t"})", "`key` is missing"},
      {R"({"key":"","title":"t"})", "`key` is missing"},
      {R"({"key":"k"})", "`title` is missing"},
      {R"({"key":1,"title":"t"})", "`key` must be a text"},
      {R"({"key":"k","title":{}})", "`title` must be a text"},
      {R"({"key":"k","title":"t","severity":"hot"})", "info, warning, error or critical"},
      {R"({"key":"k","title":"t","label":{}})", "no member `label`"},
      {R"({"key":"k","title":"t","labels":[]})", "`labels` must be an object"},
  };
  for (const auto& [body, words] : cases) {
    EXPECT_NE(complaint(plain_input(body)).find(words), std::string::npos) << body;
  }
}

TEST(AllInputs, NestedBodiesAreRefusedBeforeTheyUseUpTheStack) {
  const std::size_t many = 1'000'000;
  const std::string deep = std::string(many, '[') + std::string(many, ']');
  EXPECT_NE(complaint(plain_input(R"({"key":"k","title":"t","labels":{"a":)" + deep + "}}"))
                .find("nested"),
            std::string::npos);
  EXPECT_NE(complaint(pagerduty_input(R"({"payload":{"custom_details":{"a":)" + deep + "}}}"))
                .find("nested"),
            std::string::npos);
  EXPECT_NE(complaint(zabbix_input(deep)).find("nested"), std::string::npos);
  EXPECT_NE(complaint(alertmanager_input(deep, "")).find("nested"), std::string::npos);
  // Brackets within texts are text.
  const std::string text = R"([[\"[\\)" + std::string(200, '[');
  EXPECT_TRUE(plain_input(R"({"key":"k","title":"t","text":")" + text + "\"}"));
}

std::string zabbix(const std::string& more) {
  return R"({"event_id":"77","event_name":"disk full","event_opdata":"3 %","host_name":"db01",)"
         R"("trigger_id":"5","event_tags":"a:b","team":"data",)" +
         more + "}";
}

TEST(ZabbixInput, FromProblemToRecovery) {
  const auto problem = zabbix_input(zabbix(R"("event_value":"1","event_nseverity":"4")"));
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->kind, Kind::trigger);
  EXPECT_EQ(problem->alarm.key, "zabbix/77");
  EXPECT_EQ(problem->alarm.title, "disk full");
  EXPECT_EQ(problem->alarm.text, "3 %");
  EXPECT_EQ(problem->alarm.labels.at("host"), "db01");
  EXPECT_EQ(problem->alarm.labels.at("zabbix_event"), "77");
  EXPECT_EQ(problem->alarm.severity, Severity::critical);
  const auto kind = [](const std::string& more) {
    const auto input = zabbix_input(zabbix(more));
    EXPECT_TRUE(input);
    EXPECT_EQ(input->alarm.key, "zabbix/77");
    EXPECT_EQ(input->alarm.source, "zabbix");
    return input->kind;
  };
  const std::string update = R"("event_value":"1","event_update_status":"1",)";
  EXPECT_EQ(kind(update + R"("event_ack_status":"Yes")"), Kind::acknowledge);
  EXPECT_EQ(kind(update + R"("event_ack_status":"No")"), Kind::trigger);
  EXPECT_EQ(kind(R"("event_value":"0")"), Kind::resolve);
  EXPECT_EQ(kind(R"("event_value":0)"), Kind::resolve);
}

TEST(ZabbixInput, SeveritiesAndBadInput) {
  const std::vector<Severity> expected{Severity::info,  Severity::info,     Severity::warning,
                                       Severity::error, Severity::critical, Severity::critical};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto input =
        zabbix_input(zabbix(R"("event_value":"1","event_nseverity":")" + std::to_string(i) + "\""));
    ASSERT_TRUE(input);
    EXPECT_EQ(input->alarm.severity, expected[i]) << i;
  }
  EXPECT_NE(complaint(zabbix_input(R"({"event_value":"1"})")).find("`event_id`"),
            std::string::npos);
  EXPECT_NE(complaint(zabbix_input(zabbix(R"("event_value":"{EVENT.VALUE}")"))).find("must be 1"),
            std::string::npos);
}

TEST(AlertmanagerInput, OneForEachAlert) {
  const auto inputs = alertmanager_input(
      R"({"version":"4","status":"firing","alerts":[
        {"status":"firing","fingerprint":"f1","labels":{"alertname":"Down","severity":"warning",
         "instance":"db01:9100","team":"web"},"annotations":{"summary":"s","description":"d"}},
        {"status":"resolved","fingerprint":"f2","labels":{"alertname":"Down"}},
        {"status":"firing","labels":{"alertname":"NoPrint"},"annotations":{}}]})",
      "");
  ASSERT_TRUE(inputs);
  ASSERT_EQ(inputs->size(), 3U);
  const Alarm& first = (*inputs)[0].alarm;
  EXPECT_EQ(first.key, "alertmanager/f1");
  EXPECT_EQ(first.title, "s");
  EXPECT_EQ(first.text, "d");
  EXPECT_EQ(first.team, "web");
  EXPECT_EQ(first.severity, Severity::warning);
  EXPECT_EQ(first.labels.at("host"), "db01:9100");
  EXPECT_EQ((*inputs)[1].kind, Kind::resolve);
  EXPECT_EQ((*inputs)[1].alarm.key, "alertmanager/f2");
  EXPECT_EQ((*inputs)[2].alarm.title, "NoPrint");
  EXPECT_EQ((*inputs)[2].alarm.severity, Severity::critical);
  EXPECT_EQ((*inputs)[2].alarm.key.size(), std::string("alertmanager/").size() + 32);
}

TEST(AlertmanagerInput, TheTeamOfTheUrlWinsAndUnknownSeveritiesAreCritical) {
  const auto inputs = alertmanager_input(
      R"({"alerts":[{"fingerprint":"f","labels":{"team":"web","severity":"sev1"}},
                    {"fingerprint":"g","labels":{"severity":"none"}}]})",
      "data");
  ASSERT_TRUE(inputs);
  EXPECT_EQ((*inputs)[0].alarm.team, "data");
  EXPECT_EQ((*inputs)[0].alarm.severity, Severity::critical);
  EXPECT_EQ((*inputs)[1].alarm.severity, Severity::info);  // Prometheus's Watchdog
  EXPECT_TRUE(alertmanager_input(R"({"alerts":[]})", "")->empty());
  EXPECT_NE(complaint(alertmanager_input("{}", "")).find("`alerts` is missing"), std::string::npos);
  EXPECT_NE(complaint(alertmanager_input(R"({"alerts":[1]})", "")).find("objects"),
            std::string::npos);
  EXPECT_TRUE(alertmanager_input(R"({"alerts":[{"labels":3,"annotations":[]}]})", ""));
}

TEST(PagerdutyInput, TriggerAcknowledgeResolve) {
  const auto trigger = pagerduty_input(
      R"({"routing_key":"r","event_action":"trigger","dedup_key":"d","client":"c","links":[],
          "images":[],"payload":{"summary":"s","source":"db01","severity":"error",
          "component":"disk","group":"g","class":"k","custom_details":{"load":0.75}}})");
  ASSERT_TRUE(trigger);
  EXPECT_EQ(trigger->routing_key, "r");
  EXPECT_EQ(trigger->dedup_key, "d");
  EXPECT_EQ(trigger->input.alarm.key, "pagerduty/d");
  EXPECT_EQ(trigger->input.alarm.title, "s");
  EXPECT_EQ(trigger->input.alarm.severity, Severity::error);
  EXPECT_EQ(trigger->input.alarm.labels.at("host"), "db01");
  EXPECT_EQ(trigger->input.alarm.labels.at("load"), "0.75");
  EXPECT_EQ(trigger->input.alarm.labels.at("class"), "k");
  for (const auto& [action, kind] :
       {std::pair{"acknowledge", Kind::acknowledge}, std::pair{"resolve", Kind::resolve}}) {
    const auto input = pagerduty_input(R"({"routing_key":"r","dedup_key":"d","event_action":")" +
                                       std::string(action) + "\"}");
    ASSERT_TRUE(input);
    EXPECT_EQ(input->input.kind, kind);
    EXPECT_EQ(input->input.alarm.key, "pagerduty/d");
  }
}

TEST(PagerdutyInput, BadInput) {
  const std::string payload = R"("payload":{"summary":"s","source":"x","severity":"info"})";
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"event_action":"trigger"})", "routing_key"},
      {R"({"routing_key":"r"})", "event_action"},
      {R"({"routing_key":"r","event_action":"open",)" + payload + "}", "event_action"},
      {R"({"routing_key":"r","event_action":"trigger"})", "summary"},
      {R"({"routing_key":"r","event_action":"trigger","payload":[]})", "summary"},
      {R"({"routing_key":"r","event_action":"trigger","payload":{"summary":"s"}})", "source"},
      {R"({"routing_key":"r","event_action":"resolve"})", "dedup_key"},
  };
  for (const auto& [body, words] : cases) {
    EXPECT_NE(complaint(pagerduty_input(body)).find(words), std::string::npos) << body;
  }
  const std::string body = R"({"routing_key":"r","event_action":"trigger",)" + payload + "}";
  EXPECT_EQ(pagerduty_input(body)->dedup_key, pagerduty_input(body)->dedup_key);
  EXPECT_NE(pagerduty_input(body)->dedup_key, pagerduty_input(body + " ")->dedup_key);
}

TEST(LogAlarm, KeysAreShortAndOwn) {
  const std::string name(400, 'x');
  const Alarm one = log_alarm("monitor", "data", Severity::error, name, "text");
  EXPECT_LT(one.key.size(), 100U);
  EXPECT_EQ(one.title, name);
  EXPECT_EQ(one.text, "text");
  EXPECT_EQ(one.labels.at("host"), "monitor");
  EXPECT_NE(one.key, log_alarm("other", "data", Severity::error, name, "text").key);
  EXPECT_EQ(one.key, log_alarm("monitor", "web", Severity::info, name, "").key);
}

}  // namespace
}  // namespace minato::oncall
