#include "base/option.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "base/option_document.h"

namespace holdfast::base {
namespace {

enum class Protocol { kAuto, kAscii, kBinary };

struct CacheSettings {
  uint64_t memory_bytes = 64 << 20;
  uint64_t item_bytes_max = 1 << 20;
  bool evictions = true;
  bool daemon = false;
  bool maxconns_fast = true;
  int port = 11211;
  int verbosity = 0;
  uint32_t mask = 0700;
  double factor = 1.25;
  Protocol protocol = Protocol::kAuto;
  std::string user;
  std::vector<std::string> listen;
  uint64_t chunk_bytes_max = 512 << 10;
  int idle_seconds = 0;
};

constexpr OptionOrigin kTheirs = OptionOrigin::kMemcached;

constexpr OptionRow kCacheOptions[] = {
    {.letter = 'p',
     .name = "port",
     .argument = "PORT",
     .field = Member<&CacheSettings::port>,
     .min = -1,
     .max = 65535,
     .help = "TCP port",
     .setting = "tcpport",
     .origin = kTheirs},
    {.letter = 'm',
     .name = "memory-limit",
     .argument = "MEGABYTES",
     .field = Member<&CacheSettings::memory_bytes>,
     .unit = OptionUnit::kMegabytes,
     .min = 1 << 20,
     .reloadable = true,
     .help = "memory for items",
     .more = "Connection buffers are not in it.",
     .setting = "maxbytes",
     .origin = kTheirs},
    {.letter = 'M',
     .name = "disable-evictions",
     .field = Member<&CacheSettings::evictions>,
     .inverts = true,
     .help = "answer an error instead of evicting",
     .setting = "evictions",
     .setting_words = "off|on",
     .origin = kTheirs},
    {.letter = 'd',
     .name = "daemon",
     .field = Member<&CacheSettings::daemon>,
     .help = "run in the background",
     .origin = kTheirs},
    {.letter = 'v',
     .name = "verbose",
     .field = Member<&CacheSettings::verbosity>,
     .min = 0,
     .max = 3,
     .counts = true,
     .help = "log more",
     .setting = "verbosity",
     .origin = kTheirs},
    {.letter = 'a',
     .name = "unix-mask",
     .argument = "MODE",
     .field = Member<&CacheSettings::mask>,
     .unit = OptionUnit::kOctal,
     .min = 0,
     .max = 0777,
     .help = "permissions of the socket",
     .setting = "umask",
     .origin = kTheirs},
    {.letter = 'f',
     .name = "slab-growth-factor",
     .argument = "FACTOR",
     .field = Member<&CacheSettings::factor>,
     .min = 1.01,
     .max = 100,
     .help = "step between classes",
     .setting = "growth_factor",
     .origin = kTheirs},
    {.letter = 'B',
     .name = "protocol",
     .argument = "PROTOCOL",
     .field = Member<&CacheSettings::protocol>,
     .choices = "auto|ascii|binary",
     .help = "protocol of all connections",
     .setting = "binding_protocol",
     .origin = kTheirs},
    {.letter = 'I',
     .name = "max-item-size",
     .argument = "BYTES",
     .field = Member<&CacheSettings::item_bytes_max>,
     .unit = OptionUnit::kBytes,
     .min = 1 << 10,
     .max = 1 << 30,
     .help = "largest item",
     .setting = "item_size_max",
     .origin = kTheirs},
    {.letter = 'u',
     .name = "user",
     .argument = "USER",
     .field = Member<&CacheSettings::user>,
     .help = "user to become",
     .setting = "user",
     .origin = kTheirs},
    {.letter = 'l',
     .name = "listen",
     .argument = "ADDRESS",
     .field = Member<&CacheSettings::listen>,
     .splits = true,
     .help = "address to listen on",
     .setting = "inter",
     .origin = kTheirs},
    {.letter = 'U',
     .name = "udp-port",
     .argument = "PORT",
     .help = "UDP port",
     .ignored = "there is no UDP",
     .ignored_silently = "0",
     .setting = "udpport",
     .setting_fixed = "0",
     .origin = kTheirs},
    {.letter = 'S',
     .name = "enable-sasl",
     .help = "SASL",
     .refused = "SASL does not work yet; remove it",
     .origin = kTheirs},
    {.letter = 'h', .name = "help", .flag_only = true, .help = "print this", .origin = kTheirs},
    {.name = "maxconns_fast",
     .field = Member<&CacheSettings::maxconns_fast>,
     .extended = true,
     .help = "refuse when full",
     .setting = "maxconns_fast",
     .origin = kTheirs},
    {.name = "slab_chunk_max",
     .argument = "KILOBYTES",
     .field = Member<&CacheSettings::chunk_bytes_max>,
     .unit = OptionUnit::kKilobytes,
     .extended = true,
     .help = "largest chunk",
     .origin = kTheirs},
    {.name = "idle_timeout",
     .argument = "SECONDS",
     .field = Member<&CacheSettings::idle_seconds>,
     .unit = OptionUnit::kSeconds,
     .min = 0,
     .extended = true,
     .help = "close idle connections",
     .origin = kTheirs},
    {.name = "slab_automove",
     .argument = "MODE",
     .implied = "1",
     .extended = true,
     .help = "automover",
     .ignored = "memory moves by itself",
     .origin = kTheirs},
    {.name = "hot_lru_pct",
     .argument = "PERCENT",
     .extended = true,
     .help = "hot",
     .ignored = "there is one queue",
     .origin = kTheirs},
};

struct SessionSettings {
  std::string sessions;
  std::vector<std::string> rules;
  int64_t budget_ms = 800;
};

constexpr OptionRow kSessionOptions[] = {
    {.name = "sessions",
     .argument = "URL",
     .field = Member<&SessionSettings::sessions>,
     .help = "where sessions are kept"},
    {.name = "session-rule",
     .argument = "RULE",
     .field = Member<&SessionSettings::rules>,
     .help = "which keys are sessions"},
    {.name = "session-budget",
     .argument = "MILLISECONDS",
     .field = Member<&SessionSettings::budget_ms>,
     .unit = OptionUnit::kMillis,
     .min = 1,
     .help = "longest wait"},
};

class OptionTest : public testing::Test {
 protected:
  OptionTest() {
    set_.Add(kCacheOptions, cache_);
    set_.Add(kSessionOptions, session_);
  }
  Status Read(std::initializer_list<const char*> arguments) {
    std::vector<const char*> argv = {"holdfast"};
    argv.insert(argv.end(), arguments);
    return set_.ReadArguments(static_cast<int>(argv.size()), argv.data());
  }
  void ExpectOk(std::initializer_list<const char*> arguments) {
    const Status status = Read(arguments);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  std::string Error(std::initializer_list<const char*> arguments) {
    const Status status = Read(arguments);
    if (status.ok()) return "ok";
    EXPECT_EQ(status.kind(), ErrorKind::kUsage);
    return status.message();
  }
  std::string FileError(std::string_view text) {
    const Status status = set_.ReadFileText(text, "h.conf");
    return status.ok() ? "ok" : status.message();
  }

  CacheSettings cache_;
  SessionSettings session_;
  OptionSet set_;
};

// -- Flags ----------------------------------------------------------------------------------------

TEST_F(OptionTest, NothingGivenLeavesDefaults) {
  ExpectOk({});
  EXPECT_EQ(cache_.memory_bytes, 64u << 20);
  EXPECT_FALSE(set_.IsGiven("memory-limit"));
  EXPECT_EQ(set_.Find("memory-limit").default_text, "64");
}

TEST_F(OptionTest, TakesValuesInAllFourSpellings) {
  ExpectOk({"-m", "65"});
  EXPECT_EQ(cache_.memory_bytes, 65u << 20);
  ExpectOk({"-m66"});
  EXPECT_EQ(cache_.memory_bytes, 66u << 20);
  ExpectOk({"--memory-limit=67"});
  EXPECT_EQ(cache_.memory_bytes, 67u << 20);
  ExpectOk({"--memory-limit", "68"});
  EXPECT_EQ(cache_.memory_bytes, 68u << 20);
  EXPECT_EQ(SourceText(set_.Find("memory-limit")), "flag --memory-limit");
}

TEST_F(OptionTest, BundlesShortFlags) {
  ExpectOk({"-vvdMm100", "-p", "-1"});
  EXPECT_EQ(cache_.verbosity, 2);
  EXPECT_TRUE(cache_.daemon);
  EXPECT_FALSE(cache_.evictions);
  EXPECT_EQ(cache_.memory_bytes, 100u << 20);
  EXPECT_EQ(cache_.port, -1);
}

TEST_F(OptionTest, CountsStopAtTheirMaximum) {
  ExpectOk({"-vvvvv", "--verbose"});
  EXPECT_EQ(cache_.verbosity, 3);
  ExpectOk({"--verbose=1"});
  EXPECT_EQ(cache_.verbosity, 1);
}

TEST_F(OptionTest, FlagsMayBeDeniedOrValued) {
  ExpectOk({"--daemon", "--no-daemon"});
  EXPECT_FALSE(cache_.daemon);
  ExpectOk({"--daemon=yes", "--disable-evictions=off"});
  EXPECT_TRUE(cache_.daemon);
  EXPECT_TRUE(cache_.evictions);
  EXPECT_EQ(Error({"--daemon=maybe"}), "--daemon: 'maybe' is not yes or no");
  EXPECT_EQ(Error({"--no-daemon=yes"}), "--no-daemon: takes no value");
}

TEST_F(OptionTest, UnderstandsExtendedLists) {
  ExpectOk({"-o", "no_maxconns_fast,idle_timeout=60", "-oslab_chunk_max=256", "--extended=idle-timeout=2m,,"});
  EXPECT_FALSE(cache_.maxconns_fast);
  EXPECT_EQ(cache_.idle_seconds, 120);
  EXPECT_EQ(cache_.chunk_bytes_max, 256u << 10);
  EXPECT_EQ(set_.Find("idle_timeout").place, "-o idle-timeout");
}

TEST_F(OptionTest, ListsCollect) {
  ExpectOk({"-l", "127.0.0.1,::1", "--listen=10.0.0.1:11212", "--session-rule=php:a,b", "--session-rule", "django:c"});
  EXPECT_EQ(cache_.listen, (std::vector<std::string>{"127.0.0.1", "::1", "10.0.0.1:11212"}));
  EXPECT_EQ(session_.rules, (std::vector<std::string>{"php:a,b", "django:c"}))
      << "a list that does not split keeps its commas";
}

TEST_F(OptionTest, LongNamesOfMemcachedMayBeCutShort) {
  ExpectOk({"--mem=65", "--verb"});
  EXPECT_EQ(cache_.memory_bytes, 65u << 20);
  EXPECT_EQ(cache_.verbosity, 1);
  EXPECT_EQ(Error({"--sess=x"}), "--sess: unknown option; did you mean --sessions? (--help lists them)");
  EXPECT_EQ(Error({"--u=x"}), "--u: unknown option (--help lists them)") << "user, unix-mask, udp-port";
}

TEST_F(OptionTest, SaysWhatWasMeant) {
  EXPECT_EQ(Error({"--memory-limt=64"}),
            "--memory-limt: unknown option; did you mean --memory-limit? (--help lists them)");
  EXPECT_EQ(Error({"--idle_timeout=64"}),
            "--idle_timeout: unknown option; did you mean -o idle_timeout? (--help lists them)");
  EXPECT_EQ(Error({"-o", "idle_timeot=3"}),
            "-o idle_timeot: unknown option; did you mean -o idle_timeout? (--help lists them)");
  EXPECT_EQ(Error({"-o", "memory-limit=3"}),
            "-o memory-limit: unknown option; did you mean --memory-limit? (--help lists them)");
  EXPECT_EQ(Error({"--zzz"}), "--zzz: unknown option (--help lists them)");
  EXPECT_EQ(Error({"-q"}), "-q: unknown option (--help lists them)");
  EXPECT_EQ(Error({"start"}), "'start': not an option (--help lists them)");
  EXPECT_EQ(Error({"--", "start"}), "'--': not an option (--help lists them)");
  EXPECT_EQ(Error({"--"}), "ok");
  EXPECT_EQ(Error({"-"}), "'-': not an option (--help lists them)");
  EXPECT_EQ(Error({""}), "'': not an option (--help lists them)");
}

TEST_F(OptionTest, SaysWhatValueWouldBeRight) {
  EXPECT_EQ(Error({"-m"}), "-m: a value is missing: MEGABYTES");
  EXPECT_EQ(Error({"--memory-limit"}), "--memory-limit: a value is missing: MEGABYTES");
  EXPECT_EQ(Error({"-o", "idle_timeout"}), "-o idle_timeout: a value is missing: SECONDS");
  EXPECT_EQ(Error({"-m", "many"}), "-m: 'many' is not a number of megabytes");
  EXPECT_EQ(Error({"-m", ""}), "-m: '' is not a number of megabytes");
  EXPECT_EQ(Error({"-m", "0"}), "-m: '0' is out of range: give at least 1");
  EXPECT_EQ(Error({"-m", "-5"}), "-m: '-5' is out of range: give at least 1");
  EXPECT_EQ(Error({"-p", "65536"}), "-p: '65536' is out of range: give -1 to 65535");
  EXPECT_EQ(Error({"-p", "-2"}), "-p: '-2' is out of range: give -1 to 65535");
  EXPECT_EQ(Error({"-p", "11211x"}), "-p: '11211x' is not a whole number");
  EXPECT_EQ(Error({"-I", "2g"}), "-I: '2g' is out of range: give 1k to 1g");
  EXPECT_EQ(Error({"-I", "99999999999999999999"}), "-I: '99999999999999999999' is out of range: give 1k to 1g");
  EXPECT_EQ(Error({"-I", "9223372036854775807k"}), "-I: '9223372036854775807k' is out of range: give 1k to 1g");
  EXPECT_EQ(Error({"-a", "789"}), "-a: '789' is not an octal file mode like 0700");
  EXPECT_EQ(Error({"-a", "1000"}), "-a: '1000' is out of range: give 0000 to 0777");
  EXPECT_EQ(Error({"-f", "1"}), "-f: '1' is out of range: give 1.01 to 100");
  EXPECT_EQ(Error({"-f", "nan"}), "-f: 'nan' is not a number");
  EXPECT_EQ(Error({"-B", "udp"}), "-B: 'udp' is not auto, ascii or binary");
  EXPECT_EQ(cache_.memory_bytes, 64u << 20) << "a wrong value changes nothing";
}

TEST_F(OptionTest, UnitsHaveSuffixes) {
  const std::map<const char*, uint64_t> bytes = {
      {"1024", 1024}, {"4k", 4096}, {"1M", 1 << 20}, {"2mb", 2 << 20}, {"1GiB", 1 << 30}};
  for (const auto& [text, value] : bytes) {
    ExpectOk({"-I", text});
    EXPECT_EQ(cache_.item_bytes_max, value) << text;
  }
  ExpectOk({"-m", "2g"});
  EXPECT_EQ(cache_.memory_bytes, uint64_t{2} << 30);
  ExpectOk({"--session-budget=4s"});
  EXPECT_EQ(session_.budget_ms, 4000);
  ExpectOk({"--session-budget=30"});
  EXPECT_EQ(session_.budget_ms, 30);
  ExpectOk({"-a", "660", "-f", "1.08", "-B", "binary"});
  EXPECT_EQ(cache_.mask, 0660u);
  EXPECT_DOUBLE_EQ(cache_.factor, 1.08);
  EXPECT_EQ(cache_.protocol, Protocol::kBinary);
}

TEST_F(OptionTest, IgnoredOptionsAreNamedOnceInOneLine) {
  ExpectOk({"-U", "11211", "-U", "11211", "-o", "slab_automove,hot_lru_pct=20"});
  EXPECT_EQ(set_.Warnings(), (std::vector<std::string>{"accepted but without effect, for reasons in holdfast(1): -U, "
                                                       "-o slab_automove, -o hot_lru_pct"}));
}

TEST_F(OptionTest, OneIgnoredOptionIsNamedWithItsReason) {
  ExpectOk({"-U", "11211", "-U", "11211"});
  EXPECT_EQ(set_.Warnings(), (std::vector<std::string>{"-U is accepted but has no effect: there is no UDP"}));
}

TEST_F(OptionTest, IgnoredOptionsAreSilentWhenThatIsWhatWeDo) {
  ExpectOk({"-U", "0"});
  EXPECT_TRUE(set_.Warnings().empty());
}

TEST_F(OptionTest, RefusedOptionsAreErrors) {
  EXPECT_EQ(Error({"-S"}), "-S: SASL does not work yet; remove it");
  EXPECT_EQ(Error({"-vS"}), "-S: SASL does not work yet; remove it");
  EXPECT_EQ(FileError("enable-sasl = yes"), "h.conf:1: enable-sasl: SASL does not work yet; remove it");
  EXPECT_EQ(FileError("enable-sasl = no"), "ok");
}

// -- Sources --------------------------------------------------------------------------------------

TEST_F(OptionTest, StrongerSourceWinsInWhateverOrderTheyAreRead) {
  const char* environment[] = {"HOLDFAST_MEMORY_LIMIT=200", "HOLDFAST_PORT=2000", "PATH=/bin", nullptr};
  ExpectOk({"-m", "100"});
  EXPECT_TRUE(set_.ReadEnvironment(environment).ok());
  EXPECT_EQ(FileError("memory-limit = 300\nport = 3000\nmax-item-size = 2m\n"), "ok");
  EXPECT_EQ(cache_.memory_bytes, 100u << 20);
  EXPECT_EQ(cache_.port, 2000);
  EXPECT_EQ(cache_.item_bytes_max, 2u << 20);
  EXPECT_EQ(SourceText(set_.Find("memory-limit")), "flag -m");
  EXPECT_EQ(SourceText(set_.Find("port")), "environment HOLDFAST_PORT");
  EXPECT_EQ(SourceText(set_.Find("max-item-size")), "file h.conf:3");
  EXPECT_EQ(SourceText(set_.Find("user")), "default");
}

TEST_F(OptionTest, StrongerSourceReplacesLists) {
  EXPECT_EQ(FileError("listen = a\nlisten = b"), "ok");
  EXPECT_EQ(cache_.listen, (std::vector<std::string>{"a", "b"}));
  ExpectOk({"-l", "c"});
  EXPECT_EQ(cache_.listen, (std::vector<std::string>{"c"}));
  EXPECT_EQ(FileError("listen = d"), "ok");
  EXPECT_EQ(cache_.listen, (std::vector<std::string>{"c"}));
}

TEST_F(OptionTest, StrongerSourceRestartsCounts) {
  EXPECT_EQ(FileError("verbose = 2"), "ok");
  EXPECT_EQ(cache_.verbosity, 2);
  ExpectOk({"-v"});
  EXPECT_EQ(cache_.verbosity, 1);
}

TEST_F(OptionTest, EnvironmentErrorsNameTheVariable) {
  const char* wrong[] = {"HOLDFAST_MEMORY_LIMIT=lots", nullptr};
  const Status status = set_.ReadEnvironment(wrong);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(), "HOLDFAST_MEMORY_LIMIT: 'lots' is not a number of megabytes");
}

TEST_F(OptionTest, EnvironmentNearMissIsAWarning) {
  const char* near[] = {"HOLDFAST_MEMORY_LIMT=5", "HOLDFAST_UNRELATED_THING=x", "HOLDFAST_HELP=1", "HOLDFAST_X",
                        nullptr};
  EXPECT_TRUE(set_.ReadEnvironment(near).ok());
  ASSERT_EQ(set_.Warnings().size(), 1u);
  EXPECT_EQ(set_.Warnings()[0],
            "environment variable HOLDFAST_MEMORY_LIMT names no option; did you mean memory-limit?");
}

TEST_F(OptionTest, FileHasCommentsSectionsAndQuotes) {
  EXPECT_EQ(
      FileError(
          "# a comment\r\n; another\n\n[memory]\n  memory-limit=100 # enough\nuser = \" a#b \\\"c\\\\ \" # quoted\r\n"
          "sessions = sqlite:/x#y\nidle_timeout = 5\nmaxconns_fast = no\ndisable-evictions = yes\nlisten =\n"),
      "ok");
  EXPECT_EQ(cache_.memory_bytes, 100u << 20);
  EXPECT_EQ(cache_.user, " a#b \"c\\ ");
  EXPECT_EQ(session_.sessions, "sqlite:/x#y");
  EXPECT_EQ(cache_.idle_seconds, 5);
  EXPECT_FALSE(cache_.maxconns_fast);
  EXPECT_FALSE(cache_.evictions);
  EXPECT_TRUE(cache_.listen.empty());
}

TEST_F(OptionTest, FileErrorsGiveTheLine) {
  EXPECT_EQ(FileError("\nmemory-limit = lots"), "h.conf:2: memory-limit: 'lots' is not a number of megabytes");
  EXPECT_EQ(FileError("memory-limt = 5"), "h.conf:1: unknown option memory-limt; did you mean memory-limit?");
  EXPECT_EQ(FileError("port = 1\n\nport = 2"), "h.conf:3: port is given twice, first on line 1");
  EXPECT_EQ(FileError("port"), "h.conf:1: not of the form name = value");
  EXPECT_EQ(FileError("= 5"), "h.conf:1: unknown option ");
  EXPECT_EQ(FileError("help = yes"), "h.conf:1: unknown option help");
  EXPECT_EQ(FileError("user = \"open"), "h.conf:1: user: a quoted value must end with \" and nothing after it");
  EXPECT_EQ(FileError("user = \"a\" b"), "h.conf:1: user: a quoted value must end with \" and nothing after it");
  EXPECT_EQ(FileError("user = " + std::string(5000, 'x')), "h.conf:1: line longer than 4096 bytes; shorten it");
  EXPECT_EQ(FileError("memory-limit = "), "h.conf:1: memory-limit: '' is not a number of megabytes");
}

TEST_F(OptionTest, MissingFileIsNamed) {
  const Status status = set_.ReadFile("/nonexistent/h.conf");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(), "cannot read the configuration file /nonexistent/h.conf: No such file or directory");
  EXPECT_EQ(set_.ReadFile("/").message(), "cannot read the configuration file /: Is a directory");
  EXPECT_EQ(set_.ReadFile("/dev/zero").message(), "cannot read the configuration file /dev/zero: more than a megabyte");
  EXPECT_TRUE(set_.ReadFile("/dev/null").ok());
}

TEST_F(OptionTest, WrongValueOfAWeakerSourceIsStillAnError) {
  ExpectOk({"-m", "100"});
  EXPECT_EQ(FileError("memory-limit = lots"), "h.conf:1: memory-limit: 'lots' is not a number of megabytes");
}

TEST_F(OptionTest, ModulesComplainWithThePlace) {
  EXPECT_EQ(FileError("\nmax-item-size = 512m"), "ok");
  EXPECT_EQ(set_.Complain("max-item-size", "more than half of the memory").message(),
            "h.conf:2: max-item-size: more than half of the memory");
  ExpectOk({"-I", "512m"});
  EXPECT_EQ(set_.Complain("max-item-size", "too much").message(), "-I: too much");
  EXPECT_EQ(set_.Complain("user", "needed").message(), "user: needed");
}

TEST_F(OptionTest, FilesAreNotUsageErrors) {
  const Status status = set_.ReadFileText("port = x", "h.conf");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.kind(), ErrorKind::kConfig);
}

