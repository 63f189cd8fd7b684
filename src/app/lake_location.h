// A platform or its lake may be moved while it does not run: the catalogue holds the absolute place
// of the files, and follows. Never to a place where the files are not.
#pragma once

#include "app/catalogue.h"

namespace minato::app {

/// Makes the catalogue say where minato.toml has the lake. Safe to be killed at any point.
/// Error{invalid}: the files that the catalogue names are not there. Error{conflict}: somebody
/// works on this lake at its former place.
Status follow_moved_lake(const Platform& platform, const Config& config);

/// The same place as the catalogue spells it: with a slash at the end.
std::string catalogue_place(const Platform& platform, const Config& config);

}  // namespace minato::app
