// Many random histories of one node, each replayable by its seed: clients of several connections read, write, touch and
// delete a few sessions, while batches are cut in two, the database refuses or loses replies, memory evicts what it
// may, time passes and the server is restarted. After every answer a model of what must be true is asked.
//
// HOLDFAST_SEEDS=N runs N of them, HOLDFAST_SEED=S that one alone.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <map>
#include <random>
#include <set>

#include "lib/session_site.h"

namespace holdfast::session {
namespace {

using test::Answer;
using test::FaultyDriver;
using test::SessionSite;

constexpr int kKeys = 4;
constexpr uint64_t kConnections = 4;
constexpr int kSteps = 400;
constexpr base::Seconds kWindow = 30;

// What must be true of one key.
struct Model {
  std::optional<std::string> value;  // none: absent, deleted
  base::Seconds expiry = 0;
  bool deleted = false;  // since the last login; a plain set must prove itself
  base::Seconds deleted_at = 0;
  bool noted = false;  // the delete is in the book of answers: it was made here, or somebody was told of it in time
  bool told_any = false;
  bool vague =
      false;  // the tombstone came back from the database, which knows when it was written and not who was told
  std::set<uint64_t> told;  // connections answered since the delete

  bool Live(base::Seconds now) const { return value.has_value() && now < expiry; }
};

class History {
 public:
  // What becomes of provisional writes is not in the model.
  explicit History(uint32_t seed) : random_(seed) { site_.blind_sets = false; }

  void Run() {
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) Step();
    if (testing::Test::HasFailure()) return;
    Finish();
  }