TEST_F(OptionTest, FileNamesAreShownWithoutControlBytes) {
  EXPECT_EQ(FileError("\033[2J\001 = 1"), "h.conf:1: unknown option ?[2J?");
  EXPECT_EQ(FileError(std::string("port = 7\nhost = a\0b\n", 20)),
            "h.conf:2: has a byte 0 in it; save the file as plain text");
  EXPECT_EQ(FileError("\xEF\xBB\xBFport = 7"), "ok") << "a byte order mark";
  EXPECT_EQ(cache_.port, 7);
}

TEST_F(OptionTest, AnEmptyVariableCountsAsNotGiven) {
  const char* environment[] = {"HOLDFAST_PORT=", nullptr};
  EXPECT_TRUE(set_.ReadEnvironment(environment).ok());
  EXPECT_FALSE(set_.IsGiven("port"));
}

struct SecretSettings {
  std::string database, key;
};
constexpr OptionRow kSecretOptions[] = {
    {.name = "database", .field = Member<&SecretSettings::database>, .has_password = true},
    {.name = "key", .field = Member<&SecretSettings::key>, .secret = true},
};

TEST(SecretOptions, AreNotShown) {
  SecretSettings settings;
  OptionSet set;
  set.Add(kSecretOptions, settings);
  for (const auto& [url, shown] :
       std::map<std::string, std::string>{{"mysql://u:p@h/d", "mysql://u:(hidden)@h/d"},
                                          {"mysql://u:p@x@h:3306/d?a=b:c@d", "mysql://u:(hidden)@h:3306/d?a=b:c@d"},
                                          {"mysql://u@h:3306/d", "mysql://u@h:3306/d"},
                                          {"mysql://h/d", "mysql://h/d"},
                                          {"sqlite:/a:b@c", "sqlite:/a:b@c"},
                                          {"://:@", "://:(hidden)@"}}) {
    settings.database = url;
    EXPECT_EQ(ShownText(set.Find("database")), shown);
  }
  settings = {"mysql://u:p1@h/d", "p2"};
  const std::string dump = set.DumpConfig();
  EXPECT_EQ(dump.find("p1"), std::string::npos) << dump;
  EXPECT_EQ(dump.find("p2"), std::string::npos) << dump;
  EXPECT_NE(dump.find("# key = (hidden)"), std::string::npos) << dump;
}

