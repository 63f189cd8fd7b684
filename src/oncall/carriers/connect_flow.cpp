// The contact flow that Minato installs (Amazon Connect flow language, version 2019-10-30), and
// its installation. What the flow writes into attributes: "keys" is 1 or 2, "repeated" is 9.
#include <nlohmann/json.hpp>

#include "oncall/carriers/connect_client.h"

namespace minato::oncall {
namespace {

using Json = nlohmann::json;
using connect::Api;
using std::chrono::milliseconds;

constexpr int kPagesMax = 50;

Json action(const char* id, const char* type, Json parameters, Json transitions) {
  return {{"Identifier", id},
          {"Type", type},
          {"Parameters", std::move(parameters)},
          {"Transitions", std::move(transitions)}};
}

Json when(const char* operand, const char* next) {
  return {{"NextAction", next},
          {"Condition", {{"Operator", "Equals"}, {"Operands", Json::array({operand})}}}};
}

Json on_error(const char* type, const char* next) {
  return {{"NextAction", next}, {"ErrorType", type}};
}

Json then(const char* next, const char* when_failed) {
  return {{"NextAction", next},
          {"Conditions", Json::array()},
          {"Errors", Json::array({on_error("NoMatchingError", when_failed)})}};
}

/// Says and takes one key. Nothing pressed, or another key: `quiet`; cannot be said: `failed`.
Json ask_for_key(const char* id, const char* what, const char* source, const char* failed) {
  return action(id, "GetParticipantInput",
                {{what, source}, {"StoreInput", "False"}, {"InputTimeLimitSeconds", "5"}},
                {{"NextAction", "round"},
                 {"Conditions", Json::array({when("1", "acknowledged"), when("2", "passed"),
                                             when("9", "repeated")})},
                 {"Errors", Json::array({on_error("InputTimeLimitExceeded", "round"),
                                         on_error("NoMatchingCondition", "round"),
                                         on_error("NoMatchingError", failed)})}});
}

Json write_key(const char* id, const char* name, const char* key, const char* next,
               const char* when_failed) {
  return action(id, "UpdateContactAttributes",
                {{"Attributes", {{name, key}}}, {"TargetContact", "Current"}},
                then(next, when_failed));
}

bool japanese(const std::string& voice) {
  return voice == "Takumi" || voice == "Mizuki" || voice == "Kazuha" || voice == "Tomoko";
}

Json actions_of(const ConnectOptions& options) {
  std::string engine = options.engine;
  if (!engine.empty() && engine[0] >= 'a' && engine[0] <= 'z') engine[0] -= 32;  // "Neural"
  const char* thanks = japanese(options.voice) ? "承知しました。ありがとうございます。"
                                               : "Thank you. The alarm is yours.";
  Json actions = Json::array();
  actions.push_back(action("voice", "UpdateContactTextToSpeechVoice",
                           {{"TextToSpeechVoice", options.voice},
                            {"TextToSpeechEngine", engine},
                            {"TextToSpeechStyle", "None"}},
                           then("round", "round")));
  actions.push_back(action(
      "round", "Loop", {{"LoopCount", "3"}},
      {{"NextAction", "end"},
       {"Conditions", Json::array({when("ContinueLooping", "ask"), when("DoneLooping", "end")})},
       {"Errors", Json::array()}}));
  actions.push_back(ask_for_key("ask", "SSML", "$.Attributes.ssml", "ask_plain"));
  // A voice that does not take the SSML says the bare words.
  actions.push_back(ask_for_key("ask_plain", "Text", "$.Attributes.text", "round"));
  // A key that cannot be written down was not pressed: the person is asked again.
  actions.push_back(write_key("acknowledged", "keys", "1", "thanks", "round"));
  actions.push_back(write_key("passed", "keys", "2", "end", "round"));
  // Asked for, so it is none of the three times.
  actions.push_back(write_key("repeated", "repeated", "9", "ask", "round"));
  actions.push_back(action("thanks", "MessageParticipant", {{"Text", thanks}}, then("end", "end")));
  actions.push_back(action("end", "DisconnectParticipant", Json::object(), Json::object()));
  return actions;
}

Result<Json> answer_of(connect::Client& client, const connect::Ask& ask, std::string_view what) {
  TRY_ASSIGN(const auto response, client.ask(ask));
  if (response.status == 200) {
    Json answer = Json::parse(response.body, nullptr, false);
    if (answer.is_object()) return answer;
    if (response.body.empty()) return Json::object();
    return fail(Code::unavailable, std::string(what) + "The answer cannot be read.");
  }
  const connect::Refusal refused = connect::refusal(response);
  Error error = client.error_of(response, what);
  if (!refused.problems.empty()) {
    error.code = Code::invalid;
    error.message = std::string(what) + "Amazon Connect finds wrong with the flow:";
    for (const std::string& problem : refused.problems) error.message += "\n  " + problem;
    error.message += "\nIs there the voice " + client.options().voice + " with the engine " +
                     client.options().engine + " in this region?";
  } else if (refused.type == "DuplicateResourceException") {
    error.code = Code::exists;
    error.message = std::string(what) + "There is a flow of this name that is not listed for us.";
  }
  return fail(std::move(error));
}

struct Flow {
  std::string id;
  bool archived = false;
};

Result<Flow> find_flow(connect::Client& client, const std::string& name) {
  std::string token;
  const auto text = [](const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  for (int page = 0; page < kPagesMax; ++page) {
    std::string query = "?contactFlowTypes=CONTACT_FLOW&maxResults=100";
    if (!token.empty()) query += "&nextToken=" + runtime::percent_encode(token);
    TRY_ASSIGN(const Json answer,
               answer_of(client,
                         {Api::list, "GET", client.instance_path("/contact-flows-summary/", query),
                          "", milliseconds(15'000)},
                         "The flows could not be listed. "));
    if (const auto flows = answer.find("ContactFlowSummaryList");
        flows != answer.end() && flows->is_array()) {
      for (const Json& flow : *flows) {
        if (flow.is_object() && text(flow, "Name") == name) {
          return Flow{text(flow, "Id"), text(flow, "ContactFlowState") == "ARCHIVED"};
        }
      }
    }
    token = text(answer, "NextToken");
    if (token.empty()) return Flow{};
  }
  return fail(Code::exhausted, "The instance has more than 5,000 flows.");
}

}  // namespace

std::string contact_flow(const ConnectOptions& options) {
  const Json actions = actions_of(options);
  // Places in the visual editor: in one row, readable.
  Json places = Json::object();
  int column = 0;
  for (const Json& each : actions) {
    places[each["Identifier"].get<std::string>()] = {
        {"position", {{"x", 160 + 260 * column}, {"y", column % 2 == 0 ? 40 : 260}}}};
    ++column;
  }
  return Json{
      {"Version", "2019-10-30"},
      {"StartAction", "voice"},
      {"Metadata", {{"entryPointPosition", {{"x", 20}, {"y", 40}}}, {"ActionMetadata", places}}},
      {"Actions", actions}}
      .dump();
}

Result<std::string> install_flow(const ConnectOptions& options, const std::string& name,
                                 const Seams& seams) {
  if (name.empty()) return fail(Code::invalid, "The flow needs a name.");
  connect::Client client(options, seams);
  TRY_ASSIGN(const Flow flow, find_flow(client, name));
  if (flow.archived) {
    return fail(Code::conflict, "The flow " + name +
                                    " is archived. Restore it in Amazon Connect, or take another "
                                    "name.");
  }
  if (!flow.id.empty()) {
    const Json body{{"Content", contact_flow(options)}};
    TRY_ASSIGN([[maybe_unused]] const Json done,
               answer_of(client,
                         {Api::update, "POST",
                          client.instance_path("/contact-flows/",
                                               "/" + runtime::percent_encode(flow.id) + "/content"),
                          body.dump(), milliseconds(15'000)},
                         "The flow " + name + " was not updated. "));
    return flow.id;
  }
  const Json body{{"Name", name},
                  {"Type", "CONTACT_FLOW"},
                  {"Description", "Minato's on-call: reads a message, takes a key."},
                  {"Content", contact_flow(options)},
                  {"Status", "PUBLISHED"}};
  TRY_ASSIGN(
      const Json made,
      answer_of(client,
                {Api::create, "PUT", client.instance_path("/contact-flows/", ""),
                 body.dump(-1, ' ', false, Json::error_handler_t::replace), milliseconds(15'000)},
                "The flow " + name + " was not created. "));
  const auto id = made.find("ContactFlowId");
  if (id == made.end() || !id->is_string()) {
    return fail(Code::in_doubt, "Amazon Connect's answer has no ContactFlowId: install it again.");
  }
  return id->get<std::string>();
}

}  // namespace minato::oncall
