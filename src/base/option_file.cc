// Environment, configuration file, its dump, and the comparison of two sets for SIGHUP.
//
// The file is line by line: "name = value", blank lines, "# comment" (a line, or behind a value after a blank),
// "[section]". A value in double quotes keeps blanks and #, and knows \" \\ and \n. DumpConfig writes what ReadFile
// reads, but for secrets.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "base/option.h"
#include "base/text.h"

namespace holdfast::base {

namespace {

constexpr std::string_view kEnvironmentPrefix = "HOLDFAST_";

std::string ConfigName(std::string_view environment_name) {
  std::string name = LowerCase(environment_name.substr(kEnvironmentPrefix.size()));
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

Result<std::string> Unquote(std::string_view text) {
  std::string value;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      const std::string_view rest = Trim(text.substr(i + 1));
      if (!rest.empty() && !rest.starts_with('#')) break;
      return value;
    }
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      value += text[i] == 'n' ? '\n' : text[i];
    } else {
      value += text[i];
    }
  }
  return Status(ErrorKind::kUsage, "a quoted value must end with \" and nothing after it");
}

Result<std::string> FileValue(std::string_view text) {
  text = Trim(text);
  if (text.starts_with('"')) return Unquote(text);
  if (text.starts_with('#')) return std::string();
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '#' && (text[i - 1] == ' ' || text[i - 1] == '\t')) return std::string(Trim(text.substr(0, i)));
  }
  return std::string(text);
}

// What a terminal or a log cannot be harmed by.
std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  }
  return text;
}

std::string Quoted(const std::string& value) {
  const bool plain = value == Trim(value) && value.find_first_of("#\"\\\n") == std::string::npos;
  if (plain) return value;
  std::string quoted = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

void DumpLine(std::string* dump, const Option& option, const std::string& value) {
  const OptionRow& row = *option.row;
  std::string line = IsSecret(row, value) || row.not_in_file ? "# " : "";
  line += std::string(row.name) + " = " + Quoted(ShownText(row, value));
  if (line.size() < 40) line.append(40 - line.size(), ' ');
  *dump += line + "  # " + SourceText(option) + "\n";
}

}  // namespace

std::string EnvironmentName(std::string_view name) {
  std::string upper(kEnvironmentPrefix);
  for (char c : name) upper += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return upper;
}

Status OptionSet::ReadEnvironment(const char* const* environment) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view text = *environment;
    if (!text.starts_with(kEnvironmentPrefix)) continue;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    if (equals + 1 == text.size()) continue;
    const std::string place(text.substr(0, equals));
    const auto option = std::find_if(options_.begin(), options_.end(), [&](const Option& candidate) {
      return !candidate.row->flag_only && EnvironmentName(candidate.row->name) == place;
    });
    if (option == options_.end()) {
      // It may be somebody else's; but one that looks like ours was probably meant.
      const std::string suggestion = Suggestion(ConfigName(place), OptionSource::kEnvironment);
      if (!suggestion.empty()) warnings_.push_back("environment variable " + place + " names no option" + suggestion);
      continue;
    }
    const Status status = Assign(*option, OptionSource::kEnvironment, place, text.substr(equals + 1));
    if (!status.ok()) return status;
  }
  return {};
}

Status OptionSet::ReadFile(const std::string& path) {
  const std::string what = "cannot read the configuration file " + path;
  // Not blocking, or a pipe that nobody writes to would hold up the start, and a SIGHUP the running server.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return Status(ErrorKind::kConfig, SystemError(what, errno).message());
  struct stat about {};
  fstat(file, &about);
  if (S_ISFIFO(about.st_mode)) {
    close(file);
    return Status(ErrorKind::kConfig, what + ": it is a pipe, and what it says is read again on SIGHUP; give a file");
  }
  std::string text;
  char piece[4096];
  ssize_t size;
  while ((size = read(file, piece, sizeof piece)) > 0 && text.size() <= kOptionFileBytesMax) {
    text.append(piece, static_cast<size_t>(size));
  }
  const int error = size < 0 ? errno : 0;
  close(file);
  if (error != 0) return Status(ErrorKind::kConfig, SystemError(what, error).message());
  if (text.size() > kOptionFileBytesMax) return Status(ErrorKind::kConfig, what + ": more than a megabyte");

  const bool plain = S_ISREG(about.st_mode);
  if (plain && (about.st_mode & S_IWOTH) != 0) {
    return Status(ErrorKind::kConfig, path + ": everybody may write to this file: chmod o-w " + path);
  }
  if (Status status = ReadFileText(text, path); !status.ok()) return status;
  if (plain && (about.st_mode & S_IROTH) != 0 && secret_in_file_) {
    return Status(ErrorKind::kConfig, path + ": has a password in it and everybody may read it: chmod o-r " + path);
  }
  return {};
}

