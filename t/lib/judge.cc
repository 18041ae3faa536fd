// How it works: the operations of a key stand in order of their sending. For every answer the judge looks for what
// makes it impossible.
//
// "Surely before" (the reply of one came before the other was sent; with a margin where two nodes are involved) is the
// only order that is known; all else may have happened either way, and then everything is allowed that either way
// allows. So there are no false alarms, at the price of some faults that are not seen.
//
// Expiry: the writes and touches that may have been the last to set it are its candidates. Who says "gone" is right if
// the earliest of their ends has come; who says "here" if the latest has not.

#include "lib/judge.h"

#include <algorithm>
#include <cstdio>
#include <unordered_map>

namespace holdfast::test {

namespace {

bool SetsExpiry(const Operation& op) {
  switch (op.act) {
    case Act::kSet:
    case Act::kAdd:
    case Act::kRewrite:
      return op.said == Said::kStored || op.said == Said::kNothing;
    case Act::kTouch:
      return op.said == Said::kTouched || op.said == Said::kNothing;
    default:
      return false;
  }
}

bool Writes(const Operation& op) {
  return (op.act == Act::kSet || op.act == Act::kAdd || op.act == Act::kRewrite) && op.ttl_us > 0 &&
         (op.said == Said::kStored || op.said == Said::kNothing);
}

// A delete, or what amounts to one, that took place or may have.
bool MayDelete(const Operation& op) {
  if (op.act == Act::kDelete) return op.said == Said::kDeleted || op.said == Said::kNothing;
  return SetsExpiry(op) && op.ttl_us <= 0;
}

bool IsMiss(const Operation& op) {
  if (op.act == Act::kAdd) return op.said == Said::kStored;
  return op.said == Said::kMiss;
}

// It tells of a live session.
bool IsHit(const Operation& op) {
  return op.said == Said::kHit || op.said == Said::kTouched || op.said == Said::kExists ||
         (op.said == Said::kNotStored && op.act != Act::kSet) || (op.act == Act::kRewrite && op.said == Said::kStored);
}

int64_t Add(int64_t a, int64_t b) {
  int64_t sum;
  return a == kForever || b == kForever || __builtin_add_overflow(a, b, &sum) ? kForever : sum;
}

class KeyJudge {
 public:
  KeyJudge(std::span<const Operation> history, const JudgeRules& rules, std::vector<Finding>* findings)
      : history_(history), rules_(rules), findings_(findings) {}

  void Add(size_t i) { indexes_.push_back(i); }

  void Run() {
    std::sort(indexes_.begin(), indexes_.end(), [this](size_t a, size_t b) {
      return history_[a].begun_us < history_[b].begun_us ||
             (history_[a].begun_us == history_[b].begun_us && history_[a].ended_us < history_[b].ended_us);
    });
    for (const size_t i : indexes_) {
      const Operation& op = At(i);
      if (Writes(op)) writes_[op.value] = i;
      if (MayDelete(op)) deletes_.push_back(i);
    }
    owed_.resize(indexes_.size());
    extends_.resize(indexes_.size());
    for (size_t at = 0; at < indexes_.size(); ++at) {
      owed_[at] = IsOwed(indexes_[at]);
      extends_[at] = owed_[at] || IsTouchOfSession(At(indexes_[at]));
    }
    for (const size_t i : indexes_) Look(i);
  }

 private:
  const Operation& At(size_t i) const { return history_[i]; }

