// server_options.h - all options of the program: this module's rows and those of the others, in the order in which
// --help shows them.

#ifndef HOLDFAST_SERVER_SERVER_OPTIONS_H_
#define HOLDFAST_SERVER_SERVER_OPTIONS_H_

#include "base/option.h"
#include "base/status.h"
#include "server/settings.h"

namespace holdfast::server {

// settings must outlive the set.
void AddOptions(base::OptionSet& options, Settings& settings);

// What no row can say of one value: how they go together. Completes what follows from others.
base::Status CheckTogether(base::OptionSet& options, Settings& settings);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SERVER_OPTIONS_H_
