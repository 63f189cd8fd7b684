#include "oncall/carrier.h"

namespace minato::oncall {

Outcome outcome_of_sip_status(int status) {
  switch (status) {
    case 486:
    case 600: return Outcome::busy;
    case 408:
    case 480:
    case 487: return Outcome::no_answer;  // switched off, out of reach, rung out
    case 603:
    case 607: return Outcome::rejected;
    case 404:
    case 410:
    case 484:
    case 604: return Outcome::unknown_number;
    default: return Outcome::carrier_failed;
  }
}

}  // namespace minato::oncall
