// What calls cost: from recorded attempts and a table of prices, to be compared with a bill.
#pragma once

#include "oncall/settings.h"

namespace minato::oncall {

using PriceTable = std::map<std::string, Price>;  // by carrier

struct CostLine {
  std::string month;  // "2026-11", UTC as bills are
  std::string carrier;
  std::int64_t calls = 0;     // placed
  std::int64_t answered = 0;  // only these are charged
  std::int64_t seconds = 0;   // of answered calls
  double yen = 0;
};

/// Usual prices by kind of carrier; those of minato.toml take their place.
Price usual_price(const std::string& kind);

/// One answered call of so many seconds: the service per second with a least charge of 10 s, the
/// line per second with a least charge of a minute. Not answered: nothing.
double yen_of_call(const Price& price, std::int64_t seconds);

/// Those of all carriers.
PriceTable prices_of(const Settings& settings);

/// Lines by month and carrier, in order.
std::vector<CostLine> costs(const std::vector<Attempt>& attempts, const PriceTable& prices);

/// The first and the following month's first moment of "2026-11". Error{invalid}.
Result<std::pair<SystemTime, SystemTime>> month_of(const std::string& text);

}  // namespace minato::oncall
