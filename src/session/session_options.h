// session_options.h - the options and statistics of the session module, one row each.

#ifndef HOLDFAST_SESSION_SESSION_OPTIONS_H_
#define HOLDFAST_SESSION_SESSION_OPTIONS_H_

#include <span>

#include "base/option.h"
#include "base/stat.h"
#include "session/session_settings.h"

namespace holdfast::session {

// Rows over SessionSettings.
std::span<const base::OptionRow> SessionOptions();

// Rows over Sessions, for the group "sessions".
std::span<const base::StatRow> SessionStatRows();
// Of the same group: how long things took and how large they were.
std::span<const base::StatRow> SessionMeasureRows();

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SESSION_OPTIONS_H_
