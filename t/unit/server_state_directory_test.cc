// Where a server with a database elsewhere keeps its journal, and where it is found for a hand-over, when nobody has
// said.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "server/handover.h"
#include "server/session_service.h"
#include "server/settings.h"

namespace holdfast::server {
namespace {

namespace fs = std::filesystem;

struct StateDirectoryTest : testing::Test {
  StateDirectoryTest() {
    char name[] = "/tmp/holdfast-test-XXXXXX";
    folder = mkdtemp(name);
    for (const char* variable : {"STATE_DIRECTORY", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"}) {
      unsetenv(variable);
    }
    setenv("HOME", folder.c_str(), 1);
  }
  ~StateDirectoryTest() override { fs::remove_all(folder); }
  bool HasSystemDirectory() const { return access("/var/lib/holdfast", W_OK | X_OK) == 0; }
  std::string folder;
};

TEST_F(StateDirectoryTest, the_one_that_systemd_gives_comes_first) {
  setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1);
  EXPECT_EQ(StateDirectory(), "/var/lib/one");
}

TEST_F(StateDirectoryTest, a_users_own_is_made_and_nobody_else_may_read_it) {
  if (HasSystemDirectory()) GTEST_SKIP() << "/var/lib/holdfast may be written here";
  EXPECT_EQ(StateDirectory(), folder + "/.local/state/holdfast");
  struct stat status {};
  ASSERT_EQ(stat((folder + "/.local/state/holdfast").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0700u);
  setenv("XDG_STATE_HOME", (folder + "/state").c_str(), 1);
  EXPECT_EQ(StateDirectory(), folder + "/state/holdfast");
  EXPECT_TRUE(fs::is_directory(folder + "/state/holdfast"));
}

TEST_F(StateDirectoryTest, without_a_home_there_is_none) {
  if (HasSystemDirectory()) GTEST_SKIP() << "/var/lib/holdfast may be written here";
  unsetenv("HOME");
  EXPECT_EQ(StateDirectory(), "");
}

TEST_F(StateDirectoryTest, with_a_database_server_a_hand_over_needs_no_further_flag) {
  setenv("STATE_DIRECTORY", folder.c_str(), 1);
  Settings settings;
  settings.server.port = 11311;
  settings.session.database = "mysql://user@host/database";
  EXPECT_EQ(HandoverDoor(settings), folder + "/holdfast-takeover-11311");
  settings.session.journal = folder + "/journal";
  EXPECT_EQ(HandoverDoor(settings), folder + "/journal/takeover");
  settings.session.journal.clear();
  settings.session.database.clear();
  EXPECT_EQ(HandoverDoor(settings), "");
}

}  // namespace
}  // namespace holdfast::server
