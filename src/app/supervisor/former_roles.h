// What a killed `minato serve` leaves: its roles die with it, but the kernel takes its time to free
// their memory, and as long as that lasts they hold their ports.
#pragma once

#include "app/platform.h"
#include "base/result.h"

namespace minato::app {

/// Returns once no role of an earlier `minato serve` on this platform lives any more; on-call,
/// which is meant to outlive it, is not waited for. Error{unavailable} after ten seconds. Call it
/// with the platform's lock held.
Status await_former_roles(const Platform& platform);

}  // namespace minato::app
