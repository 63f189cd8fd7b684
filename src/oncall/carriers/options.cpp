#include "oncall/carriers/options.h"

#include <algorithm>

#include "base/log.h"
#include "oncall/carriers/twilio_webhook.h"

namespace minato::oncall {
namespace {

using runtime::HttpAnswer;
using std::chrono::milliseconds;

// Twilio gives up after 15 s; a person hears silence meanwhile.
constexpr milliseconds kAnswersWithin{600};

HttpAnswer twiml(std::string text) { return {200, "text/xml; charset=utf-8", std::move(text), {}}; }

HttpAnswer answer_signed(const TwilioDoor& door, Switchboard& board, const std::string& path,
                         const std::string& attempt, const runtime::Fields& fields) {
  const CallReport report = report_of_callback(fields);
  // Known at once to the thread that follows the call; the journal may take longer.
  const CallReport all =
      door.carrier->tell(attempt, std::string(field_of(fields, "CallSid")), report);
  const auto speech = std::make_shared<std::string>();  // the work may outlive this function
  const Status told =
      board.run_within(kAnswersWithin, [attempt, all, speech](Desk& desk) -> Status {
        TRY(desk.reported(attempt, all));
        *speech = desk.speech_of(attempt);
        return {};
      });
  if (path == "/twilio/status") return {204, "text/plain", "", {}};
  const std::string url = twilio_voice_url(door.options, attempt);
  if (!told) return twiml(twiml_one_moment(url));
  const std::string& voice = door.options.voice;
  if (report.keys.find_first_of("12") != std::string::npos) {
    const bool taken = report.keys.find('1') < report.keys.find('2');
    const bool english = language_of_twilio_voice(voice) != "ja-JP";
    const std::string thanks =
        taken ? (english ? "Thank you." : "確認しました。")
              : (english ? "Calling the next person." : "次の人に連絡します。");
    return twiml(twiml_goodbye(thanks, voice));
  }
  return twiml(speech->empty() ? twiml_goodbye("", voice) : twiml_for(*speech, voice, url));
}

}  // namespace

Result<ConnectOptions> connect_options(const CarrierSettings& s,
                                       const std::filesystem::path& directory) {
  ConnectOptions out;
  out.region = s.region;
  out.endpoint = s.endpoint;
  out.instance_id = s.instance_id;
  out.contact_flow_id = s.contact_flow_id;
  out.source_phone_number = s.source_phone_number;
  TRY_ASSIGN(out.access_key_id, read_secret(s.access_key_id, directory, "access_key_id"));
  TRY_ASSIGN(out.secret_access_key,
             read_secret(s.secret_access_key, directory, "secret_access_key"));
  TRY_ASSIGN(out.session_token, read_secret(s.session_token, directory, "session_token"));
  if (!s.voice.empty()) out.voice = s.voice;
  if (s.voice == "Mizuki") out.engine = "standard";  // the only one that it has
  return out;
}

Result<TwilioOptions> twilio_options(const CarrierSettings& s,
                                     const std::filesystem::path& directory) {
  TwilioOptions out;
  if (!s.endpoint.empty()) out.base_url = s.endpoint;
  out.account_sid = s.account_sid;
  TRY_ASSIGN(out.auth_token, read_secret(s.auth_token, directory, "auth_token"));
  out.from = s.source_phone_number;
  out.public_url = s.public_url;
  while (out.public_url.ends_with('/')) out.public_url.pop_back();  // signed is what we dictate
  if (!s.voice.empty()) out.voice = s.voice;
  return out;
}

Result<TwilioDoor> twilio_door(const CarrierSettings& s, const std::filesystem::path& directory,
                               std::shared_ptr<TwilioCarrier> carrier) {
  TwilioDoor out;
  out.carrier = std::move(carrier);
  TRY_ASSIGN(out.options, twilio_options(s, directory));
  out.tokens.push_back(out.options.auth_token);
  TRY_ASSIGN(const std::string before,
             read_secret(s.auth_token_before, directory, "auth_token_before"));
  if (!before.empty()) out.tokens.push_back(before);
  return out;
}

HttpAnswer answer_twilio(const std::vector<TwilioDoor>& doors, Switchboard& board,
                         const runtime::HttpCall& call) {
  const runtime::Fields fields = runtime::form_decode(call.body);
  const auto header = call.headers.find("x-twilio-signature");
  const auto signs = [&](const TwilioDoor& door) {
    return header != call.headers.end() &&
           valid_signature(door.tokens, door.options.public_url + call.target, fields,
                           header->second);
  };
  const auto door = std::ranges::find_if(doors, signs);
  if (door == doors.end()) {
    log::warn("oncall.forged", {{"path", call.target.substr(0, call.target.find('?'))}});
    return {403, "application/json", "{\"error\":\"This is not signed by Twilio.\"}\n", {}};
  }
  const std::size_t mark = call.target.find("?a=");
  if (mark == std::string::npos) return {404, "application/json", "{}", {}};
  const std::string path = call.target.substr(0, mark);
  return answer_signed(*door, board, path, runtime::percent_decode(call.target.substr(mark + 3)),
                       fields);
}

}  // namespace minato::oncall
