// reload.h - SIGHUP: the options are read again, checked, and what can change in the running server changes.
//
// Threads: the main thread.
// Owns:    nothing; borrows the sources, the running configuration, server and log.
// Errors:  none out: a configuration that is not right is logged, and everything stays as it is.

#ifndef HOLDFAST_SERVER_RELOAD_H_
#define HOLDFAST_SERVER_RELOAD_H_

#include "base/log.h"
#include "server/configuration.h"
#include "server/server.h"

namespace holdfast::server {

void Reload(const Sources& sources, Configuration& running, Server& server, base::Log& log);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_RELOAD_H_
