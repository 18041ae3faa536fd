// How it works: the session module does both; here the settings are handed over.

#include "server/schema_orders.h"

#include "session/database_url.h"
#include "session/schema.h"

namespace holdfast::server {

std::optional<base::Result<std::string>> ObeySchemaOrders(const Settings& settings) {
  if (!settings.server.print_schema && !settings.server.init_schema) return std::nullopt;
  const std::string& url = settings.session.database;
  if (url.empty()) {
    return base::Status(base::ErrorKind::kUsage,
                        "which database? It is told with --sessions=mysql://user@host/database");
  }
  auto text = session::SchemaText(url);
  if (settings.server.init_schema) {
    const auto password = session::ReadDatabasePassword(settings.session);
    if (!password.ok()) return password.status().In("--database-password-file");
    text = session::CreateSchema(url, password.value());
    if (text.ok()) text.value() += '\n';
  }
  if (!text.ok()) return text.status().In("--sessions");
  return text;
}

}  // namespace holdfast::server
