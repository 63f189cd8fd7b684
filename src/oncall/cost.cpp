#include "oncall/cost.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace minato::oncall {
namespace {

constexpr double kYenPerDollar = 150;  // prices in dollars, at a round rate; set your own

}  // namespace

Price usual_price(const std::string& kind) {
  // Amazon Connect in Tokyo: 0.018 USD a minute for voice, and its rate for Japanese mobiles.
  if (kind == "amazon-connect") return {0.018 * kYenPerDollar, 0.1051 * kYenPerDollar};
  if (kind == "twilio") return {0, 16.2};
  return {};
}

double yen_of_call(const Price& price, std::int64_t seconds) {
  if (seconds <= 0) return 0;
  const auto voice = static_cast<double>(std::max<std::int64_t>(seconds, 10));
  const auto line = static_cast<double>(std::max<std::int64_t>(seconds, 60));
  return price.voice_per_minute * voice / 60 + price.telephony_per_minute * line / 60;
}

PriceTable prices_of(const Settings& settings) {
  PriceTable out;
  for (const auto& [name, carrier] : settings.carrier) out[name] = usual_price(carrier.kind);
  for (const auto& [name, price] : settings.prices) out[name] = price;
  return out;
}

std::vector<CostLine> costs(const std::vector<Attempt>& attempts, const PriceTable& prices) {
  std::map<std::pair<std::string, std::string>, CostLine> lines;
  for (const Attempt& attempt : attempts) {
    if (!attempt.placed_at) continue;
    const std::string month = rfc3339(*attempt.placed_at).substr(0, 7);
    CostLine& line = lines[{month, attempt.carrier}];
    line.month = month;
    line.carrier = attempt.carrier;
    line.calls += 1;
    if (!attempt.answered_at || !attempt.ended_at) continue;
    const auto took =
        std::chrono::ceil<std::chrono::seconds>(*attempt.ended_at - *attempt.answered_at);
    const std::int64_t seconds = std::max<std::int64_t>(took.count(), 1);
    line.answered += 1;
    line.seconds += seconds;
    const auto price = prices.find(attempt.carrier);
    if (price != prices.end()) line.yen += yen_of_call(price->second, seconds);
  }
  std::vector<CostLine> out;
  for (auto& [key, line] : lines) {
    line.yen = std::round(line.yen * 100) / 100;
    out.push_back(line);
  }
  return out;
}

Result<std::pair<SystemTime, SystemTime>> month_of(const std::string& text) {
  using namespace std::chrono;
  int year_number = 0;
  unsigned month_number = 0;
  const char* end = text.data() + text.size();
  const bool good =
      text.size() == 7 && text[4] == '-' &&
      std::from_chars(text.data(), text.data() + 4, year_number).ptr == text.data() + 4 &&
      std::from_chars(text.data() + 5, end, month_number).ptr == end;
  const year_month wanted{year(year_number), month(month_number)};
  if (!good || !wanted.ok()) {
    return fail(Code::invalid, "\"" + text + "\" is not a month. Write 2026-11.");
  }
  return std::pair{SystemTime(sys_days(wanted / 1)),
                   SystemTime(sys_days((wanted + months(1)) / 1))};
}

}  // namespace minato::oncall