TEST_F(OptionTest, TemplateReadsBackAsTheDefaults) {
  const std::string text = ConfigTemplate(set_, "first\nsecond");
  EXPECT_EQ(text.find("# first\n# second\n\n[Options of memcached]\n"), 0u) << text;
  EXPECT_NE(
      text.find("\n# Memory for items. Connection buffers are not in it. Default 64. At least 1. SIGHUP changes it in\n"
                "# the running server.\n#memory-limit = 64\n"),
      std::string::npos)
      << text;
  EXPECT_EQ(text.find("slab_automove"), std::string::npos);
  EXPECT_EQ(FileError(text), "ok");
  for (const Option& option : set_.options()) EXPECT_EQ(option.source, OptionSource::kDefault) << option.row->name;
}

// -- Dump, reload, settings -----------------------------------------------------------------------

TEST_F(OptionTest, DumpReadsBackAsTheSame) {
  ExpectOk({"-m",
            "1025k",
            "-I",
            "1500",
            "-vv",
            "-M",
            "-a",
            "0",
            "-f",
            "1.1",
            "-B",
            "ascii",
            "-l",
            "a,b",
            "-u",
            " #\"\\\nx",
            "--session-rule=a,b",
            "--session-rule=c",
            "-o",
            "no_maxconns_fast,slab_chunk_max=1b",
            "--sessions=sqlite:/x"});
  const std::string dump = set_.DumpConfig();
  CacheSettings cache;
  SessionSettings session;
  OptionSet again;
  again.Add(kCacheOptions, cache);
  again.Add(kSessionOptions, session);
  const Status status = again.ReadFileText(dump, "dump");
  ASSERT_TRUE(status.ok()) << status.message() << "\n" << dump;
  EXPECT_TRUE(set_.ChangesTo(again).empty()) << dump;
  EXPECT_EQ(cache.memory_bytes, 1025u << 10);
  EXPECT_EQ(cache.user, " #\"\\\nx");
  EXPECT_EQ(session.rules, session_.rules);
  EXPECT_NE(dump.find("memory-limit = 1049600b                   # flag -m\n"), std::string::npos) << dump;
  EXPECT_NE(dump.find("port = 11211                              # default\n"), std::string::npos) << dump;
  EXPECT_EQ(dump.find("help"), std::string::npos);
}

