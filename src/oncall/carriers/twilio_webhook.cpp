#include "oncall/carriers/twilio_webhook.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "oncall/carriers/spoken.h"

namespace minato::oncall {
namespace {

constexpr std::string_view kHead = R"(<?xml version="1.0" encoding="UTF-8"?>)";
constexpr std::size_t kSayMax = 4'000;  // Twilio admits 4,096 characters

std::string hmac_sha1_base64(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK(HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest,
             &size) != nullptr);
  std::string base64((size + 2) / 3 * 4 + 1, '\0');
  base64.resize(static_cast<std::size_t>(EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(base64.data()), digest, static_cast<int>(size))));
  return base64;
}

std::string say(const std::string& inside, std::string_view voice) {
  return "<Say language=\"" + std::string(language_of_twilio_voice(voice)) + "\" voice=\"" +
         escape_xml(voice) + "\">" + inside + "</Say>";
}

/// The URL with the port of its scheme written out, and without: Twilio is not consistent in it.
std::vector<std::string> spellings(std::string_view url) {
  std::vector<std::string> all{std::string(url)};
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return all;
  const std::string_view port = url.starts_with("https") ? ":443" : ":80";
  const std::size_t host = scheme + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", host), url.size());
  const std::string_view authority = url.substr(host, end - host);
  const std::string before(url.substr(0, host));
  const std::string after(url.substr(end));
  if (authority.ends_with(port)) {
    all.push_back(before + std::string(authority.substr(0, authority.size() - port.size())) +
                  after);
  } else if (authority.find(
                 ':', authority.rfind(']') == std::string_view::npos ? 0 : authority.rfind(']')) ==
             std::string_view::npos) {
    all.push_back(before + std::string(authority) + std::string(port) + after);
  }
  return all;
}

Outcome outcome_of_failed(std::string_view sip_code) {
  int code = 0;
  std::from_chars(sip_code.data(), sip_code.data() + sip_code.size(), code);
  return outcome_of_sip_status(code);
}

/// Tells why, rather than only that.
bool names_cause(Outcome outcome) {
  return outcome != Outcome::none && outcome != Outcome::no_key &&
         outcome != Outcome::carrier_failed;
}

}  // namespace

Ssml ssml_of_twilio_voice(std::string_view voice) {
  if (!voice.starts_with("Polly.")) return Ssml::none;
  return voice.find('-') == std::string_view::npos ? Ssml::polly_standard : Ssml::polly_neural;
}

std::string_view language_of_twilio_voice(std::string_view voice) {
  for (const std::string_view name : {"Takumi", "Mizuki", "Kazuha", "Tomoko", "ja-JP"}) {
    if (voice.find(name) != std::string_view::npos) return "ja-JP";
  }
  return "en-US";
}

std::string twiml_for(std::string_view speech, std::string_view voice, std::string_view action) {
  return std::string(kHead) +
         "<Response><Gather input=\"dtmf\" numDigits=\"1\" timeout=\"5\" method=\"POST\" "
         "actionOnEmptyResult=\"true\" action=\"" +
         escape_xml(action) + "\">" +
         say(spoken_ssml(speech, ssml_of_twilio_voice(voice), kSayMax), voice) +
         "</Gather></Response>";
}

std::string twiml_one_moment(std::string_view action) {
  return std::string(kHead) +
         "<Response><Gather input=\"dtmf\" numDigits=\"1\" timeout=\"3\" method=\"POST\" "
         "actionOnEmptyResult=\"true\" action=\"" +
         escape_xml(action) + "\"/></Response>";
}

std::string twiml_goodbye(std::string_view text, std::string_view voice) {
  return std::string(kHead) + "<Response>" + (text.empty() ? "" : say(escape_xml(text), voice)) +
         "<Hangup/></Response>";
}

std::string twilio_signature(std::string_view auth_token, std::string_view url,
                             runtime::Fields fields) {
  std::ranges::sort(fields);
  // A field that is there twice with one value counts once, as in Twilio's own libraries.
  fields.erase(std::unique(fields.begin(), fields.end()), fields.end());
  std::string text(url);
  for (const auto& [name, value] : fields) text += name + value;
  return hmac_sha1_base64(auth_token, text);
}

bool valid_signature(const std::vector<std::string>& auth_tokens, std::string_view url,
                     const runtime::Fields& fields, std::string_view signature) {
  bool valid = false;
  for (const std::string& token : auth_tokens) {
    if (token.empty()) continue;
    for (const std::string& spelling : spellings(url)) {
      const std::string expected = twilio_signature(token, spelling, fields);
      // Of the length everybody knows that it is 28. No early end.
      const bool same = expected.size() == signature.size() &&
                        CRYPTO_memcmp(expected.data(), signature.data(), expected.size()) == 0;
      valid = valid || same;
    }
  }
  return valid;
}

std::string_view field_of(const runtime::Fields& fields, std::string_view name) {
  const auto found = std::ranges::find(
      fields, name, [](const auto& field) { return std::string_view(field.first); });
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

CallReport twilio_report(std::string_view status, std::string_view sip_code) {
  CallReport report;
  const auto ended = [&](Outcome outcome) {
    report.state = CallState::ended;
    report.outcome = outcome;
  };
  if (status == "in-progress") report.state = CallState::answered;
  if (status == "completed") ended(Outcome::no_key);
  if (status == "busy") ended(Outcome::busy);
  if (status == "no-answer") ended(Outcome::no_answer);
  if (status == "canceled") ended(Outcome::cancelled);
  if (status == "failed") ended(outcome_of_failed(sip_code));
  report.detail = std::string(status);
  if (!sip_code.empty()) report.detail += ", SIP " + std::string(sip_code);
  return report;
}

CallReport report_of_callback(const runtime::Fields& fields) {
  CallReport report =
      twilio_report(field_of(fields, "CallStatus"), field_of(fields, "SipResponseCode"));
  for (const char c : field_of(fields, "Digits")) {
    if ((c >= '0' && c <= '9') || c == '*' || c == '#') report.keys += c;
  }
  return report;
}

CallReport merged(const CallReport& a, const CallReport& b) {
  CallReport result = a.state >= b.state ? a : b;
  const CallReport& other = a.state >= b.state ? b : a;
  if (result.outcome == Outcome::none ||
      (!names_cause(result.outcome) && names_cause(other.outcome))) {
    result.outcome = other.outcome;
    if (!other.detail.empty()) result.detail = other.detail;
  }
  if (other.keys.size() > result.keys.size()) result.keys = other.keys;
  if (result.state == CallState::ended) {
    if (result.keys.find('2') != std::string::npos) result.outcome = Outcome::passed;
    if (result.keys.find('1') != std::string::npos) result.outcome = Outcome::acknowledged;
  }
  return result;
}

}  // namespace minato::oncall