Status OptionSet::ReadFileText(std::string_view text, const std::string& path) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  secret_in_file_ = false;
  std::vector<std::pair<const Option*, size_t>> seen;
  const std::vector<std::string_view> lines = Split(text, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    if (Status status = ReadFileLine(lines[i], i + 1, path, &seen); !status.ok()) {
      return Status(ErrorKind::kConfig, Printable(status.message()));
    }
  }
  return {};
}

Status OptionSet::ReadFileLine(std::string_view line, size_t number, const std::string& path,
                               std::vector<std::pair<const Option*, size_t>>* seen) {
  const std::string place = path + ":" + std::to_string(number);
  const auto wrong = [&](const std::string& problem) { return Status(ErrorKind::kConfig, place + ": " + problem); };
  if (line.size() > kOptionLineBytesMax) {
    return wrong("line longer than " + std::to_string(kOptionLineBytesMax) + " bytes; shorten it");
  }
  // Where C would see the end of a name, a reader of the file would not.
  if (line.find('\0') != std::string_view::npos) return wrong("has a byte 0 in it; save the file as plain text");
  line = Trim(line);
  if (line.empty() || line[0] == '#' || line[0] == ';') return {};
  if (line.starts_with('[') && line.ends_with(']')) return {};
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) return wrong("not of the form name = value");

  const std::string_view name = Trim(line.substr(0, equals));
  Option* option = FindName(name, false);
  if (option == nullptr) option = FindName(name, true);
  if (option == nullptr || option->row->flag_only) {
    return wrong("unknown option " + std::string(name) + Suggestion(name, OptionSource::kFile));
  }
  if (option->row->not_in_file) return wrong(std::string(option->row->name) + " cannot be given in a file; remove it");
  if (option->row->field.type != OptionType::kList) {
    for (const auto& [other, first] : *seen) {
      if (other != option) continue;
      return wrong(std::string(option->row->name) + " is given twice, first on line " + std::to_string(first));
    }
    seen->emplace_back(option, number);
  }
  const Result<std::string> value = FileValue(line.substr(equals + 1));
  if (!value.ok()) return wrong(option->row->name + (": " + value.status().message()));
  secret_in_file_ |= IsSecret(*option->row, value.value());
  return Assign(*option, OptionSource::kFile, place, value.value());
}

std::string OptionSet::DumpConfig() const {
  std::string dump;
  for (const Option& option : options_) {
    const OptionRow& row = *option.row;
    if (row.flag_only || row.ignored != nullptr || row.field.type == OptionType::kNone) continue;
    if (row.field.type == OptionType::kList && !row.splits) {
      const OptionValue value = row.field.get(option.settings);
      for (const std::string& element : value.list) DumpLine(&dump, option, element);
      continue;
    }
    DumpLine(&dump, option, ValueText(option));
  }
  return dump;
}

std::vector<OptionSet::Change> OptionSet::ChangesTo(const OptionSet& wanted) const {
  CHECK(options_.size() == wanted.options_.size());
  std::vector<Change> changes;
  for (size_t i = 0; i < options_.size(); ++i) {
    CHECK(options_[i].row == wanted.options_[i].row);
    std::string value = ValueText(wanted.options_[i]);
    if (value != ValueText(options_[i])) changes.push_back({&options_[i], std::move(value)});
  }
  return changes;
}

void OptionSet::Follows(std::string_view name, std::string_view cause) {
  const Option& from = Find(cause);
  Option& to = FindOwn(name);
  to.source = from.source;
  to.place = from.place;
}

void OptionSet::Adopt(const OptionSet& wanted, std::string_view name) {
  const Option& from = wanted.Find(name);
  Option& to = FindOwn(name);
  CHECK(to.row == from.row && to.settings != nullptr);
  to.row->field.set(to.settings, to.row->field.get(from.settings));
  to.source = from.source;
  to.place = from.place;
}

}  // namespace holdfast::base