  int64_t Margin(const Operation& a, const Operation& b) const {
    const bool one_order = a.strict || a.node == b.node || a.node == kDatabaseNode || b.node == kDatabaseNode;
    return one_order ? 0 : rules_.skew_us;
  }
  bool Before(const Operation& a, const Operation& b) const {
    return ::holdfast::test::Add(a.ended_us, Margin(a, b)) < b.begun_us;
  }
  // From when on this reader must know of a. The others of a strict session look into the database first, but for a
  // get.
  int64_t KnownFrom(const Operation& a, const Operation& reader) const {
    if (a.node == reader.node || reader.node == kDatabaseNode || reader.is_final) return a.ended_us;
    if (!reader.strict) return KnownElsewhereFrom(a.ended_us);
    return reader.act == Act::kGet ? ::holdfast::test::Add(a.ended_us, rules_.strict_bound_us) : a.ended_us;
  }
  // What ended then, on one node, is known to all others after the bound in one piece without harm: a harm that begins
  // later changes nothing in that.
  int64_t KnownElsewhereFrom(int64_t ended_us) const {
    int64_t since_us = ended_us;
    auto harm = std::partition_point(rules_.harms.begin(), rules_.harms.end(),
                                     [since_us](const Span& past) { return past.ended_us < since_us; });
    for (; harm != rules_.harms.end(); ++harm) {
      if (!harm->Meets(since_us, ::holdfast::test::Add(since_us, rules_.bound_us))) break;
      since_us = harm->ended_us;
    }
    int64_t known_us = std::min(::holdfast::test::Add(since_us, rules_.bound_us),
                                ::holdfast::test::Add(ended_us, std::max(rules_.bound_us, rules_.harmed_bound_us)));
    const auto settled = std::lower_bound(rules_.settled_us.begin(), rules_.settled_us.end(), ended_us);
    if (settled != rules_.settled_us.end()) known_us = std::min(known_us, *settled);
    return known_us;
  }
  bool KnownTo(const Operation& a, const Operation& reader) const { return KnownFrom(a, reader) < reader.begun_us; }

  // -- What a write is owed ------------------------------------------------------------------------

  bool IsOwed(size_t i) const {
    const Operation& op = At(i);
    if (!Writes(op) || op.said != Said::kStored || op.uncertain) return false;
    if (op.strict) return true;
    for (const size_t d : deletes_) {
      const Operation& del = At(d);
      if (d == i || Before(op, del)) continue;
      if (op.act == Act::kSet && !WasToldOf(op, del)) return false;
      // A node compares with what it has, and that may be a session that another has just deleted.
      if (op.act == Act::kRewrite && del.node != op.node && !KnownTo(del, op)) return false;
    }
    return !op.empty || SurelyLive(op) != kNone;
  }

  // Who was told is remembered for a writer window. What it was told on another node may have been old news.
  bool WasToldOf(const Operation& op, const Operation& del) const {
    return op.told_us > KnownFrom(del, op) && op.ended_us < ::holdfast::test::Add(op.told_us, rules_.window_us) &&
           !IsProvisional(op.told_value);
  }

  // Was this value stored while nobody could ask the database? Then it may go, and who was told of it knows nothing.
  bool IsProvisional(uint32_t value) const {
    const auto write = writes_.find(value);
    return write != writes_.end() && At(write->second).uncertain;
  }

  // Not of a reservation, nor of a value stored provisionally, which may go and take its expiry with it.
  bool IsTouchOfSession(const Operation& op) const {
    return op.act == Act::kTouch && op.said == Said::kTouched && !op.uncertain && SurelyLive(op) != kNone &&
           (op.strict || !MayBeOfOldValue(op));
  }

  // Has another node just given the session a value? A touch goes to the database for the value it found.
  bool MayBeOfOldValue(const Operation& op) const {
    return std::any_of(indexes_.begin(), indexes_.end(), [&](size_t i) {
      const Operation& write = At(i);
      return Writes(write) && write.node != op.node && !Before(op, write) && !KnownTo(write, op);
    });
  }

  bool IsLogin(const Operation& op) const { return op.act == Act::kAdd || (op.act == Act::kSet && op.based_on == 0); }

  // The write by which there surely was a session when op was carried out.
  static constexpr size_t kNone = static_cast<size_t>(-1);
  size_t SurelyLive(const Operation& op) const {
    const size_t last = LastOwedBefore(op);
    if (last == kNone) return kNone;
    const Operation& write = At(last);
    for (const size_t d : deletes_) {
      const Operation& del = At(d);
      if (&del != &op && !Before(del, write) && del.begun_us <= op.ended_us) return kNone;
    }
    int64_t earliest, latest;
    Expiry(op, &earliest, &latest);
    const int64_t until_us = op.ended_us;
    return until_us != kForever && until_us < earliest - rules_.grain_us ? last : kNone;
  }

