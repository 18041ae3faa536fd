// successor.h - starts this program anew, to take over from this process: what SIGUSR2 asks for.
//
// The program is found as it was at the start, by name: so after an upgrade it is the new one.
//
// Threads: the main thread.
// Errors:  a Status in one line; this process goes on either way.

#ifndef HOLDFAST_SERVER_SUCCESSOR_H_
#define HOLDFAST_SERVER_SUCCESSOR_H_

#include "base/status.h"
#include "server/configuration.h"

namespace holdfast::server {

// Children that end are forgotten from then on.
base::Status StartSuccessor(const Sources& sources);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SUCCESSOR_H_
