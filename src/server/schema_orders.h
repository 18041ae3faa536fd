// schema_orders.h - the orders --print-schema and --init-schema, which need a database and no server.

#ifndef HOLDFAST_SERVER_SCHEMA_ORDERS_H_
#define HOLDFAST_SERVER_SCHEMA_ORDERS_H_

#include <optional>
#include <string>

#include "base/status.h"
#include "server/settings.h"

namespace holdfast::server {

// What to print when one of them was given. Empty: neither was.
std::optional<base::Result<std::string>> ObeySchemaOrders(const Settings& settings);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SCHEMA_ORDERS_H_