  // The latest of the writes owed that this operation must have known.
  size_t LastOwedBefore(const Operation& op) const {
    size_t last = kNone;
    for (size_t at = 0; at < indexes_.size(); ++at) {
      const Operation& write = At(indexes_[at]);
      if (write.begun_us > op.begun_us) break;
      if (owed_[at] && &write != &op && Before(write, op) && KnownTo(write, op)) last = indexes_[at];
    }
    return last;
  }

  // When the session must, and may, have ended, as far as op could tell.
  void Expiry(const Operation& op, int64_t* earliest, int64_t* latest) const {
    const Operation* last = nullptr;
    for (size_t at = 0; at < indexes_.size(); ++at) {
      const Operation& other = At(indexes_[at]);
      if (other.begun_us > op.begun_us) break;
      if (extends_[at] && &other != &op && Before(other, op) && KnownTo(other, op)) last = &other;
    }
    *earliest = kForever;
    *latest = 0;
    for (const size_t i : indexes_) {
      const Operation& other = At(i);
      if (!SetsExpiry(other) || &other == &op || other.begun_us > op.ended_us) continue;
      if (last != nullptr && &other != last && Before(other, *last)) continue;
      *earliest = std::min(*earliest, ::holdfast::test::Add(other.begun_us, other.ttl_us));
      *latest = std::max(*latest, ::holdfast::test::Add(other.ended_us, other.ttl_us));
    }
  }

  bool MayBeOver(const Operation& op) const {
    int64_t earliest, latest;
    Expiry(op, &earliest, &latest);
    return op.ended_us >= earliest - rules_.grain_us;
  }

  // -- Which session a value belongs to ------------------------------------------------------------

  // Was it written, or based on what was written, before the delete, with no login between?
  bool IsFromBefore(size_t write, const Operation& del) const {
    for (size_t steps = 0; steps <= indexes_.size(); ++steps) {
      const Operation& op = At(write);
      if (Before(op, del)) return true;
      if (!Before(del, op)) return false;
      if (op.act == Act::kAdd || op.told_us > del.ended_us || op.based_on == 0 || op.uncertain) return false;
      // A login, by what this node knew of before the delete on the other: nobody, or somebody whose time was over.
      if (!KnownTo(del, op) && (KnewOfNone(op) || MayBeOver(op) || IsLongAfterOwnDelete(op))) return false;
      // What its connection was told may have come after the delete, and then it was a login.
      if (op.told_ended_us >= del.begun_us && op.told_value != op.based_on) return false;
      if (op.ended_us > ::holdfast::test::Add(del.begun_us, rules_.window_us)) return false;
      if (TookRowUnknowing(del, op)) return false;
      if (op.pooled && SomebodyMayHaveLoggedIn(del, op)) return false;
      const auto base = writes_.find(op.based_on);
      if (base == writes_.end()) return false;
      write = base->second;
    }
    return false;
  }

  // Was its connection told that there is no session? A reservation, which PHP makes for every visitor, is none.
  bool WasToldOfNone(const Operation& op) const {
    if (op.told_us < 0 || op.told_value == 0) return op.told_us >= 0;
    const auto write = writes_.find(op.told_value);
    return write != writes_.end() && At(write->second).empty && SurelyLive(At(write->second)) == kNone;
  }

  // A write that is a login for the node it was sent to, unless that knows of a session from another.
  bool KnewOfNone(const Operation& op) const {
    return op.act != Act::kRewrite && (WasToldOfNone(op) || WasNobodyThere(op));
  }

  // A write of a connection that was told nothing, on a node that has told nobody of a session, or last that there is
  // none: a login too, by what was known there.
  bool WasNobodyThere(const Operation& op) const {
    if (op.told_us >= 0 || LastOwedBefore(op) != kNone) return false;
    const Operation* last = nullptr;
    for (const size_t i : indexes_) {
      const Operation& other = At(i);
      if (&other == &op || other.node != op.node || other.begun_us > op.ended_us) continue;
      if (!Before(other, op)) {
        if (Writes(other)) return false;
      } else if (last == nullptr || other.ended_us > last->ended_us) {
        last = &other;
      }
    }
    return last == nullptr || (IsMiss(*last) && !Writes(*last));
  }

