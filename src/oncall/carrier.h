// Who carries a call: one small interface over Amazon Connect, Twilio, SIP and the drill.
// Promise: an attempt never makes two calls, whatever dies in between.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "oncall/model.h"

namespace minato::oncall {

/// What is asked of a carrier.
struct Call {
  std::string attempt;            // unique; the carrier's idempotency token where it has one
  std::string phone;              // E.164
  std::chrono::seconds ring{20};  // how long it rings at most
  std::string speech;             // the message with the menu of keys, in Minato's SSML (speech.h)
  std::string language = "ja";    // of the speech
  std::string title;              // for the carrier's own records; no personal data
  SystemTime planned_at{};        // of the attempt: no call of it is older (for `again`)
};

enum class CallState : std::uint8_t { ringing, answered, ended };

/// What is known of a call now. Keys stay in it once they were pressed.
struct CallReport {
  CallState state = CallState::ringing;
  std::string keys;                 // pressed so far, e.g. "91"
  Outcome outcome = Outcome::none;  // when ended; from the network (busy, no_answer …)
  std::string detail;               // for the operator
};

/// By the status of SIP that ended a call which nobody had answered (RFC 3261, section 21).
Outcome outcome_of_sip_status(int status);

class Carrier {
 public:
  virtual ~Carrier() = default;

  /// Places the call and returns the carrier's id of it. `again`: this attempt may have been placed
  /// before (its answer was lost, or Minato died): the same call is returned when it was, and
  /// placed when it was not. Blocking, at most about 15 s. Errors: `invalid`, `not_found`: this
  /// number cannot be called (no other carrier is tried); `in_doubt`: the answer was lost, ask
  /// `again`; all others: the carrier failed, try another.
  virtual Result<std::string> place(const Call& call, bool again) = 0;

  /// Asked every `patience()` while the call lives. Error: could not be asked (ask again later).
  virtual Result<CallReport> look(const std::string& call) = 0;

  /// Ends the call, ringing or answered. Fine when it has ended already.
  virtual Status end(const std::string& call) = 0;

  /// Between two looks at one call.
  virtual std::chrono::milliseconds patience() const = 0;
};

}  // namespace minato::oncall
