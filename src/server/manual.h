// manual.h - the manual page holdfast(1), which "holdfast --man" prints and the build installs.
//
// Threads: a pure function.

#ifndef HOLDFAST_SERVER_MANUAL_H_
#define HOLDFAST_SERVER_MANUAL_H_

#include <string>

#include "base/option.h"

namespace holdfast::server {

// Roff; the section OPTIONS comes from the rows of `options`.
std::string Manual(const base::OptionSet& options);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_MANUAL_H_
