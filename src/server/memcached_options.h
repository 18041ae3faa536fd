// memcached_options.h - what memcached can be told and has no meaning here: accepted or refused, with the reason, so
// that an existing unit file starts or says why it does not.
//
// Threads: constants.

#ifndef HOLDFAST_SERVER_MEMCACHED_OPTIONS_H_
#define HOLDFAST_SERVER_MEMCACHED_OPTIONS_H_

#include <span>

#include "base/option.h"

namespace holdfast::server {

// Rows without members.
std::span<const base::OptionRow> MemcachedOptions();

// Names in `stats settings` that belong to no option.
struct FixedSetting {
  const char* name;
  const char* value;
};
std::span<const FixedSetting> FixedSettings();

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_MEMCACHED_OPTIONS_H_
