// holdfast-cli: flags, a command, its words. Flags are rows, as commands are; --help and --man are made of both.

#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>

#include "cli/command.h"
#include "config.h"

namespace holdfast::cli {
namespace {

struct Flag {
  const char* name;  // without the dashes
  char letter;       // 0: none
  const char* argument;
  const char* help;
  std::string Settings::*text;  // one of these three is not null
  int64_t Settings::*integer;
  uint32_t Settings::*number;
};

constexpr Flag kFlags[] = {
    {"servers", 's', "LIST",
     "host:port,... or paths of sockets; /?N behind one is its weight. $HOLDFAST_SERVERS, else 127.0.0.1:11211",
     &Settings::servers, nullptr, nullptr},
    {"ring", 'r', "SCHEME", "how keys are placed: slots, ketama, ketama_weighted, modula, ...", &Settings::ring,
     nullptr, nullptr},
    {"master", 'm', "KEY", "a master key, which alone decides the server", &Settings::master, nullptr, nullptr},
    {"prefix", 'p', "TEXT", "put before every key, not hashed", &Settings::prefix, nullptr, nullptr},
    {"timeout", 't', "MS", "deadline of a call in milliseconds, 1000 if not given", nullptr, &Settings::timeout_ms,
     nullptr},
    {"ttl", 'e', "SECONDS", "set: when the item expires; 0: never", nullptr, &Settings::ttl_s, nullptr},
    {"flags", 'f', "NUMBER", "set: the 32 bits that are kept with the value", nullptr, nullptr, &Settings::flags},
    {"with", 0, "LIST", "ring: servers that would be added", &Settings::with, nullptr, nullptr},
    {"without", 0, "LIST", "ring: servers that would be taken away", &Settings::without, nullptr, nullptr},
    {"threads", 0, "N", "bench: threads, 4 if not given", nullptr, nullptr, &Settings::threads},
    {"seconds", 0, "N", "bench: how long, 5 if not given", nullptr, nullptr, &Settings::seconds},
    {"keys", 0, "N", "bench: different keys, 10000 if not given", nullptr, nullptr, &Settings::keys},
    {"value-bytes", 0, "N", "bench: size of values, 100 if not given", nullptr, nullptr, &Settings::value_bytes},
    {"multiget", 0, "N", "bench: get so many keys at once", nullptr, nullptr, &Settings::multiget},
};

constexpr char kExits[] =
    "0: done. 1: a working server said no (not found, not stored). 2: a server failed. 64: the command line is wrong.";

std::string Shown(const Flag& flag) {
  std::string shown = flag.letter != 0 ? std::string("-") + flag.letter + ", " : "    ";
  return shown + "--" + flag.name + " " + flag.argument;
}

int Help() {
  std::printf("usage: holdfast-cli [OPTION...] COMMAND [WORD...]\n\ncommands:\n");
  for (const Command& command : Commands()) {
    std::printf("  %-24s %s\n", (std::string(command.name) + ' ' + command.arguments).c_str(), command.help);
  }
  std::printf("\noptions:\n");
  for (const Flag& flag : kFlags) std::printf("  %-24s %s\n", Shown(flag).c_str(), flag.help);
  std::printf("  %-24s %s\n  %-24s %s\n\nexit status: %s\n", "    --help", "this text", "    --version", "the version",
              kExits);
  return kExitOk;
}

std::string Roff(std::string_view text) {
  std::string escaped;
  for (char c : text) escaped += c == '-' ? "\\-" : c == '\\' ? "\\e" : std::string(1, c);
  return escaped;
}

int Manual() {
  std::printf(
      ".TH HOLDFAST\\-CLI 1 \"\" \"holdfast %s\"\n.SH NAME\nholdfast\\-cli \\- use and examine Holdfast and memcached "
      "servers\n",
      PACKAGE_VERSION);
  std::printf(".SH SYNOPSIS\n.B holdfast\\-cli\n[OPTION...] COMMAND [WORD...]\n.SH DESCRIPTION\n");
  std::printf(
      "A client for the command line, built on libholdfast: it places keys on servers as programs do that use the "
      "library\n"
      "with the same scheme and the same list.\n.SH COMMANDS\n");
  for (const Command& command : Commands()) {
    std::printf(".TP\n.B %s %s\n%s.\n", command.name, command.arguments, Roff(command.help).c_str());
  }
  std::printf(".SH OPTIONS\n");
  for (const Flag& flag : kFlags) std::printf(".TP\n.B %s\n%s.\n", Roff(Shown(flag)).c_str(), Roff(flag.help).c_str());
  std::printf(".SH EXIT STATUS\n%s\n.SH SEE ALSO\n.BR holdfast (1),\n.BR libholdfast (3)\n", kExits);
  return kExitOk;
}

int Usage(const std::string& problem) {
  std::fprintf(stderr, "holdfast-cli: %s; see holdfast-cli --help\n", problem.c_str());
  return kExitUsage;
}

template <class Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

bool Take(const Flag& flag, std::string_view text, Settings* settings) {
  if (flag.text != nullptr) {
    settings->*flag.text = text;
    return true;
  }
  return flag.integer != nullptr ? ParseNumber(text, &(settings->*flag.integer))
                                 : ParseNumber(text, &(settings->*flag.number));
}

// Flags may stand anywhere; behind -- there are none. Empty: all is well.
std::string Read(std::span<char* const> arguments, Settings* settings, std::vector<std::string>* words) {
  for (size_t i = 0; i < arguments.size(); i++) {
    const std::string_view argument = arguments[i];
    if (argument == "--") {
      words->insert(words->end(), arguments.begin() + static_cast<ptrdiff_t>(i) + 1, arguments.end());
      return {};
    }
    if (argument.size() < 2 || argument[0] != '-') {
      words->emplace_back(argument);
      continue;
    }
    const bool long_form = argument[1] == '-';
    const size_t equals = long_form ? argument.find('=') : std::string_view::npos;
    const std::string_view name =
        argument.substr(long_form ? 2 : 1, equals == std::string_view::npos ? equals : equals - 2);
    const Flag* known = nullptr;
    for (const Flag& flag : kFlags) {
      if (long_form ? name == flag.name : flag.letter != 0 && name[0] == flag.letter) known = &flag;
    }
    if (known == nullptr) return "there is no option " + std::string(argument);
    std::string_view value;
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (!long_form && argument.size() > 2) {
      value = argument.substr(2);
    } else if (++i < arguments.size()) {
      value = arguments[i];
    } else {
      return std::string(argument) + " needs " + known->argument;
    }
    if (!Take(*known, value, settings))
      return std::string(known->name) + ": \"" + std::string(value) + "\" is no number";
  }
  return {};
}

int Run(std::span<char* const> arguments) {
  for (const char* const argument : arguments) {
    if (std::strcmp(argument, "--") == 0) break;
    if (std::strcmp(argument, "--help") == 0 || std::strcmp(argument, "-h") == 0) return Help();
    if (std::strcmp(argument, "--man") == 0) return Manual();
    if (std::strcmp(argument, "--version") == 0) return std::printf("holdfast-cli %s\n", PACKAGE_VERSION) > 0 ? 0 : 1;
  }
  Settings settings;
  if (const char* const servers = std::getenv("HOLDFAST_SERVERS"); servers != nullptr && *servers != '\0') {
    settings.servers = servers;
  }
  std::vector<std::string> words;
  if (const std::string problem = Read(arguments, &settings, &words); !problem.empty()) return Usage(problem);
  if (words.empty()) return Usage("name a command");
  if (settings.keys == 0 || settings.seconds == 0 || settings.threads == 0) {
    return Usage("keys, seconds and threads must be above 0");
  }
  for (const Command& command : Commands()) {
    if (words[0] != command.name) continue;
    const Words rest = Words(words).subspan(1);
    if (rest.size() < command.words_min || rest.size() > command.words_max) {
      return Usage("it is: " + words[0] + " " + command.arguments);
    }
    return command.run(settings, rest);
  }
  return Usage("there is no command " + words[0]);
}

}  // namespace
}  // namespace holdfast::cli

int main(int argc, char** argv) {
  return holdfast::cli::Run(std::span<char* const>(argv + 1, static_cast<size_t>(argc - 1)));
}
