// Twilio, and services with the same API (base URL configurable), as a carrier. Acknowledgement by
// webhook: Twilio reaches us at `public_url`; its requests are answered by twilio_webhook.h, and
// what they tell is handed in by tell(). Promise: one call per attempt, though Twilio has no token
// for it: after a lost answer the call is looked for (twilio.cpp says how) before one is placed.
#pragma once

#include <memory>
#include <string>

#include "oncall/carrier.h"
#include "oncall/carriers/seams.h"

namespace minato::oncall {

struct TwilioOptions {
  std::string base_url = "https://api.twilio.com";
  std::string account_sid;
  std::string auth_token;      // signs webhooks; also the password unless there is an API key
  std::string api_key_sid;     // optional
  std::string api_key_secret;  // optional
  std::string from;            // E.164
  std::string public_url;      // "https://minato.example.com", where Twilio reaches us
  std::string voice = "Polly.Takumi";
};

class TwilioCarrier : public Carrier {
 public:
  /// What a webhook told of the attempt's call: its id at Twilio, the key pressed now, state.
  /// Returns what all webhooks told, with all keys. From any thread.
  virtual CallReport tell(const std::string& attempt, const std::string& call,
                          const CallReport& report) = 0;
};

/// Error{invalid} names the option that cannot be.
Result<std::unique_ptr<TwilioCarrier>> twilio_carrier(const TwilioOptions& options,
                                                      Seams seams = default_seams());

/// public_url/twilio/voice?a=ATTEMPT and …/status?a=ATTEMPT: as they are signed.
std::string twilio_voice_url(const TwilioOptions& options, std::string_view attempt);
std::string twilio_status_url(const TwilioOptions& options, std::string_view attempt);

}  // namespace minato::oncall