TEST_F(OptionTest, ReloadSeesWhatChanged) {
  CacheSettings cache;
  SessionSettings session;
  OptionSet wanted;
  wanted.Add(kCacheOptions, cache);
  wanted.Add(kSessionOptions, session);
  ASSERT_TRUE(wanted.ReadFileText("memory-limit = 128\nport = 5\n", "h.conf").ok());
  const std::vector<OptionSet::Change> changes = set_.ChangesTo(wanted);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_STREQ(changes[0].running->row->name, "port");
  EXPECT_FALSE(changes[0].running->row->reloadable);
  EXPECT_STREQ(changes[1].running->row->name, "memory-limit");
  EXPECT_TRUE(changes[1].running->row->reloadable);
  EXPECT_EQ(changes[1].value, "128");
  set_.Adopt(wanted, "memory-limit");
  EXPECT_EQ(cache_.memory_bytes, 128u << 20);
  EXPECT_EQ(SourceText(set_.Find("memory-limit")), "file h.conf:1");
}

TEST_F(OptionTest, SettingsLookLikeMemcached) {
  ExpectOk({"-a", "660", "-M"});
  std::map<std::string, std::string> settings;
  set_.ForEachSetting([&](std::string_view name, std::string_view value) { settings[std::string(name)] = value; });
  const std::map<std::string, std::string> expected = {
      {"tcpport", "11211"}, {"maxbytes", "67108864"},     {"evictions", "off"}, {"verbosity", "0"},
      {"umask", "660"},     {"growth_factor", "1.25"},    {"user", "NULL"},     {"item_size_max", "1048576"},
      {"inter", "NULL"},    {"binding_protocol", "auto"}, {"udpport", "0"},     {"maxconns_fast", "yes"},
  };
  EXPECT_EQ(settings, expected);
}

