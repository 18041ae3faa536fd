// option_document.h - what a person reads about the options, written from their rows: --help and the manual page.
//
// Threads: pure functions.

#ifndef HOLDFAST_BASE_OPTION_DOCUMENT_H_
#define HOLDFAST_BASE_OPTION_DOCUMENT_H_

#include <string>
#include <utility>
#include <vector>

#include "base/option.h"

namespace holdfast::base {

// Lines of at most 100 characters: memcached's options, its extended ones, ours. `usage` comes first, as it is.
std::string HelpText(const OptionSet& options, const std::string& usage);

// A configuration file for people to start from: each option with its help, in a comment, and its default, commented
// out. `head` comes first; its lines become comments. Options without effect are not in it.
std::string ConfigTemplate(const OptionSet& options, const std::string& head);

// Roff of the section OPTIONS, from .SH on.
std::string ManualOptions(const OptionSet& options);

// A manual page around that section. Texts are plain; blank lines part paragraphs, lines that begin with blanks stay as
// they are.
struct ManualPage {
  std::string name;      // "holdfast"
  int section = 1;       //
  std::string version;   // "0.1.0"
  std::string summary;   // one line without a full stop
  std::string synopsis;  //
  std::string description;
  std::vector<std::pair<std::string, std::string>> after;  // title and text of the sections behind OPTIONS
};
std::string ManualText(const ManualPage& page, const OptionSet& options);
// The same for section 5: what the file may have, with the names of the environment.
std::string ConfigManualText(const ManualPage& page, const OptionSet& options);

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_OPTION_DOCUMENT_H_