  // Was there a login by a node that could not know of the delete yet? The row is its own then, and the delete with it:
  // it never hears of that, and takes a late page's write for one of the new session.
  bool TookRowUnknowing(const Operation& del, const Operation& late) const {
    return del.node != late.node && std::any_of(indexes_.begin(), indexes_.end(), [&](size_t i) {
             const Operation& op = At(i);
             return Writes(op) && op.node == late.node && !KnownTo(del, op) && !Before(op, del) && Before(op, late) &&
                    (IsLogin(op) || KnewOfNone(op));
           });
  }

  // A set later than the writer window after a delete on the same node, where nothing was written between: a login
  // there, whatever else was deleted meanwhile where that node could not know of it.
  bool IsLongAfterOwnDelete(const Operation& op) const {
    if (op.act != Act::kSet) return false;
    return std::any_of(deletes_.begin(), deletes_.end(), [&](size_t d) {
      const Operation& del = At(d);
      if (del.node != op.node || del.said != Said::kDeleted || !Before(del, op)) return false;
      if (op.ended_us <= ::holdfast::test::Add(del.begun_us, rules_.window_us)) return false;
      return std::none_of(indexes_.begin(), indexes_.end(), [&](size_t i) {
        const Operation& other = At(i);
        return &other != &op && Writes(other) && other.node == op.node && !Before(other, del) &&
               other.begun_us <= op.ended_us;
      });
    });
  }

  bool SomebodyMayHaveLoggedIn(const Operation& del, const Operation& until) const {
    return std::any_of(indexes_.begin(), indexes_.end(), [&](size_t i) {
      const Operation& op = At(i);
      const bool may_know = op.told_us > del.ended_us || (op.told_ended_us >= del.begun_us && op.told_value == 0) ||
                            (!KnownTo(del, op) && KnewOfNone(op));
      return Writes(op) && !Before(op, del) && op.begun_us < until.ended_us && (op.act == Act::kAdd || may_know);
    });
  }

  // -- Answers -------------------------------------------------------------------------------------

  void Look(size_t i) {
    const Operation& op = At(i);
    if (op.foreign) return Find(Fault::kForeign, i, i);
    if (op.act == Act::kRow && !op.is_final && !op.strict) return LookForLag(i);
    if (IsMiss(op)) LookAtMiss(i);
    if (IsHit(op)) LookAtHit(i);
    if (op.value != 0 && (op.said == Said::kHit)) LookAtValue(i, op.value);
    if (op.act == Act::kRewrite && op.said == Said::kStored) LookForResurrection(i, i);
    if (op.act == Act::kRow && op.said == Said::kHit) LookAtRowsLife(i);
    if (op.strict && op.act == Act::kRewrite && op.said == Said::kStored) LookAtBase(i);
    if (op.strict && op.act == Act::kAdd && op.said == Said::kStored) LookForAnotherAdd(i);
  }

  // A `cas` of a strict session took the place of what its client had read, and of nothing else.
  void LookAtBase(size_t i) {
    const Operation& op = At(i);
    LookAtValue(i, op.based_on);
    for (const size_t o : indexes_) {
      const Operation& other = At(o);
      if (o < i && other.act == Act::kRewrite && other.said == Said::kStored && other.based_on == op.based_on) {
        return Find(Fault::kLostUpdate, i, o);
      }
    }
  }

  // Of two that add a strict session at the same time one finds the other's.
  void LookForAnotherAdd(size_t i) {
    const Operation& op = At(i);
    for (const size_t o : indexes_) {
      const Operation& other = At(o);
      if (o == i || other.act != Act::kAdd || other.said != Said::kStored || other.begun_us > op.begun_us) continue;
      if (!MayBeGoneBetween(other.begun_us, std::max(op.ended_us, other.ended_us))) {
        return Find(Fault::kLoginRefused, i, o);
      }
    }
  }

