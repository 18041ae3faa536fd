// port_file.h - memcached's way to tell which ports it got: a file named by MEMCACHED_PORT_FILENAME.
//
// Threads: the main thread.
// Errors:  kSystem with the name of the file and of the variable.

#ifndef HOLDFAST_SERVER_PORT_FILE_H_
#define HOLDFAST_SERVER_PORT_FILE_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "network/listen_socket.h"

namespace holdfast::server {

// A line for each TCP socket: "TCP INET: 11211" or "TCP INET6: 11211". The file appears in one step.
base::Status WritePortFile(const std::string& path, const std::vector<network::ListenSocket>& sockets);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_PORT_FILE_H_
