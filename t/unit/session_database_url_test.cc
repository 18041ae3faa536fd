#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

#include "session/database_url.h"
#include "session/host_walker.h"
#include "session/schema.h"

namespace holdfast::session {
namespace {

using base::Result;

DatabaseUrl Parsed(std::string_view text) {
  const Result<DatabaseUrl> url = DatabaseUrl::Parse(text);
  EXPECT_TRUE(url.ok()) << text << ": " << (url.ok() ? "" : url.status().message());
  return url.ok() ? url.value() : DatabaseUrl();
}

std::string Refusal(std::string_view text) {
  const Result<DatabaseUrl> url = DatabaseUrl::Parse(text);
  EXPECT_FALSE(url.ok()) << text;
  return url.ok() ? "" : url.status().message();
}

TEST(DatabaseUrl, NamesUserHostsAndDatabase) {
  const DatabaseUrl url = Parsed("mysql://app@a:3307,b,[::1]:3308/sessions");
  EXPECT_EQ(url.scheme, DatabaseScheme::kMysql);
  EXPECT_EQ(url.user, "app");
  EXPECT_EQ(url.database, "sessions");
  ASSERT_EQ(url.hosts.size(), 3u);
  EXPECT_EQ(url.hosts[0].name, "a");
  EXPECT_EQ(url.hosts[0].port, 3307);
  EXPECT_EQ(url.hosts[1].port, 3306);
  EXPECT_EQ(url.hosts[2].name, "::1");
  EXPECT_EQ(url.hosts[2].port, 3308);
  EXPECT_EQ(url.Describe(), "MySQL database sessions at a:3307,b:3306,[::1]:3308");
  EXPECT_EQ(Parsed("postgres://app@a/s").hosts[0].port, 5432);
  EXPECT_EQ(Parsed("postgresql://app@[::1]/s").hosts[0].name, "::1");
  EXPECT_EQ(Parsed("mariadb://app@a/s").scheme, DatabaseScheme::kMysql);
}

TEST(DatabaseUrl, DecodesWhatIsCoded) {
  const DatabaseUrl url = Parsed("mysql://a%40b@%2frun%2fmysqld.sock/s%2Ft?tls-ca=%2Fetc%2Fa%26b");
  EXPECT_EQ(url.user, "a@b");
  EXPECT_TRUE(url.hosts[0].is_socket());
  EXPECT_EQ(url.hosts[0].Text(), "/run/mysqld.sock");
  EXPECT_EQ(url.database, "s/t");
  EXPECT_EQ(url.tls_ca, "/etc/a&b");
}

TEST(DatabaseUrl, TakesParameters) {
  const DatabaseUrl url = Parsed("mysql://u@h/d?tls-ca=/ca&tls-cert=/c&tls-key=/k&timeout=30s&connect-timeout=1");
  EXPECT_EQ(url.tls_ca, "/ca");
  EXPECT_EQ(url.tls_cert, "/c");
  EXPECT_EQ(url.tls_key, "/k");
  EXPECT_EQ(url.timeout_s, 30u);
  EXPECT_EQ(url.connect_timeout_s, 1u);
}

TEST(DatabaseUrl, RefusesAPasswordAndDoesNotRepeatIt) {
  for (const char* url : {"mysql://u:secret@h/d", "mysql://u:@h/d", "mysql://u@h/d?password=secret"}) {
    const std::string message = Refusal(url);
    EXPECT_NE(message.find("--database-password-file"), std::string::npos) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  }
}

TEST(DatabaseUrl, RefusesWhatItDoesNotUnderstand) {
  for (const char* url : {"",
                          "mysql",
                          "mysql:u@h/d",
                          "oracle://u@h/d",
                          "mysql://",
                          "mysql://h/d",
                          "mysql://@h/d",
                          "mysql://u@/d",
                          "mysql://u@h",
                          "mysql://u@h/",
                          "mysql://u@h,/d",
                          "mysql://u@,h/d",
                          "mysql://u@h:/d",
                          "mysql://u@h:0/d",
                          "mysql://u@h:65536/d",
                          "mysql://u@h:33o6/d",
                          "mysql://u@::1/d",
                          "mysql://u@[::1/d",
                          "mysql://u@[::1]3306/d",
                          "mysql://u%4@h/d",
                          "mysql://u%zz@h/d",
                          "mysql://u%00@h/d",
                          "mysql://u@h/d?ssl=1",
                          "mysql://u@h/d?tls-ca=",
                          "mysql://u@h/d?tls-ca",
                          "mysql://u@h/d?tls-cert=/c",
                          "mysql://u@h/d?tls-cert=/c&tls-key=/k",
                          "mysql://u@h/d?timeout=0",
                          "mysql://u@h/d?timeout=601",
                          "mysql://u@h/d?timeout=x",
                          "mysql://u@h/d?"}) {
    const std::string message = Refusal(url);
    EXPECT_EQ(message.find('\n'), std::string::npos) << url;
    EXPECT_FALSE(message.empty()) << url;
  }
  std::string many = "mysql://u@h";
  for (size_t i = 1; i < kDatabaseHostsMax; ++i) many += ",h";
  EXPECT_EQ(Parsed(many + "/d").hosts.size(), kDatabaseHostsMax);
  Refusal(many + ",h/d");
}

TEST(DatabasePassword, IsTheFirstLineOfItsFileOrElseTheSettingItself) {
  char path[] = "/tmp/holdfast-password-XXXXXX";
  close(mkstemp(path));
  SessionSettings settings;
  settings.database_password = "from outside";
  EXPECT_EQ(ReadDatabasePassword(settings).value(), "from outside");
  settings.database_password_file = path;
  std::ofstream(path) << " pass word\xff \r\nsecond line\n";
  EXPECT_EQ(ReadDatabasePassword(settings).value(), " pass word\xff ");
  std::ofstream(path, std::ios::trunc).close();
  EXPECT_FALSE(ReadDatabasePassword(settings).ok());
  std::ofstream(path) << std::string(5000, 'x');
  EXPECT_FALSE(ReadDatabasePassword(settings).ok());
  unlink(path);
  EXPECT_NE(ReadDatabasePassword(settings).status().message().find(path), std::string::npos);
}

TEST(Schema, IsPrintedWithTheGrantsOfTheUser) {
  const Result<std::string> mysql = SchemaText("mysql://o'brien@h/my`db");
  ASSERT_TRUE(mysql.ok());
  EXPECT_NE(mysql.value().find("CREATE TABLE IF NOT EXISTS sessions"), std::string::npos);
  EXPECT_NE(mysql.value().find("GRANT SELECT, INSERT, UPDATE, DELETE ON `my``db`.sessions TO 'o''brien'@'%';"),
            std::string::npos);
  EXPECT_EQ(mysql.value().find("GRANT ALL"), std::string::npos);
  const Result<std::string> postgres = SchemaText("postgres://app@h/d");
  ASSERT_TRUE(postgres.ok());
  EXPECT_NE(postgres.value().find("bytea"), std::string::npos);
  EXPECT_NE(postgres.value().find("TO \"app\";"), std::string::npos);
  EXPECT_FALSE(SchemaText("sqlite:/x").ok());
}

// -- The walk over the hosts ----------------------------------------------------------------------

using Order = std::vector<size_t>;
constexpr int64_t kSecond = 1'000'000;

TEST(HostWalker, KeepsTheOrderWhileNothingFails) {
  HostWalker walker(3);
  EXPECT_EQ(walker.Order(0), (Order{0, 1, 2}));
  walker.NoteConnected(0, 0);
  EXPECT_EQ(walker.Order(5), (Order{0, 1, 2}));
  EXPECT_FALSE(walker.ShouldLookBack(1000 * kSecond));
}

TEST(HostWalker, TriesWhatFailedLastForAWhile) {
  HostWalker walker(3);
  walker.NoteFailed(0, 10);
  EXPECT_EQ(walker.Order(20), (Order{1, 2, 0}));
  walker.NoteFailed(1, 30);
  EXPECT_EQ(walker.Order(40), (Order{2, 0, 1}));
  walker.NoteFailed(2, 50);
  EXPECT_EQ(walker.Order(60), (Order{0, 1, 2})) << "all failed: the one that failed longest ago first";
  EXPECT_EQ(walker.Order(10 + HostWalker::kAvoidMicros), (Order{0, 1, 2}));
  walker.NoteFailed(0, 70);
  walker.NoteConnected(0, 80);
  walker.NoteFailed(2, 90);
  EXPECT_EQ(walker.Order(100), (Order{0, 1, 2}));
}

TEST(HostWalker, LooksForThePreferredOneNowAndThen) {
  HostWalker walker(3);
  walker.NoteConnected(2, 0);
  EXPECT_FALSE(walker.ShouldLookBack(HostWalker::kReturnMicros - 1));
  EXPECT_TRUE(walker.ShouldLookBack(HostWalker::kReturnMicros));
  EXPECT_FALSE(walker.ShouldLookBack(HostWalker::kReturnMicros + 1)) << "once an interval";
  EXPECT_TRUE(walker.ShouldLookBack(2 * HostWalker::kReturnMicros));
  walker.NoteConnected(0, 3 * HostWalker::kReturnMicros);
  EXPECT_FALSE(walker.ShouldLookBack(9 * HostWalker::kReturnMicros));
}

}  // namespace
}  // namespace holdfast::session