  // May a session that was made in this time have ended in it?
  bool MayBeGoneBetween(int64_t begin_us, int64_t end_us) const {
    return std::any_of(indexes_.begin(), indexes_.end(), [&](size_t i) {
      const Operation& op = At(i);
      if (op.ended_us < begin_us || op.begun_us > end_us) return false;
      return MayDelete(op) ||
             (SetsExpiry(op) && end_us >= ::holdfast::test::Add(op.begun_us, op.ttl_us) - rules_.grain_us);
    });
  }

  void LookAtMiss(size_t i) {
    const size_t write = SurelyLive(At(i));
    if (write == kNone || MayHaveEndedWithAnother(At(i), write)) return;
    Find(IsLogin(At(write)) ? Fault::kLoginRefused : Fault::kLostSession, i, write);
  }

  // Two servers may each have a login of their own until one knows of the other's. The later value stays, and when it
  // is of the login that a third has deleted by then, the delete ends it, however late it comes.
  bool MayHaveEndedWithAnother(const Operation& op, size_t login) const {
    const Operation& lost = At(login);
    return std::any_of(indexes_.begin(), indexes_.end(), [&](size_t w) {
      const Operation& write = At(w);
      if (!Writes(write) || write.node == lost.node || write.begun_us >= op.begun_us) return false;
      if (Before(write, lost) || KnownTo(lost, write)) return false;
      return std::any_of(deletes_.begin(), deletes_.end(), [&](size_t d) {
        return Before(At(d), lost) && !KnownTo(At(d), write) && BeganBefore(w, At(d));
      });
    });
  }
  bool BeganBefore(size_t write, const Operation& del) const {
    for (size_t steps = 0; steps <= indexes_.size(); ++steps) {
      const Operation& op = At(write);
      const auto base = writes_.find(op.based_on);
      if (Before(op, del)) return true;
      if (op.act == Act::kAdd || base == writes_.end()) return false;
      write = base->second;
    }
    return false;
  }

  void LookAtHit(size_t i) {
    const Operation& op = At(i);
    int64_t earliest, latest;
    Expiry(op, &earliest, &latest);
    if (latest != kForever && op.begun_us > latest + rules_.grain_us) Find(Fault::kOverAlive, i, i);
    if (op.said != Said::kHit) LookForGhost(i);
  }

  // A session that answers without showing its value, although a delete came after all that can have written it.
  void LookForGhost(size_t i) {
    const Operation& op = At(i);
    for (const size_t d : deletes_) {
      const Operation& del = At(d);
      if (del.said == Said::kNothing || del.act != Act::kDelete || !Before(del, op) || !KnownTo(del, op)) continue;
      const bool has_writer = std::any_of(indexes_.begin(), indexes_.end(), [&](size_t w) {
        const Operation& write = At(w);
        return w != i && Writes(write) && !Before(write, del) && write.begun_us <= op.ended_us && !IsFromBefore(w, del);
      });
      if (!has_writer) return Find(Fault::kResurrected, i, d);
    }
  }

  void LookAtValue(size_t i, uint32_t value) {
    const Operation& op = At(i);
    const auto found = writes_.find(value);
    if (found == writes_.end() || At(found->second).begun_us > op.ended_us) return Find(Fault::kForeign, i, i);
    const Operation& written = At(found->second);
    const Operation* first = nullptr;
    for (size_t at = 0; at < indexes_.size(); ++at) {
      const Operation& later = At(indexes_[at]);
      if (!owed_[at] || later.value == value || !KnownTo(later, op) || !Before(later, op)) continue;
      if (!Before(written, later)) continue;
      if (first == nullptr || later.ended_us < first->ended_us) first = &later;
    }
    if (first != nullptr) {
      const auto against = static_cast<size_t>(first - history_.data());
      Find(op.is_final ? Fault::kLostUpdate : Fault::kStale, i, against, op.begun_us - first->ended_us);
    }
    LookForResurrection(i, found->second);
  }

