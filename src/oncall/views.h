// Incidents, attempts and rotas as JSON, for the API, the command line and hooks. Telephone numbers
// are masked in all of it.
#pragma once

#include <nlohmann/json.hpp>

#include "oncall/cost.h"
#include "oncall/rota.h"

namespace minato::oncall {

using OrderedJson = nlohmann::ordered_json;

OrderedJson view(const Incident& incident);
OrderedJson view(const Attempt& attempt);
OrderedJson view(const Happening& happening);
OrderedJson view(const Change& change);
OrderedJson view(const CostLine& line);
OrderedJson view(const Team& team);
/// Who would be rung now, in order: {"team", "severity", "people": [{"name", "phone"}], "gap"}.
OrderedJson view_of_duty(const Team& team, const std::vector<Change>& changes, SystemTime now,
                         Severity severity);
/// Never throws: what is not UTF-8 is replaced.
std::string text_of(const OrderedJson& json, int indent = -1);

}  // namespace minato::oncall
