// Amazon Connect as a carrier (API model "connect" 2017-08-08). A call runs a contact flow of ours
// that reads the message and writes the pressed key into the contact's attributes, which are
// polled: no inbound port, no Lambda, no queue. Promises: one call per attempt (the attempt's id is
// the ClientToken, which Connect honours for 7 days); never over 2 requests a second per API.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "oncall/carrier.h"
#include "oncall/carriers/seams.h"

namespace minato::oncall {

struct ConnectOptions {
  std::string region;
  std::string endpoint;  // base URL; empty: https://connect.REGION.amazonaws.com
  std::string instance_id;
  std::string contact_flow_id;
  std::string source_phone_number;  // E.164; claimed in the instance
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;      // with temporary credentials
  std::string voice = "Takumi";   // Polly's
  std::string engine = "neural";  // neural | standard | generative
};

/// Error{invalid} names the option that cannot be.
Result<std::unique_ptr<Carrier>> connect_carrier(const ConnectOptions& options,
                                                 Seams seams = default_seams());

/// The contact flow (flow language 2019-10-30) for the voice, as JSON: the message up to three
/// times; key 1 acknowledges, 2 passes, 9 repeats.
std::string contact_flow(const ConnectOptions& options);

/// Creates the flow of that name, or gives it our content when there is one. Returns its id, to be
/// written into the configuration. Error{invalid} shows what Connect finds wrong with the flow.
Result<std::string> install_flow(const ConnectOptions& options, const std::string& name,
                                 const Seams& seams = default_seams());

/// Pure parts.
namespace connect {
/// The body of StartOutboundVoiceContact. Error{invalid}: this number cannot be called.
Result<std::string> start_body(const ConnectOptions& options, const Call& call);
/// From the answers of DescribeContact and GetContactAttributes; `ended_by_us`: we stopped it.
Result<CallReport> report(std::string_view contact, std::string_view attributes, bool ended_by_us);
/// How a call that nobody answered ended, by Connect's DisconnectReason.
Outcome unanswered(std::string_view disconnect_reason, bool ended_by_us);
}  // namespace connect

}  // namespace minato::oncall