TEST_F(OptionTest, DefaultsOfEveryRowReadBack) {
  for (const Option& option : set_.options()) {
    if (option.settings == nullptr) continue;
    const Result<OptionValue> value = ParseValue(*option.row, option.default_text);
    ASSERT_TRUE(value.ok()) << option.row->name << ": " << value.status().message();
    EXPECT_EQ(FormatValue(*option.row, value.value()), option.default_text) << option.row->name;
  }
}

TEST_F(OptionTest, BugsInTablesAreFoundAtStart) {
  CacheSettings again;
  EXPECT_DEATH(set_.Add(kCacheOptions, again), "check failed") << "a name twice";
  OptionSet fresh;
  SessionSettings wrong;
  EXPECT_DEATH(fresh.Add(kCacheOptions, wrong), "check failed") << "rows of other settings";
}

// -- Documents ------------------------------------------------------------------------------------

TEST_F(OptionTest, HelpGroupsAndShowsDefaults) {
  const std::string help = HelpText(set_, "Usage: holdfast [options]\n");
  EXPECT_EQ(help.find("Usage: holdfast [options]\n\nOptions of memcached:\n"), 0u) << help;
  EXPECT_NE(help.find("  -m, --memory-limit=MEGABYTES    memory for items (default 64)\n"), std::string::npos) << help;
  EXPECT_NE(help.find("  -M, --disable-evictions         answer an error instead of evicting\n"), std::string::npos)
      << help;
  EXPECT_NE(help.find("  -o, --extended=LIST "), std::string::npos) << help;
  EXPECT_NE(help.find("      idle_timeout=SECONDS        close idle connections (default 0)\n"), std::string::npos)
      << help;
  EXPECT_NE(help.find("      --sessions=URL              where sessions are kept\n"), std::string::npos) << help;
  EXPECT_NE(help.find("accepted without effect: slab_automove, hot_lru_pct\n"), std::string::npos) << help;
  const size_t memcached = help.find("Options of memcached"), extended = help.find("Extended options"),
               ours = help.find("Options of Holdfast");
  EXPECT_LT(memcached, extended);
  EXPECT_LT(extended, ours);
  for (size_t at = 0; at < help.size();) {
    const size_t end = help.find('\n', at);
    EXPECT_LE(end - at, 100u) << help.substr(at, end - at);
    at = end + 1;
  }
}