  void LookForResurrection(size_t i, size_t write) {
    const Operation& op = At(i);
    for (const size_t d : deletes_) {
      const Operation& del = At(d);
      if (del.said == Said::kNothing || !Before(del, op) || !KnownTo(del, op)) continue;
      if (del.act != Act::kDelete) continue;
      if (IsFromBefore(write, del)) return Find(Fault::kResurrected, i, d);
    }
  }

  // Once all is quiet the row has the expiry that was set last.
  void LookAtRowsLife(size_t i) {
    const Operation& op = At(i);
    int64_t earliest, latest;
    Expiry(op, &earliest, &latest);
    // The row was looked at at some time between.
    const int64_t soonest_us = ::holdfast::test::Add(op.begun_us, op.ttl_us);
    const int64_t latest_us = ::holdfast::test::Add(op.ended_us, op.ttl_us);
    const bool too_early = earliest != kForever ? latest_us < earliest - rules_.grain_us : latest_us != kForever;
    const bool too_late = latest != kForever && (soonest_us == kForever || soonest_us > latest + rules_.grain_us);
    if (too_early || too_late) Find(Fault::kLostTouch, i, i);
  }

  void LookForLag(size_t i) {
    const Operation& row = At(i);
    if (rules_.lag_us == kForever || row.database_up_us == kForever) return;
    const auto written = writes_.find(row.value);
    for (size_t at = 0; at < indexes_.size(); ++at) {
      const Operation& write = At(indexes_[at]);
      if (!owed_[at]) continue;
      const int64_t due_us = ::holdfast::test::Add(
          write.ended_us, write.act == Act::kAdd && !write.empty ? 0 : std::min(rules_.interval_us, write.ttl_us / 4));
      const int64_t since_us = std::max(due_us, row.database_up_us);
      if (::holdfast::test::Add(since_us, rules_.lag_us) >= row.begun_us) continue;
      const bool older = row.said == Said::kHit ? written != writes_.end() && Before(At(written->second), write)
                                                : SurelyLive(row) == indexes_[at];
      if (older) return Find(Fault::kLag, i, indexes_[at], row.begun_us - since_us);
    }
  }

  void Find(Fault fault, size_t i, size_t against, int64_t age_us = 0) {
    findings_->push_back({fault, i, against, age_us});
  }

  const std::span<const Operation> history_;
  const JudgeRules& rules_;
  std::vector<Finding>* const findings_;
  std::vector<size_t> indexes_;  // of this key, in order of their sending
  std::vector<bool> owed_;       // beside indexes_
  std::vector<bool> extends_;    // beside indexes_: surely gave a session another end
  std::vector<size_t> deletes_;
  std::unordered_map<uint32_t, size_t> writes_;
};

}  // namespace

std::vector<Finding> Judge(std::span<const Operation> history, const JudgeRules& rules) {
  std::vector<Finding> findings;
  std::unordered_map<uint32_t, KeyJudge> keys;
  for (size_t i = 0; i < history.size(); ++i) {
    keys.try_emplace(history[i].key, history, rules, &findings).first->second.Add(i);
  }
  for (auto& [key, judge] : keys) judge.Run();
  std::sort(findings.begin(), findings.end(),
            [](const Finding& a, const Finding& b) { return a.operation < b.operation; });
  return findings;
}

namespace {

// What one key has of this: all that was done to it.
using OfKey = std::vector<const Operation*>;

bool MayEnd(const Operation& op, int64_t until_us, const JudgeRules& rules) {
  return MayDelete(op) || (SetsExpiry(op) && Add(op.begun_us, op.ttl_us) - rules.grain_us <= until_us);
}

// `seen` was read after the set; does it show that the set did not take effect?
bool WasDropped(const Operation& set, const Operation& seen, const OfKey& all, const JudgeRules& rules) {
  if (seen.said == Said::kHit) {
    return std::any_of(all.begin(), all.end(), [&](const Operation* op) {
      return Writes(*op) && op->value == seen.value && Add(op->ended_us, rules.skew_us) < set.begun_us;
    });
  }
  return std::none_of(all.begin(), all.end(), [&](const Operation* op) {
    const bool is_between = Add(op->ended_us, rules.skew_us) >= set.begun_us && op->begun_us <= seen.ended_us;
    return is_between && MayEnd(*op, seen.ended_us, rules);
  });
}

bool MayBeDropped(const Operation& op, int64_t since_us) {
  return op.act == Act::kSet && op.said == Said::kStored && !op.strict && !op.empty && op.ttl_us > 0 &&
         op.begun_us >= since_us;
}

}  // namespace

// Only the first that was read on the same node after the set tells of it, or what was there in the end: what comes
// later may be of other writes.
std::vector<size_t> DroppedSets(std::span<const Operation> history, int64_t since_us, const JudgeRules& rules) {
  std::unordered_map<uint32_t, OfKey> keys;
  for (const Operation& op : history) keys[op.key].push_back(&op);
  std::vector<size_t> dropped;
  for (auto& [key, all] : keys) {
    std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->begun_us < b->begun_us; });
    int64_t told_us = 0;
    for (auto at = all.begin(); at != all.end(); ++at) {
      const Operation& set = **at;
      if (!MayBeDropped(set, since_us) || set.begun_us <= told_us) continue;
      const auto seen = std::find_if(at, all.end(), [&set](const Operation* op) {
        const bool reads = op->act == Act::kGet || op->act == Act::kRow;
        return reads && op->said != Said::kNothing && op->begun_us > set.ended_us &&
               (op->node == set.node || op->is_final);
      });
      if (seen == all.end() || !WasDropped(set, **seen, all, rules)) continue;
      dropped.push_back(static_cast<size_t>(&set - history.data()));
      told_us = (*seen)->ended_us;
    }
  }
  return dropped;
}

