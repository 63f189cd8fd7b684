// From settings to carriers' options: secrets are read here and nowhere else.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "oncall/carriers/connect.h"
#include "oncall/carriers/twilio.h"
#include "oncall/settings.h"
#include "oncall/switchboard.h"
#include "runtime/http_server.h"

namespace minato::oncall {

/// Error{not_found} names the secret that is missing.
Result<ConnectOptions> connect_options(const CarrierSettings& settings,
                                       const std::filesystem::path& directory);
Result<TwilioOptions> twilio_options(const CarrierSettings& settings,
                                     const std::filesystem::path& directory);

/// What is needed to answer the webhooks of one Twilio carrier.
struct TwilioDoor {
  std::shared_ptr<TwilioCarrier> carrier;
  TwilioOptions options;
  std::vector<std::string> tokens;  // that may sign; two while one is being changed
};
Result<TwilioDoor> twilio_door(const CarrierSettings& settings,
                               const std::filesystem::path& directory,
                               std::shared_ptr<TwilioCarrier> carrier);

/// /twilio/voice, /twilio/key, /twilio/status: answered within a second, also while the journal is
/// busy. The door is the one whose token signed; 403 when none did.
runtime::HttpAnswer answer_twilio(const std::vector<TwilioDoor>& doors, Switchboard& board,
                                  const runtime::HttpCall& call);

}  // namespace minato::oncall