TEST_F(OptionTest, ManualHasEveryOptionAndEscapes) {
  const ManualPage page = {.name = "holdfast",
                           .version = "1.2",
                           .summary = "keeps users logged in",
                           .synopsis = "holdfast [options]",
                           .description = "First.\n\n.second - \\\n\n  code",
                           .after = {{"SEE ALSO", "memcached(1)"}}};
  const std::string manual = ManualText(page, set_);
  EXPECT_EQ(manual.find(".TH HOLDFAST 1 \"\" \"holdfast 1.2\"\n"), 0u);
  EXPECT_NE(manual.find("First.\n.PP\n\\&.second \\- \\e\n.PP\n.nf\n  code\n.fi\n"), std::string::npos) << manual;
  EXPECT_NE(manual.find(".TP\n\\fB\\-m\\fR, \\fB\\-\\-memory\\-limit\\fR=\\fIMEGABYTES\\fR\n"
                        "Memory for items. Connection buffers are not in it. Default 64. At least 1. SIGHUP changes it "
                        "in the running server.\n"),
            std::string::npos)
      << manual;
  EXPECT_NE(manual.find(
                "\\fBslab_automove\\fR[=\\fIMODE\\fR]\nAutomover. Accepted without effect: Memory moves by itself.\n"),
            std::string::npos)
      << manual;
  EXPECT_NE(manual.find(".SH SEE ALSO\nmemcached(1)\n"), std::string::npos);
  for (const Option& option : set_.options()) {
    std::string name = option.row->name;
    for (size_t at = 0; (at = name.find('-', at)) != std::string::npos; at += 2) name.insert(at, "\\");
    EXPECT_NE(manual.find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace holdfast::base
