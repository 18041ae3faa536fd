// All documents go through the same groups in the same order; within a group the order is that of the tables. Options
// without effect or refused are a paragraph of names in --help and one entry each in the manual, with the reason.

#include "base/option_document.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace holdfast::base {

namespace {

constexpr size_t kHelpColumn = 34;
constexpr size_t kHelpWidth = 100;

enum class Group { kMemcached, kExtended, kHoldfast };
constexpr Group kGroups[] = {Group::kMemcached, Group::kExtended, Group::kHoldfast};

Group GroupOf(const OptionRow& row) {
  if (row.extended) return Group::kExtended;
  return row.origin == OptionOrigin::kMemcached ? Group::kMemcached : Group::kHoldfast;
}

const char* TitleOf(Group group) {
  switch (group) {
    case Group::kMemcached:
      return "Options of memcached";
    case Group::kExtended:
      return "Extended options of memcached (-o name=value,name=value)";
    case Group::kHoldfast:
      break;
  }
  return "Options of Holdfast";
}

std::vector<const Option*> InGroup(const OptionSet& options, Group group) {
  std::vector<const Option*> found;
  for (const Option& option : options.options()) {
    if (GroupOf(*option.row) == group) found.push_back(&option);
  }
  return found;
}

std::string ArgumentOf(const OptionRow& row) {
  if (!NeedsValue(row) && row.implied == nullptr) return "";
  if (row.argument != nullptr) return row.argument;
  return row.choices != nullptr ? row.choices : "VALUE";
}

bool ShowsDefault(const Option& option) {
  return option.row->field.type != OptionType::kFlag && option.row->field.type != OptionType::kNone &&
         !option.row->flag_only && !option.row->counts && !option.default_text.empty();
}

// "  -m, --memory-limit=MEGABYTES"
std::string HelpHead(const OptionRow& row) {
  std::string head = row.extended ? "      " : row.letter != 0 ? std::string("  -") + row.letter + ", --" : "      --";
  head += row.name;
  const std::string argument = ArgumentOf(row);
  if (argument.empty()) return head;
  return head + (row.implied != nullptr ? "[=" + argument + "]" : "=" + argument);
}

void HelpEntry(std::string* help, const Option& option) {
  std::string line = HelpHead(*option.row);
  if (line.size() + 2 > kHelpColumn) {
    *help += line + "\n";
    line.clear();
  }
  line.append(kHelpColumn - line.size(), ' ');
  std::string text = option.row->help;
  if (ShowsDefault(option)) text += " (default " + option.default_text + ")";
  *help += line + Wrap(text, kHelpWidth - kHelpColumn, kHelpColumn) + "\n";
}

std::string SpelledName(const OptionRow& row) {
  if (row.extended) return row.name;
  return row.letter != 0 ? std::string("-") + row.letter : std::string("--") + row.name;
}

// -- Roff -----------------------------------------------------------------------------------------

std::string RoffEscaped(std::string_view text) {
  std::string escaped;
  bool line_start = true;
  for (char c : text) {
    if (line_start && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
    line_start = c == '\n';
  }
  return escaped;
}

bool IsVerbatim(std::string_view paragraph) { return paragraph.starts_with(' ') || paragraph.starts_with('\t'); }

std::string RoffParagraphs(std::string_view text) {
  std::string roff;
  bool first = true;
  while (!text.empty()) {
    const size_t end = text.find("\n\n");
    std::string_view paragraph = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 2);
    while (paragraph.starts_with('\n')) paragraph.remove_prefix(1);
    while (paragraph.ends_with('\n')) paragraph.remove_suffix(1);
    if (paragraph.empty()) continue;
    if (!first) roff += ".PP\n";
    first = false;
    roff += IsVerbatim(paragraph) ? ".nf\n" + RoffEscaped(paragraph) + "\n.fi\n" : RoffEscaped(paragraph) + "\n";
  }
  return roff;
}

std::string Sentence(std::string_view text) {
  std::string sentence(text);
  if (!sentence.empty() && sentence[0] >= 'a' && sentence[0] <= 'z')
    sentence[0] = static_cast<char>(sentence[0] - 'a' + 'A');
  if (!sentence.empty() && !sentence.ends_with('.')) sentence += '.';
  return sentence;
}

std::string LimitText(const OptionRow& row, double limit) {
  return FormatValue(row, {.integer = static_cast<int64_t>(limit), .real = limit});
}

std::string Facts(const Option& option) {
  const OptionRow& row = *option.row;
  std::string facts;
  if (ShowsDefault(option)) facts += " Default " + option.default_text + ".";
  if (row.choices == nullptr && std::isfinite(row.min) && std::isfinite(row.max)) {
    facts += " From " + LimitText(row, row.min) + " to " + LimitText(row, row.max) + ".";
  } else if (row.choices == nullptr && std::isfinite(row.min) && row.min != 0) {
    facts += " At least " + LimitText(row, row.min) + ".";
  }
  if (row.or_zero && row.min > 0) facts.insert(facts.size() - 1, ", or 0");
  if (row.choices != nullptr && row.argument != nullptr) {
    std::string words = row.choices;
    std::replace(words.begin(), words.end(), '|', ' ');
    facts += " One of: " + words + ".";
  }
  if (row.field.type == OptionType::kList) facts += " May be given several times.";
  if (row.reloadable) facts += " SIGHUP changes it in the running server.";
  if (row.ignored != nullptr) facts += " Accepted without effect: " + Sentence(row.ignored);
  if (row.refused != nullptr) facts += " Refused: " + Sentence(row.refused);
  return facts;
}

std::string ManualHead(const OptionRow& row) {
  std::string head = ".TP\n";
  if (row.letter != 0) head += "\\fB\\-" + std::string(1, row.letter) + "\\fR, ";
  head += "\\fB" + RoffEscaped(row.extended ? row.name : std::string("--") + row.name) + "\\fR";
  const std::string argument = ArgumentOf(row);
  if (argument.empty()) return head + "\n";
  head += row.implied != nullptr ? "[=\\fI" : "=\\fI";
  return head + RoffEscaped(argument) + (row.implied != nullptr ? "\\fR]\n" : "\\fR\n");
}

void NameAll(std::string* help, const char* what, const std::vector<std::string>& names) {
  if (!names.empty()) *help += "  " + Wrap(what + Join(names, ", "), kHelpWidth - 4, 4) + "\n";
}

// What the manual says of an option behind its name.
std::string Description(const Option& option) {
  std::string text = Sentence(option.row->help);
  if (option.row->more != nullptr) text += std::string(" ") + option.row->more;
  return std::string(Trim(text + Facts(option)));
}

// Whether somebody who writes a file wants to know of it.
bool InFile(const OptionRow& row) {
  return !row.flag_only && !row.not_in_file && row.ignored == nullptr && row.refused == nullptr;
}

std::string FileArgumentOf(const OptionRow& row) {
  if (row.field.type == OptionType::kFlag) return "yes|no";
  return row.counts ? "NUMBER" : ArgumentOf(row);
}

std::string Comment(std::string_view text) {
  std::string comment = "# ";
  for (const char c : Wrap(text, kHelpWidth - 2, 0)) comment += c == '\n' ? std::string("\n# ") : std::string(1, c);
  return comment + "\n";
}

std::string ManualAround(const ManualPage& page, const std::string& options) {
  std::string title = page.name;
  for (char& c : title) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  std::string roff =
      ".TH " + title + " " + std::to_string(page.section) + " \"\" \"" + page.name + " " + page.version + "\"\n";
  roff += ".SH NAME\n" + page.name + " \\- " + RoffEscaped(page.summary) + "\n";
  roff += ".SH SYNOPSIS\n" + RoffParagraphs(page.synopsis);
  roff += ".SH DESCRIPTION\n" + RoffParagraphs(page.description);
  roff += options;
  for (const auto& [section, text] : page.after) roff += ".SH " + RoffEscaped(section) + "\n" + RoffParagraphs(text);
  return roff;
}

}  // namespace

