// key_text.h - keys as lists of keys and lines of events show them.
//
// Threads: pure functions of their arguments.

#ifndef HOLDFAST_COMMAND_KEY_TEXT_H_
#define HOLDFAST_COMMAND_KEY_TEXT_H_

#include <string>
#include <string_view>

namespace holdfast::command {

// Letters, digits and -._~ as they are, all else as %XX.
void AppendEncoded(std::string_view key, std::string* text);
// Whether the key can stand on a command line as it is.
bool IsPlainKey(std::string_view key);

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_KEY_TEXT_H_
