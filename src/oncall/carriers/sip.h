// Calls by SIP through baresip: no account at a service is needed, a telephone exchange or a
// provider of SIP will do. Each call is a baresip of its own, which outlives Minato; what happened
// in the call is read from its log. Promise: an attempt that has a log is never dialled again.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "oncall/carrier.h"

namespace minato::oncall {

struct SipOptions {
  std::filesystem::path directory;  // one directory a call below it, removed after a day
  std::string account;              // "sip:user@host;transport=udp"
  std::string password;             // of the account; empty: none
  /// {e164} +819012345678, {number} 819012345678, {national} 09012345678 (Japan's only).
  std::string target;
  std::string listen = "0.0.0.0";  // the address that baresip binds for SIP
  std::filesystem::path htsvoice;  // empty: the built-in one
  std::string program = "baresip";
};

/// Error{invalid} names the option that cannot be.
Result<std::shared_ptr<Carrier>> sip_carrier(SipOptions options);

/// What baresip's log says of its only call; `alive`: it runs yet. Pure.
CallReport sip_report(const std::string& log, bool alive);

/// The target with the number put in.
std::string sip_address(const std::string& target, const std::string& phone);

}  // namespace minato::oncall
