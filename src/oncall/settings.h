// [oncall] of minato.toml as plain values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/settings.h"
#include "oncall/model.h"

namespace minato::oncall {

struct CarrierSettings {
  std::string name;
  int line = 0;
  std::string kind;      // amazon-connect, twilio, sip, drill
  std::string endpoint;  // another base URL; empty: the service's
  std::string voice;     // empty: the carrier's usual one
  // Amazon Connect
  std::string region;
  std::string instance_id;
  std::string contact_flow_id;
  std::string source_phone_number;
  SecretRef access_key_id;
  SecretRef secret_access_key;
  SecretRef session_token;  // of temporary credentials
  // Twilio: also source_phone_number
  std::string account_sid;
  SecretRef auth_token;
  SecretRef auth_token_before;  // while it is being changed
  std::string public_url;       // where Twilio reaches us: "https://oncall.example"
  // SIP: the account at the provider or exchange
  std::string sip_account;  // "sip:user@host;transport=udp"
  std::string sip_target;   // "sip:{number}@host"; {number}: E.164, {national}: with leading 0
  SecretRef sip_password;
  std::string sip_listen = "0.0.0.0";  // address that it binds
  // Drill: what the person does
  std::string press;  // keys; empty: nobody answers

  std::vector<SecretRef> secrets() const {
    return {access_key_id, secret_access_key, session_token,
            auth_token,    auth_token_before, sip_password};
  }
  bool operator==(const CarrierSettings&) const = default;
};

struct LogDrop {
  std::string name;
  std::string place;  // directory, relative to the platform or absolute
  std::string team;
  Severity severity = Severity::critical;
  // Of a bucket:
  std::string endpoint;  // "https://s3.REGION.amazonaws.com" when empty
  std::string region = "us-east-1";
  SecretRef access_key;
  SecretRef secret_key;
  bool operator==(const LogDrop&) const = default;
};

struct Price {                      // yen
  double voice_per_minute = 0;      // the service itself, per second after 10 s
  double telephony_per_minute = 0;  // the line, per second after a minute
  bool operator==(const Price&) const = default;
};

struct Settings {
  bool given = false;  // minato.toml has [oncall]
  std::string listen = "127.0.0.1";
  int port = 8751;
  std::string tokens_file = "secrets/oncall-tokens";
  std::string default_team;           // empty: the first by name
  std::vector<std::string> carriers;  // in order of preference
  std::map<std::string, CarrierSettings> carrier;
  std::vector<LogDrop> log_drops;
  std::string zabbix_url;  // of its frontend; empty: acknowledgements are not written back
  SecretRef zabbix_token;
  int silence_seconds = 60;             // of Minato's other roles, until it rings; 0: never
  std::string platform_team;            // whom Minato's own incidents ring; empty: the default team
  std::map<std::string, Price> prices;  // by carrier
  bool operator==(const Settings&) const = default;
};

}  // namespace minato::oncall
