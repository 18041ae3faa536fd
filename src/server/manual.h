// manual.h - the manual pages holdfast(1) and holdfast.conf(5), which "holdfast --man" prints and the build installs,
// and the file that holdfast.conf(5) is about.
//
// Threads: a pure function.

#ifndef HOLDFAST_SERVER_MANUAL_H_
#define HOLDFAST_SERVER_MANUAL_H_

#include <string>

#include "base/option.h"

namespace holdfast::server {

// Roff; the section OPTIONS comes from the rows of `options`.
std::string Manual(const base::OptionSet& options);
std::string ConfigManual(const base::OptionSet& options);
// A configuration file in which everything is commented out. The options must have their defaults.
std::string DefaultConfig(const base::OptionSet& options);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_MANUAL_H_
