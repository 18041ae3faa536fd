// text.h - small work on strings for what is read by people: options, rules, statistics. Not for the path of a request.
//
// Threads: pure functions. A string_view that comes back points into the argument.

#ifndef HOLDFAST_BASE_TEXT_H_
#define HOLDFAST_BASE_TEXT_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::base {

// ASCII only, whatever the locale.
std::string LowerCase(std::string_view text);

// Without blanks at both ends.
std::string_view Trim(std::string_view text);

// The parts between separators; "" has one part, which is empty.
std::vector<std::string_view> Split(std::string_view text, char separator);

std::string Join(std::span<const std::string> parts, std::string_view separator);

// How many letters to insert, delete or replace to make one of the other.
size_t EditDistance(std::string_view a, std::string_view b);

// Lines of at most width characters, broken at blanks, each after the first indented; no line feed at the end.
std::string Wrap(std::string_view text, size_t width, size_t indent);

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_TEXT_H_