 private:
  uint32_t Draw(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  base::Seconds Now() const { return site_.Now(); }

  void Step() {
    const std::string name = "php:" + std::to_string(Draw(kKeys));
    const uint64_t connection = 1 + Draw(kConnections);
    switch (Draw(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return Read(name, connection);
      case 4:
      case 5:
      case 6:
        return Set(name, connection);
      case 7:
        return Add(name, connection);
      case 8:
        return Touch(name, connection);
      case 9:
        return Delete(name, connection);
      case 10:
        return TakeBatch();
      case 11:
        return FinishBatch();
      case 12:
        site_.clock.AdvanceMillis(Draw(2) == 0 ? Draw(500) : Draw(20'000));
        return;
      case 13:
        site_.driver().fault = static_cast<FaultyDriver::Fault>(Draw(4) % 3);
        return;
      case 14:
        return EvictClean();
      default:
        if (Draw(10) == 0) Restart();
    }
  }

  // With HOLDFAST_SEED the history is told.
  void Tell(const char* what, const std::string& name, uint64_t connection, Answer answer) {
    static const bool tell = getenv("HOLDFAST_SEED") != nullptr;
    if (!tell) return;
    const Model& model = models_[name];
    printf("%6.1f s  connection %llu  %-6s %s -> %d   model: %s, deleted %d at %u\n",
           static_cast<double>(site_.clock.SteadyMicros() - test::VirtualClock::kStartMicros) / 1e6,
           static_cast<unsigned long long>(connection), what, name.c_str(), static_cast<int>(answer),
           model.Live(Now()) ? model.value->c_str() : "absent", model.deleted, model.deleted_at);
  }

  // An answer that could not be had says nothing, whatever the model knows.
  bool Unknown(Answer answer) {
    if (answer != Answer::kUnavailable) return false;
    EXPECT_NE(site_.driver().fault, FaultyDriver::Fault::kNone);
    return true;
  }

  void Read(const std::string& name, uint64_t connection) {
    Model& model = models_[name];
    std::string value;
    const Answer answer = site_.Get(name, connection, &value);
    Tell("get", name, connection, answer);
    if (Unknown(answer)) return;
    if (model.Live(Now())) {
      EXPECT_EQ(answer, Answer::kHit) << name;
      EXPECT_EQ(value, *model.value) << name;
    } else {
      EXPECT_EQ(answer, Answer::kMiss) << name;
      model.told_any = true;
      if (model.deleted && WindowOpen(model)) model.noted = true;
    }
    model.told.insert(connection);
  }

  bool WindowOpen(const Model& model) const { return model.deleted_at != 0 && Now() <= model.deleted_at + kWindow; }

  void Set(const std::string& name, uint64_t connection) {
    Model& model = models_[name];
    const std::string value = name + "#" + std::to_string(++writes_);
    const int ttl = Draw(4) == 0 ? 1 + static_cast<int>(Draw(20)) : 500;
    const Answer answer = site_.Set(name, value, connection, ttl);
    Tell("set", name, connection, answer);
    if (Unknown(answer)) return;
    ASSERT_EQ(answer, Answer::kStored);
    const bool told = model.told.contains(connection);
    const bool recent = WindowOpen(model);
    // About the end of the window the module may count either way: it measures in microseconds.
    const base::Seconds age = Now() - model.deleted_at;
    if (model.deleted_at != 0 && age + 1 >= kWindow && age <= kWindow + 1) return Adopt(name);
    if (model.vague && (model.deleted ? !model.told.empty() : !told)) return Adopt(name);
    const bool login = recent ? told : model.told_any;
    if (model.deleted && !login) return;                              // dropped
    if (model.Live(Now()) && recent && model.noted && !told) return;  // dropped, too
    Take(model, value, ttl, connection);
  }

  void Take(Model& model, const std::string& value, int ttl, uint64_t connection) {
    model.value = value;
    model.expiry = Now() + static_cast<base::Seconds>(ttl);
    model.deleted = false;
    model.told.insert(connection);
  }

  // Where both outcomes are right, memory says which it was.
  void Adopt(const std::string& name) {
    Model& model = models_[name];
    const store::Found found = site_.access().Find(store::Key::Of(name), Now());
    if (!found.live()) return;
    model.value = SessionSite::ValueOf(found.item);
    model.expiry = found.item.expiry();
    model.deleted = false;
  }

  void Add(const std::string& name, uint64_t connection) {
    Model& model = models_[name];
    const std::string value = name + "#" + std::to_string(++writes_);
    const Answer answer = site_.Add(name, value, connection, 500);
    Tell("add", name, connection, answer);
    if (Unknown(answer)) return;
    EXPECT_EQ(answer, model.Live(Now()) ? Answer::kNotStored : Answer::kStored) << name;
    if (answer == Answer::kStored) Take(model, value, 500, connection);
  }

  void Touch(const std::string& name, uint64_t connection) {
    Model& model = models_[name];
    const int ttl = Draw(2) == 0 ? 5 : 800;
    const Answer answer = site_.Touch(name, ttl, connection);
    Tell("touch", name, connection, answer);
    if (Unknown(answer)) return;
    EXPECT_EQ(answer, model.Live(Now()) ? Answer::kTouched : Answer::kNotFound) << name;
    if (answer == Answer::kTouched) model.expiry = Now() + static_cast<base::Seconds>(ttl);
  }

  void Delete(const std::string& name, uint64_t connection) {
    Model& model = models_[name];
    const Answer answer = site_.Delete(name, connection);
    Tell("delete", name, connection, answer);
    // Without the database the answer is DELETED for a key that nobody knows, too.
    if (site_.driver().fault == FaultyDriver::Fault::kNone) {
      EXPECT_EQ(answer, model.Live(Now()) ? Answer::kDeleted : Answer::kNotFound) << name;
    } else if (model.Live(Now())) {
      EXPECT_EQ(answer, Answer::kDeleted) << name;
    }
    if (answer != Answer::kDeleted) return;
    model = Model();
    model.deleted = true;
    model.noted = true;
    model.deleted_at = Now();
  }

  void TakeBatch() {
    if (!batch_.empty()) return FinishBatch();
    batch_ = site_.sessions().write_behind().NextBatch(site_.access());
  }
  void FinishBatch() {
    if (batch_.empty()) return;
    std::vector<ChangeOutcome> outcomes;
    const Failure failure = site_.driver().Write(batch_, &outcomes);
    if (failure.ok()) {
      site_.sessions().write_behind().OnOutcomes(site_.access(), outcomes);
    } else {
      site_.sessions().write_behind().OnFailure(failure);
    }
    batch_ = {};
  }

  void EvictClean() {
    for (int i = 0; i < kKeys; ++i) {
      const std::string name = "php:" + std::to_string(i);
      if (Draw(2) != 0 || !site_.InMemory(name) || site_.IsDirty(name)) continue;
      site_.Evict(name);
      if (models_[name].deleted) models_[name].vague = true;
    }
  }

  // Everything is written, whatever it takes.
  void Drain() {
    FinishBatch();
    site_.driver().fault = FaultyDriver::Fault::kNone;
    site_.sessions().write_behind().SetDraining(true);
    for (int tries = 0; site_.sessions().write_behind().dirty_items() != 0 && tries < 100; ++tries) {
      site_.clock.AdvanceMillis(500);
      site_.WriteDue();
    }
    site_.sessions().write_behind().SetDraining(false);
    ASSERT_EQ(site_.sessions().write_behind().dirty_items(), 0u);
    ASSERT_EQ(site_.sessions().write_behind().dirty_bytes(), 0);
    ASSERT_EQ(site_.store().Totals().dirty_items, 0u);
  }

  void Restart() {
    Drain();
    site_.Restart();
    for (auto& [name, model] : models_) {
      // No connection of before is left to come late; who was told is forgotten.
      model.told.clear();
      model.told_any = false;
      model.noted = false;
      model.vague = model.deleted;
    }
    if (getenv("HOLDFAST_SEED") != nullptr) printf("restart\n");
  }

  void Finish() {
    Drain();
    for (int i = 0; i < kKeys; ++i) {
      const std::string name = "php:" + std::to_string(i);
      const Model& model = models_[name];
      const std::optional<Row> row = site_.InDatabase(name);
      if (model.Live(Now())) {
        ASSERT_TRUE(row.has_value()) << name;
        EXPECT_EQ(row->state, RowState::kLive) << name;
        EXPECT_EQ(row->data, *model.value) << name;
        EXPECT_EQ(row->expires_us, site_.clock.SteadyMicrosAt(model.expiry)) << name;
      } else if (row.has_value()) {
        EXPECT_TRUE(row->state == RowState::kTombstone || row->expires_us <= site_.clock.SteadyMicros()) << name;
      }
    }
  }

  std::minstd_rand random_;
  SessionSite site_;
  std::map<std::string, Model> models_;
  std::span<const Change> batch_;
  int writes_ = 0;
};

TEST(SessionRandom, EveryHistoryKeepsThePromises) {
  const char* one = getenv("HOLDFAST_SEED");
  const char* many = getenv("HOLDFAST_SEEDS");
  const uint32_t first = one != nullptr ? static_cast<uint32_t>(atoi(one)) : 1;
  const uint32_t count = one != nullptr ? 1 : many != nullptr ? static_cast<uint32_t>(atoi(many)) : 100;
  for (uint32_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("HOLDFAST_SEED=" + std::to_string(seed));
    History(seed).Run();
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace holdfast::session
