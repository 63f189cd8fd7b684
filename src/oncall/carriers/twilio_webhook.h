// What Twilio asks of us while a call lives, and what it tells: TwiML, signatures, status
// callbacks. Pure functions, no sockets. Promise: a request that Twilio did not sign is never
// believed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oncall/carrier.h"
#include "oncall/speech/speech.h"
#include "runtime/http_client.h"

namespace minato::oncall {

/// What a voice of <Say> understands: "Polly.Takumi" is a standard voice, "Polly.Takumi-Neural" a
/// neural one; others get plain text.
Ssml ssml_of_twilio_voice(std::string_view voice);
/// "ja-JP" for the Japanese voices of Polly, else "en-US".
std::string_view language_of_twilio_voice(std::string_view voice);

/// Reads the message and takes one key, which is posted to `action` (also when none was pressed,
/// with empty Digits). `speech` is Minato's SSML.
std::string twiml_for(std::string_view speech, std::string_view voice, std::string_view action);
/// When the answer is not at hand within a second: a pause in which keys are taken, then it is
/// asked for again.
std::string twiml_one_moment(std::string_view action);
/// Ends the call; `text` is said before when not empty (plain text).
std::string twiml_goodbye(std::string_view text, std::string_view voice);

/// X-Twilio-Signature over the full URL (with its query) and the form fields in any order. Takes as
/// long whatever is wrong. Two tokens while they are rotated; empty tokens sign nothing.
bool valid_signature(const std::vector<std::string>& auth_tokens, std::string_view url,
                     const runtime::Fields& fields, std::string_view signature);
/// As Twilio makes it; for tests and fakes.
std::string twilio_signature(std::string_view auth_token, std::string_view url,
                             runtime::Fields fields);

/// The first field of that name; "" when there is none.
std::string_view field_of(const runtime::Fields& fields, std::string_view name);

/// From the fields of a webhook (CallStatus, SipResponseCode, Digits …) or of the Call resource.
CallReport twilio_report(std::string_view status, std::string_view sip_code);
CallReport report_of_callback(const runtime::Fields& fields);

/// Two views of one call. Callbacks come late and out of order: the later state wins, and an
/// outcome that names a cause wins over one that does not.
CallReport merged(const CallReport& a, const CallReport& b);

}  // namespace minato::oncall