std::string HelpText(const OptionSet& options, const std::string& usage) {
  std::string help = usage;
  for (Group group : kGroups) {
    const std::vector<const Option*> members = InGroup(options, group);
    if (members.empty()) continue;
    help += "\n" + std::string(TitleOf(group)) + ":\n";
    std::vector<std::string> without_effect, refused;
    for (const Option* option : members) {
      if (option->row->refused != nullptr) {
        refused.push_back(SpelledName(*option->row));
      } else if (option->row->ignored != nullptr) {
        without_effect.push_back(SpelledName(*option->row));
      } else {
        HelpEntry(&help, *option);
      }
    }
    NameAll(&help, "accepted without effect: ", without_effect);
    NameAll(&help, "refused: ", refused);
  }
  return help;
}

std::string ManualOptions(const OptionSet& options) {
  std::string roff = ".SH OPTIONS\n";
  for (Group group : kGroups) {
    const std::vector<const Option*> members = InGroup(options, group);
    if (members.empty()) continue;
    roff += ".SS \"" + RoffEscaped(TitleOf(group)) + "\"\n";
    for (const Option* option : members) {
      roff += ManualHead(*option->row) + RoffEscaped(Description(*option)) + "\n";
    }
  }
  return roff;
}

std::string ManualText(const ManualPage& page, const OptionSet& options) {
  return ManualAround(page, ManualOptions(options));
}

std::string ConfigManualText(const ManualPage& page, const OptionSet& options) {
  std::string roff = ".SH OPTIONS\n";
  for (Group group : kGroups) {
    roff += ".SS \"" + RoffEscaped(TitleOf(group)) + "\"\n";
    for (const Option* option : InGroup(options, group)) {
      if (!InFile(*option->row)) continue;
      roff += ".TP\n\\fB" + RoffEscaped(option->row->name) + "\\fR = \\fI" + RoffEscaped(FileArgumentOf(*option->row)) +
              "\\fR\n" +
              RoffEscaped(Description(*option) + " " + "Environment: " + EnvironmentName(option->row->name) + ".") +
              "\n";
    }
  }
  return ManualAround(page, roff);
}

std::string ConfigTemplate(const OptionSet& options, const std::string& head) {
  std::string file;
  for (const std::string_view line : Split(head, '\n')) file += "# " + std::string(line) + "\n";
  for (Group group : kGroups) {
    file += "\n[" + std::string(TitleOf(group)) + "]\n";
    for (const Option* option : InGroup(options, group)) {
      if (!InFile(*option->row)) continue;
      file += "\n" + Comment(Description(*option)) + "#" + option->row->name + " =" +
              (option->default_text.empty() ? "" : " " + option->default_text) + "\n";
    }
  }
  return file;
}

}  // namespace holdfast::base