const char* NameOf(Fault fault) {
  static const char* const kNames[kFaults] = {"lost session", "login refused", "lost update", "lost touch", "stale",
                                              "resurrected",  "foreign",       "over-alive",  "lag"};
  return kNames[static_cast<size_t>(fault)];
}

std::string Describe(const Operation& op) {
  static const char* const kActs[] = {"get", "set", "add", "rewrite", "touch", "delete", "probe", "row"};
  static const char* const kSaid[] = {"no answer",  "hit",    "miss",    "stored",
                                      "not stored", "exists", "touched", "deleted"};
  char text[256];
  int length = std::snprintf(text, sizeof text, "%-7s key %u by node %u, %.6f to ", kActs[static_cast<int>(op.act)],
                             op.key, op.node, static_cast<double>(op.begun_us) / 1e6);
  std::string line(text, static_cast<size_t>(length));
  if (op.ended_us == kForever) {
    line += "?";
  } else {
    length = std::snprintf(text, sizeof text, "%.6f", static_cast<double>(op.ended_us) / 1e6);
    line.append(text, static_cast<size_t>(length));
  }
  line += std::string(": ") + kSaid[static_cast<int>(op.said)];
  if (op.value != 0) line += ", value " + std::to_string(op.value);
  if (op.empty) line += " (empty)";
  if (op.based_on != 0) line += " based on " + std::to_string(op.based_on);
  if (op.told_us >= 0) {
    length = std::snprintf(text, sizeof text, ", told %.6f", static_cast<double>(op.told_us) / 1e6);
    line.append(text, static_cast<size_t>(length));
  }
  if (op.ttl_us != kForever) {
    length = std::snprintf(text, sizeof text, ", ttl %.3f", static_cast<double>(op.ttl_us) / 1e6);
    line.append(text, static_cast<size_t>(length));
  }
  if (op.pooled) line += ", pooled";
  if (op.is_final) line += ", when quiet";
  if (op.uncertain) line += ", provisional";
  return line;
}

std::string Describe(const Finding& finding, std::span<const Operation> history) {
  std::string text = std::string(NameOf(finding.fault)) + ": " + Describe(history[finding.operation]);
  if (finding.against != finding.operation) text += "\n  against " + Describe(history[finding.against]);
  if (finding.age_us != 0) text += "\n  " + std::to_string(finding.age_us) + " us too old";
  return text;
}

}  // namespace holdfast::test
