// store_options.h - the store's options, one row each.

#ifndef HOLDFAST_STORE_STORE_OPTIONS_H_
#define HOLDFAST_STORE_STORE_OPTIONS_H_

#include <span>

#include "base/option.h"
#include "base/stat.h"
#include "store/store.h"

namespace holdfast::store {

std::span<const base::OptionRow> StoreOptions();  // over StoreSettings

// Rows over Store (what it holds) and over AccessCounters (what was done to it), under memcached's names where it has
// them.
std::span<const base::StatRow> StoreStats();
std::span<const base::StatRow> AccessStats();
// Rows over Store for `stats holdfast`.
std::span<const base::StatRow> StoreDetailStats();

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_STORE_OPTIONS_H_
