// The journal: what was acknowledged comes back after the process is gone, torn and damaged parts do not, and old
// segments go without taking anything along.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/log.h"
#include "lib/store_fixture.h"
#include "session/driver.h"
#include "session/file_journal.h"
#include "session/journal_overtaken.h"
#include "session/journal_ring.h"
#include "session/journal_segments.h"
#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {
namespace {

namespace fs = std::filesystem;
constexpr char kUuid[] = "01234567-89ab-cdef-0123-456789abcdef";

struct Folder {
  Folder() {
    char name[] = "/tmp/holdfast-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

JournalRecord DeleteOf(std::string_view key, uint64_t version) {
  JournalRecord record;
  record.kind = RecordKind::kDelete;
  record.key = key;
  record.stamps.version = record.stamps.floor = version;
  return record;
}

// Of the ring's records.
std::vector<std::string> KeysIn(std::string_view bytes, uint64_t seed = 0) {
  std::vector<std::string> keys;
  while (const size_t claimed = ClaimedBytes(bytes)) {
    if (const auto record = DecodeRecord(bytes, seed, true, Cover::kHead)) keys.emplace_back(record->key);
    bytes.remove_prefix(claimed);
    seed += claimed;
  }
  return keys;
}

constexpr size_t kAll = ~size_t{0};
std::vector<std::string> KeysAtTail(const JournalRing& ring) { return KeysIn(ring.Peek(kAll), ring.seed_at_tail()); }

struct LeftOver {
  std::string bytes;
  JournalBoot boot{};
};

auto OpenRing(const Folder& folder, const base::Clock& clock, LeftOver* left_over, size_t bytes = 4096,
              const char* uuid = kUuid) {
  return JournalRing::Open(folder.path + "/ring", uuid, bytes, clock, &left_over->bytes, &left_over->boot);
}

// -- The ring --------------------------------------------------------------------------------------

TEST(JournalRing, what_was_appended_is_read_once_in_order_round_the_end) {
  Folder folder;
  const test::VirtualClock clock;
  LeftOver left_over;
  auto ring = OpenRing(folder, clock, &left_over);
  ASSERT_TRUE(ring.ok());
  uint64_t read = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(ring.value()->Append(DeleteOf("key" + std::string(i % 90, 'x') + std::to_string(i), i)));
    if (i % 7 != 0) continue;
    for (std::string_view records; !(records = ring.value()->Peek(kAll)).empty();
         ring.value()->Consume(records.size())) {
      for (const std::string& key : KeysAtTail(*ring.value())) {
        ASSERT_EQ(key, "key" + std::string(read % 90, 'x') + std::to_string(read));
        ++read;
      }
    }
  }
  EXPECT_GT(read, 990u);
}

TEST(JournalRing, a_full_ring_refuses_and_takes_again_when_it_was_read) {
  Folder folder;
  const test::VirtualClock clock;
  LeftOver left_over;
  auto ring = OpenRing(folder, clock, &left_over);
  int taken = 0;
  while (ring.value()->Append(DeleteOf("key", 1))) ++taken;
  EXPECT_EQ(taken, 4096 / 80);
  ring.value()->Consume(ring.value()->Peek(kAll).size());
  EXPECT_TRUE(ring.value()->Append(DeleteOf("key", 1)));
}

TEST(JournalRing, the_next_process_gets_what_was_left_but_nothing_that_is_torn) {
  Folder folder;
  const test::VirtualClock clock;
  LeftOver left_over;
  {
    auto ring = OpenRing(folder, clock, &left_over);
    for (const char* key : {"one", "two", "three"}) ASSERT_TRUE(ring.value()->Append(DeleteOf(key, 1)));
  }
  {
    // The second record's writer was killed before the check was written.
    std::fstream file(folder.path + "/ring", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 80);
    file.write("\0\0\0\0\0\0\0\0", 8);
  }
  auto ring = OpenRing(folder, clock, &left_over);
  ASSERT_TRUE(ring.ok());
  EXPECT_EQ(KeysIn(left_over.bytes), (std::vector<std::string>{"one", "three"}));
}

TEST(JournalRing, that_of_another_database_is_refused_by_name) {
  Folder folder;
  const test::VirtualClock clock;
  LeftOver left_over;
  { auto ring = OpenRing(folder, clock, &left_over); }
  auto ring = OpenRing(folder, clock, &left_over, 4096, "another");
  ASSERT_FALSE(ring.ok());
  EXPECT_NE(ring.status().message().find(folder.path + "/ring"), std::string::npos);
}

TEST(JournalRing, four_writers_and_a_reader_lose_nothing) {
  Folder folder;
  const test::VirtualClock clock;
  LeftOver left_over;
  auto opened = OpenRing(folder, clock, &left_over, 64 * 1024);
  JournalRing& ring = *opened.value();
  constexpr int kWriters = 4, kEach = 5000;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&ring, w] {
      for (int i = 0; i < kEach; ++i) {
        while (!ring.Append(DeleteOf(std::to_string(w) + ":" + std::to_string(i), 1))) std::this_thread::yield();
      }
    });
  }
  std::vector<int> next(kWriters, 0);
  int read = 0;
  while (read < kWriters * kEach) {
    const std::string_view records = ring.Peek(kAll);
    for (const std::string& key : KeysIn(records, ring.seed_at_tail())) {
      const size_t writer = static_cast<size_t>(key[0] - '0');
      ASSERT_EQ(key, std::to_string(writer) + ":" + std::to_string(next[writer]));
      ++next[writer];
      ++read;
    }
    ring.Consume(records.size());
  }
  for (std::thread& writer : writers) writer.join();
}

TEST(JournalRing, one_that_was_never_finished_is_made_anew) {
  Folder folder;
  const test::VirtualClock clock;
  LeftOver left_over;
  // The process that made it was killed before it wrote the head.
  std::ofstream(folder.path + "/ring").close();
  fs::resize_file(folder.path + "/ring", 4096 + 8192);
  auto ring = OpenRing(folder, clock, &left_over);
  ASSERT_TRUE(ring.ok()) << ring.status().message();
  EXPECT_EQ(left_over.bytes, "");
  EXPECT_TRUE(ring.value()->Append(DeleteOf("key", 1)));
  EXPECT_EQ(KeysAtTail(*ring.value()), (std::vector<std::string>{"key"}));
}

TEST(JournalRing, one_in_use_is_refused_and_left_alone) {
  Folder folder;
  const test::VirtualClock clock;
  LeftOver left_over;
  auto ring = OpenRing(folder, clock, &left_over);
  ASSERT_TRUE(ring.value()->Append(DeleteOf("key", 1)));
  auto second = OpenRing(folder, clock, &left_over);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("in use"), std::string::npos);
  EXPECT_EQ(KeysAtTail(*ring.value()), (std::vector<std::string>{"key"}));
}

TEST(JournalRing, positions_that_cannot_be_are_refused_by_name) {
  using Positions = std::array<uint64_t, 2>;  // head, tail
  constexpr uint64_t kLast = ~uint64_t{0};
  for (const Positions& positions :
       {Positions{4095, 4095}, Positions{kLast - 8, 16}, Positions{16, 8}, Positions{4088, 4}, Positions{1 << 30, 0}}) {
    Folder folder;
    const test::VirtualClock clock;
    LeftOver left_over;
    { auto ring = OpenRing(folder, clock, &left_over); }
    {
      std::fstream file(folder.path + "/ring", std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(8 + 8 + 64);
      file.write(reinterpret_cast<const char*>(positions.data()), sizeof positions);
    }
    auto ring = OpenRing(folder, clock, &left_over);
    ASSERT_FALSE(ring.ok());
    EXPECT_NE(ring.status().message().find("damaged"), std::string::npos);
  }
}

// Lays bytes over the ring's head: head and tail.
void SetPositions(const Folder& folder, uint64_t head, uint64_t tail) {
  const std::array<uint64_t, 2> positions{head, tail};
  std::fstream file(folder.path + "/ring", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(8 + 8 + 64);
  file.write(reinterpret_cast<const char*>(positions.data()), sizeof positions);
}

TEST(JournalRing, records_of_an_earlier_use_or_an_earlier_round_pass_nowhere) {
  Folder folder;
  const test::VirtualClock clock;
  LeftOver left_over;
  {
    auto ring = OpenRing(folder, clock, &left_over);
    for (const char* key : {"one", "two", "three"}) ASSERT_TRUE(ring.value()->Append(DeleteOf(key, 1)));
    std::string whole;
    ASSERT_TRUE(ring.value()->Collect(&whole));
    EXPECT_EQ(KeysIn(whole).size(), 3u);
    // The same places one round later, as if three records had been begun there and none written.
    SetPositions(folder, 4096 + 240, 4096);
    ASSERT_TRUE(ring.value()->Collect(&whole));
    EXPECT_EQ(whole, "");
    SetPositions(folder, 240, 0);
    ring.value()->Reset();
  }
  SetPositions(folder, 240, 0);
  auto ring = OpenRing(folder, clock, &left_over);
  ASSERT_TRUE(ring.ok());
  EXPECT_EQ(left_over.bytes, "");
}

// -- What is overtaken ------------------------------------------------------------------------------

class Overtaken : public testing::Test {
 protected:
  void Add(RecordKind kind, const std::string& key, uint64_t version, bool provisional = false) {
    JournalRecord record;
    record.kind = RecordKind::kExpiry;  // a value without its bytes
    record.key = key;
    record.stamps.version = record.stamps.touched = version;
    if (provisional) record.stamps.marks = kMarkProvisional;
    std::string bytes(RecordBytes(record), '\0');
    EncodeRecord(record, clock_, 0, bytes.data());
    bytes[offsetof(RecordHead, kind)] = static_cast<char>(kind);
    places_.push_back(records_.size());
    records_ += bytes;
  }
  // The numbers of the records that are left out.
  std::vector<size_t> Found(size_t stretch_bytes = kAll) {
    std::vector<size_t> numbers;
    OvertakenRecords overtaken(7);
    for (size_t at = 0; const size_t claimed = ClaimedBytes(std::string_view(records_).substr(at)); at += claimed) {
      overtaken.Add(std::string_view(records_).substr(at, claimed), at);
    }
    size_t begin = 0;
    for (const auto& stretch : overtaken.Find(records_, stretch_bytes)) {
      EXPECT_EQ(stretch.records.data(), records_.data() + begin);
      for (const uint32_t offset : stretch.overtaken) {
        const auto place = std::find(places_.begin(), places_.end(), begin + offset);
        numbers.push_back(static_cast<size_t>(place - places_.begin()));
      }
      begin += stretch.records.size();
      ++stretches_;
    }
    EXPECT_EQ(begin, records_.size());
    return numbers;
  }
  const test::VirtualClock clock_;
  std::string records_;
  std::vector<size_t> places_;
  size_t stretches_ = 0;
};
using Numbers = std::vector<size_t>;

TEST_F(Overtaken, is_what_a_later_value_of_the_same_key_makes_needless) {
  Add(RecordKind::kValue, "one", 1);
  Add(RecordKind::kValue, "two", 2);
  Add(RecordKind::kExpiry, "one", 3);
  Add(RecordKind::kValue, "one", 4);
  Add(RecordKind::kExpiry, "one", 5);
  Add(RecordKind::kValue, "three", 6);
  EXPECT_EQ(Found(), (Numbers{0, 2}));
}

TEST_F(Overtaken, is_no_delete_but_what_came_before_one) {
  Add(RecordKind::kValue, "one", 1);
  Add(RecordKind::kDelete, "one", 2);
  Add(RecordKind::kValue, "one", 3);
  Add(RecordKind::kDelete, "one", 4);
  EXPECT_EQ(Found(), (Numbers{0, 2}));
}

TEST_F(Overtaken, is_no_certain_value_by_one_that_may_be_given_up) {
  Add(RecordKind::kValue, "one", 1);
  Add(RecordKind::kValue, "one", 2, true);
  Add(RecordKind::kValue, "one", 3, true);
  EXPECT_EQ(Found(), (Numbers{1}));
  Add(RecordKind::kValue, "one", 4);
  EXPECT_EQ(Found(), (Numbers{0, 1, 2}));
}

TEST_F(Overtaken, is_no_later_version_whatever_the_order) {
  Add(RecordKind::kValue, "one", 2);
  Add(RecordKind::kValue, "one", 1);
  EXPECT_EQ(Found(), Numbers{});
}

TEST_F(Overtaken, is_found_across_stretches_and_among_thousands_of_keys) {
  Numbers expected;
  for (size_t round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 5000; ++i) {
      if (round < 2) expected.push_back(places_.size());
      Add(RecordKind::kValue, "key" + std::to_string(i), round + 1);
    }
  }
  EXPECT_EQ(Found(10'000), expected);
  EXPECT_GT(stretches_, 50u);
}

TEST_F(Overtaken, of_what_is_no_record_there_is_nothing) {
  EXPECT_EQ(Found(), Numbers{});
  EXPECT_EQ(stretches_, 0u);
  records_ = std::string(160, '\0');
  EXPECT_EQ(Found(), Numbers{});
}

// -- Segments --------------------------------------------------------------------------------------

std::string Bytes(const JournalRecord& record, const base::Clock& clock) {
  std::string bytes(RecordBytes(record), '\0');
  const uint64_t check = EncodeRecord(record, clock, 0, bytes.data());
  std::memcpy(bytes.data(), &check, sizeof check);
  return bytes;
}

base::Status Append(JournalSegments& segments, const std::string& records) {
  uint64_t bad = 0;
  const base::Status status = segments.Append(records, 0, {}, &bad);
  EXPECT_EQ(bad, 0u);
  return status;
}

constexpr size_t kSegmentHeadBytes = 128;

TEST(JournalSegments, reading_goes_on_behind_a_damaged_stretch_and_stops_at_a_cut_tail) {
  Folder folder;
  const test::VirtualClock clock;
  {
    auto segments = JournalSegments::Open(folder.path, kUuid, 1 << 20, clock);
    ASSERT_TRUE(segments.ok());
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(Append(*segments.value(), Bytes(DeleteOf("key" + std::to_string(i), 1), clock)).ok());
  }
  const std::string path = folder.path + "/segment-000000000001";
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(kSegmentHeadBytes + 80 * 3 + 8);
    file.write("damage", 6);
  }
  fs::resize_file(path, kSegmentHeadBytes + 80 * 9 + 33);
  auto segments = JournalSegments::Open(folder.path, kUuid, 1 << 20, clock);
  std::vector<std::string> keys;
  uint64_t bad_extents = 0;
  ASSERT_TRUE(segments.value()
                  ->ForEachRecord(
                      0, [&](const DecodedRecord& record) { keys.emplace_back(record.key); }, &bad_extents)
                  .ok());
  EXPECT_EQ(keys, (std::vector<std::string>{"key0", "key1", "key2", "key4", "key5", "key6", "key7", "key8"}));
  EXPECT_EQ(bad_extents, 2u);
}

// What is read at a time ends within a record; and behind a damaged one everything up to the end is looked through.
TEST(JournalSegments, one_much_larger_than_what_is_read_at_a_time_is_read_whole) {
  constexpr int kRecords = 8'000, kDamaged = 5'000;
  Folder folder;
  const test::VirtualClock clock;
  std::vector<std::string> written;
  {
    auto segments = JournalSegments::Open(folder.path, kUuid, 16 << 20, clock);
    ASSERT_TRUE(segments.ok());
    size_t record_bytes = 0;
    for (int i = 0; i < kRecords; ++i) {
      const std::string key = "key" + std::to_string(100'000 + i);
      const std::string record = Bytes(DeleteOf(key, 1), clock);
      ASSERT_TRUE(Append(*segments.value(), record).ok());
      if (i != kDamaged) written.push_back(key);
      record_bytes = record.size();
    }
    std::fstream file(folder.path + "/segment-000000000001", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(kSegmentHeadBytes + record_bytes * kDamaged + 8));
    file.write("damage", 6);
  }
  auto segments = JournalSegments::Open(folder.path, kUuid, 16 << 20, clock);
  std::vector<std::string> keys;
  uint64_t bad_extents = 0;
  ASSERT_TRUE(segments.value()
                  ->ForEachRecord(
                      0, [&](const DecodedRecord& record) { keys.emplace_back(record.key); }, &bad_extents)
                  .ok());
  EXPECT_EQ(keys, written);
  EXPECT_EQ(bad_extents, 1u);
}

TEST(JournalSegments, what_an_earlier_file_has_left_in_its_blocks_is_no_record) {
  Folder folder;
  const test::VirtualClock clock;
  for (const char* key : {"one", "two"}) {
    auto segments = JournalSegments::Open(folder.path, kUuid, 1 << 20, clock);
    ASSERT_TRUE(Append(*segments.value(), Bytes(DeleteOf(key, 1), clock)).ok());
  }
  std::ifstream first(folder.path + "/segment-000000000001", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(first)), std::istreambuf_iterator<char>());
  std::ofstream(folder.path + "/segment-000000000002", std::ios::binary | std::ios::app)
      << bytes.substr(kSegmentHeadBytes);
  // Its own record, where a write that failed and was repeated may have left it.
  std::ofstream(folder.path + "/segment-000000000001", std::ios::binary | std::ios::app)
      << bytes.substr(kSegmentHeadBytes);
  auto segments = JournalSegments::Open(folder.path, kUuid, 1 << 20, clock);
  std::vector<std::string> keys;
  uint64_t bad_extents = 0;
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(segments.value()
                    ->ForEachRecord(
                        i, [&](const DecodedRecord& record) { keys.emplace_back(record.key); }, &bad_extents)
                    .ok());
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(bad_extents, 2u);
}

TEST(JournalSegments, one_whose_head_never_reached_the_disk_is_skipped_and_counted) {
  Folder folder;
  const test::VirtualClock clock;
  for (const char* key : {"one", "two", "three"}) {
    auto segments = JournalSegments::Open(folder.path, kUuid, 1 << 20, clock);
    ASSERT_TRUE(Append(*segments.value(), Bytes(DeleteOf(key, 1), clock)).ok());
  }
  for (const auto& [name, damage] : {std::pair("/segment-000000000001", std::string(kSegmentHeadBytes, '\0')),
                                     std::pair("/segment-000000000002", std::string("HFJRNL02x"))}) {
    std::fstream file(folder.path + name, std::ios::in | std::ios::out | std::ios::binary);
    file.write(damage.data(), static_cast<std::streamsize>(damage.size()));
  }
  auto segments = JournalSegments::Open(folder.path, kUuid, 1 << 20, clock);
  ASSERT_TRUE(segments.ok()) << segments.status().message();
  std::vector<std::string> keys;
  uint64_t bad_extents = 0;
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(segments.value()
                    ->ForEachRecord(
                        i, [&](const DecodedRecord& record) { keys.emplace_back(record.key); }, &bad_extents)
                    .ok());
  }
  EXPECT_EQ(keys, std::vector<std::string>{"three"});
  EXPECT_EQ(bad_extents, 2u);
}

TEST(JournalSegments, those_of_another_database_are_refused_and_left_alone) {
  Folder folder;
  const test::VirtualClock clock;
  {
    auto segments = JournalSegments::Open(folder.path, kUuid, 1 << 20, clock);
    ASSERT_TRUE(Append(*segments.value(), Bytes(DeleteOf("key", 1), clock)).ok());
  }
  auto other = JournalSegments::Open(folder.path, "another", 1 << 20, clock);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.status().message().find("segment-000000000001"), std::string::npos);
  EXPECT_TRUE(JournalSegments::Open(folder.path, kUuid, 1 << 20, clock).ok());
}

TEST(JournalSegments, a_full_segment_is_followed_by_another) {
  Folder folder;
  const test::VirtualClock clock;
  auto segments = JournalSegments::Open(folder.path, kUuid, 264, clock);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Append(*segments.value(), Bytes(DeleteOf("key", 1), clock)).ok());
  EXPECT_EQ(segments.value()->count(), 5u);
  while (segments.value()->count() > 0) ASSERT_TRUE(segments.value()->RemoveOldest().ok());
  EXPECT_TRUE(fs::is_empty(folder.path));
}

TEST(JournalSegments, a_directory_in_use_is_refused) {
  Folder folder;
  const test::VirtualClock clock;
  auto segments = JournalSegments::Open(folder.path, kUuid, 264, clock);
  ASSERT_TRUE(segments.ok());
  auto second = JournalSegments::Open(folder.path, kUuid, 264, clock);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("in use"), std::string::npos);
}

bool WaitFor(const std::function<bool()>& condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    usleep(10'000);
  }
  return false;
}

// -- The whole -------------------------------------------------------------------------------------

// A server's session part without its threads: what is not synced when it goes is only in the journal.
struct Node {
  struct Options {
    std::string rules = "prefix=s:";
    size_t ring_bytes = 1 << 20;
    size_t segment_bytes = 16 << 20;
    size_t journal_bytes_max = 256 << 20;
    uint32_t keep_s = 5;
    store::StoreSettings store{};
    SyncFile sync = ::fdatasync;
    bool is_shared = false;             // other servers may have been at the database
    const Node* predecessor = nullptr;  // hands over; null: nobody runs
    bool is_away = false;               // the database cannot be asked at the start
  };

  Node(Folder& folder, const base::Clock& clock) : Node(folder, clock, Options{}) {}
  Node(Folder& folder, const base::Clock& clock, const Options& options)
      : clock(clock), log(base::LogLevel::kError, base::LogFormat::kTimed, clock) {
    const Node* const before = options.predecessor;
    const auto shared = [](int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 0); };
    auto opened = Database::Open("sqlite:" + folder.path + "/s.db", clock,
                                 before == nullptr ? -1 : shared(before->database->lock()));
    CHECK(opened.ok());
    database = std::move(opened.value());
    driver = database->NewDriver();
    CHECK(driver->Open().ok());
    FileJournalSettings settings;
    settings.directory = folder.path + "/journal";
    settings.ring_path = folder.path + "/ring";
    settings.ring_bytes = options.ring_bytes;
    settings.keep_s = options.keep_s;
    settings.bytes_max = options.journal_bytes_max;
    settings.segment_bytes = options.segment_bytes;
    settings.sync = options.sync;
    FileJournal::Locks locks;
    if (before != nullptr) {
      locks = {shared(before->journal->locks().directory), shared(before->journal->locks().ring)};
    }
    const std::string& uuid = database->identity().uuid;
    const base::Clock& step_free = database->StepFree(clock);
    auto journal_opened = before == nullptr ? FileJournal::Open(settings, uuid, step_free, log)
                                            : FileJournal::Inherit(settings, locks, uuid, step_free, log);
    CHECK(journal_opened.ok());
    journal = std::move(journal_opened.value());
    auto store_opened = store::Store::Create(options.store, clock);
    CHECK(store_opened.ok());
    store = std::move(store_opened.value());
    access = std::make_unique<store::Access>(*store);
    auto rules = Rules::Parse(options.rules);
    CHECK(rules.ok());
    SessionSettings session_settings;
    session_settings.shared = options.is_shared;
    sessions = std::make_unique<Sessions>(session_settings, std::move(rules.value()),
                                          Sessions::Doors{clock, *store, *journal, [](const Waiter&, LoadOutcome) {}});
    if (before == nullptr) CHECK(journal->Replay(*sessions, options.is_away ? nullptr : driver.get()).ok());
  }

  // Handed over, or never got so far: the journal is another's.
  bool left = false;
  ~Node() {
    if (!left) journal->Stop(false);
  }
  FileJournal::Progress progress;  // of the latest CatchUp
  uint64_t CatchUp() {
    CHECK(journal->CatchUp(*sessions, *driver, &progress).ok());
    return progress.records;
  }

  void Set(const std::string& name, const std::string& value, Seconds expiry = base::kNever, bool provisional = false) {
    const store::Key key = store::Key::Of(name);
    store::DraftShape shape{.key = key, .value_size = value.size(), .client_flags = 7, .expiry = expiry};
    shape.session = true;
    store::Draft draft;
    CHECK(access->NewDraft(shape, &draft) == store::Reserve::kOk);
    draft.Append(value);
    // Waits where the ring is full.
    for (;; usleep(1000)) {
      store::Slot slot = access->Lock(key, clock.Now());
      const Sessions::WriteRequest request{
          *sessions->Match(name), key, WriteKind::kSet, 1, clock.Now(), {}, provisional};
      const WriteOutcome outcome = sessions->Write(slot, std::move(draft), request);
      if (outcome == WriteOutcome::kNoRoom) continue;
      CHECK(outcome == WriteOutcome::kStored);
      return;
    }
  }
  // The database is asked for what waits for it.
  void Ask() {
    const auto keys = sessions->read_through().NextBatch();
    std::vector<Row> rows;
    CHECK(driver->Load(keys, &rows).ok());
    sessions->read_through().OnRows(*access, std::move(rows));
  }
  void Touch(const std::string& name, Seconds expiry) {
    const store::Key key = store::Key::Of(name);
    store::Slot slot = access->Lock(key, clock.Now());
    CHECK(sessions->Touch(slot, *sessions->Match(name), key, expiry, clock.Now()) == WriteOutcome::kStored);
  }
  void Delete(const std::string& name) {
    const store::Key key = store::Key::Of(name);
    store::Draft tombstone;
    CHECK(access->NewDraft(Sessions::TombstoneShape(key), &tombstone) == store::Reserve::kOk);
    store::Slot slot = access->Lock(key, clock.Now());
    CHECK(sessions->Delete(slot, std::move(tombstone), *sessions->Match(name), key, clock.Now()) ==
          WriteOutcome::kStored);
  }
  // What the database has of it is in memory now.
  void TakeRow(const std::string& name) {
    const Row row = Load(name);
    store::DraftShape shape{.key = store::Key::Of(name), .value_size = row.data.size(), .expiry = clock.Now() + 100};
    shape.session = true;
    store::Draft draft;
    CHECK(access->NewDraft(shape, &draft) == store::Reserve::kOk);
    draft.Append(row.data);
    draft.SetStamps({.version = row.version,
                     .touched = row.touched,
                     .born = row.born,
                     .floor = row.floor,
                     .synced_version = row.version,
                     .synced_touched = row.touched,
                     .synced_at = clock.Now()});
    access->Lock(shape.key, clock.Now()).Publish(std::move(draft));
  }
  // As another server would, a second later.
  void WriteElsewhere(const std::string& name, const std::string& value) {
    Change change;
    change.row = Load(name);
    change.row.version += uint64_t{1'000'000} << kNodeBits;
    change.row.touched = change.row.version;
    if (change.row.state == RowState::kTombstone) change.row.born = change.row.version;
    change.row.state = RowState::kLive;
    change.row.expires_us = clock.SteadyMicros() + 100'000'000;
    change.row.data = value;
    std::vector<ChangeOutcome> outcomes;
    CHECK(driver->Write({&change, 1}, &outcomes).ok() && outcomes[0] == ChangeOutcome::kDone);
  }
  // Carries everything that is dirty to the database, but for what must stay in quarantine.
  void Sync() {
    sessions->write_behind().SetDraining(true);
    while (sessions->write_behind().dirty_items() > sessions->write_behind().quarantined()) {
      const auto changes = sessions->write_behind().NextBatch(*access);
      std::vector<ChangeOutcome> outcomes;
      CHECK(sessions->forgotten_deletes().Write(*driver, changes, &outcomes).ok());
      sessions->write_behind().OnOutcomes(*access, outcomes);
    }
    sessions->write_behind().SetDraining(false);
  }
  store::ItemState StateOf(const std::string& name) { return access->Find(store::Key::Of(name), clock.Now()).state; }
  bool WaitForNoFile(const std::string& path) {
    for (int i = 0; i < 500 && fs::exists(path); ++i) usleep(10'000);
    return !fs::exists(path);
  }
  bool WaitForFile(const std::string& path) {
    for (int i = 0; i < 500 && !fs::exists(path); ++i) usleep(10'000);
    return fs::exists(path);
  }
  std::string Get(const std::string& name) { return test::Get(*access, name, clock.Now()); }
  Row Load(const std::string& name) {
    std::vector<Row> rows;
    const std::string_view keys[] = {name};
    CHECK(driver->Load(keys, &rows).ok());
    return rows.empty() ? Row{} : rows[0];
  }

  const base::Clock& clock;
  base::Log log;
  std::unique_ptr<Database> database;
  std::unique_ptr<Driver> driver;
  std::unique_ptr<FileJournal> journal;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Access> access;
  std::unique_ptr<Sessions> sessions;
};

TEST(FileJournal, a_provisional_value_is_forgotten_with_what_came_after_it) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.Set("s:one", "first", base::kNever, true);
    EXPECT_EQ(node.sessions->provisional().size(), 1u);
    node.Ask();
    EXPECT_EQ(node.sessions->provisional().size(), 0u);
    node.Set("s:one", "second", clock.Now() + 5);
  }
  clock.AdvanceSeconds(10);
  Node node(folder, clock);
  EXPECT_EQ(node.sessions->provisional().size(), 0u);
  EXPECT_EQ(node.sessions->write_behind().dirty_items(), 0u);
}

TEST(FileJournal, what_was_acknowledged_and_not_synced_comes_back) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.Set("s:one", "first", clock.Now() + 100);
    node.Set("s:one", "second", clock.Now() + 100);
    node.Set("s:long", std::string(100000, 'x'));
    node.Set("s:gone", "v");
    node.Delete("s:gone");
  }
  clock.AdvanceSeconds(10);
  Node node(folder, clock);
  EXPECT_EQ(node.Get("s:one"), "second");
  EXPECT_EQ(node.Get("s:long"), std::string(100000, 'x'));
  EXPECT_EQ(node.access->Find(store::Key::Of("s:gone"), clock.Now()).state, store::ItemState::kTombstone);
  EXPECT_EQ(node.sessions->write_behind().dirty_items(), 3u);
  node.Sync();
  const Row row = node.Load("s:one");
  EXPECT_EQ(row.data, "second");
  EXPECT_EQ(row.client_flags, 7u);
  EXPECT_NEAR(static_cast<double>(row.expires_us - clock.SteadyMicros()), 90e6, 1.5e6);
  EXPECT_EQ(node.Load("s:gone").state, RowState::kTombstone);
}

// A session in the database, and of it in the journal only a touch.
void LeaveATouch(Folder& folder, const base::Clock& clock, Seconds life, Seconds longer) {
  {
    Node node(folder, clock);
    node.Set("s:one", "v", clock.Now() + life);
    node.Sync();
    node.journal->Stop(true);
  }
  Node node(folder, clock);
  node.TakeRow("s:one");
  node.Touch("s:one", clock.Now() + longer);
}

TEST(FileJournal, a_touch_of_a_session_that_was_synced_before_is_not_lost) {
  Folder folder;
  test::VirtualClock clock;
  LeaveATouch(folder, clock, 100, 1000);
  Node node(folder, clock);
  EXPECT_GT(node.Load("s:one").expires_us - clock.SteadyMicros(), 900'000'000);
  EXPECT_EQ(node.Load("s:one").data, "v");
}

// What the journal has of the session is older, or its end: the value is another server's, and the touch is ours.
TEST(FileJournal, a_touch_of_a_value_that_another_server_wrote_is_not_lost) {
  for (const bool ended : {false, true}) {
    Folder folder;
    test::VirtualClock clock;
    {
      Node node(folder, clock);
      node.Set("s:one", "ours", clock.Now() + 100);
      if (ended) node.Delete("s:one");
      node.Sync();
      clock.AdvanceSeconds(2);
      node.WriteElsewhere("s:one", "theirs");
      node.TakeRow("s:one");
      node.Touch("s:one", clock.Now() + 1000);
    }
    Node node(folder, clock);
    EXPECT_GT(node.Load("s:one").expires_us - clock.SteadyMicros(), 900'000'000) << ended;
    node.Sync();
    EXPECT_EQ(node.Load("s:one").data, "theirs") << ended;
    EXPECT_GT(node.Load("s:one").expires_us - clock.SteadyMicros(), 900'000'000) << ended;
  }
}

TEST(FileJournal, a_login_after_a_logout_survives_and_so_does_the_logouts_floor) {
  Folder folder;
  test::VirtualClock clock;
  uint64_t floor = 0;
  {
    Node node(folder, clock);
    node.Set("s:one", "old");
    node.Delete("s:one");
    floor = node.access->Lock(store::Key::Of("s:one"), clock.Now()).item().stamps().floor;
    node.sessions->NoteMiss(*node.access, *node.sessions->Match("s:one"), store::Key::Of("s:one"), 1, clock.Now());
    node.Set("s:one", "new");
  }
  Node node(folder, clock);
  EXPECT_EQ(node.Get("s:one"), "new");
  node.Sync();
  EXPECT_EQ(node.Load("s:one").data, "new");
  EXPECT_EQ(node.Load("s:one").floor, floor);
}

TEST(FileJournal, a_session_that_expired_while_nobody_ran_does_not_come_back) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.Set("s:one", "v", clock.Now() + 1000);
    node.Sync();
    node.Touch("s:one", clock.Now() + 5);
  }
  clock.AdvanceSeconds(10);
  Node node(folder, clock);
  EXPECT_EQ(node.Get("s:one"), "(none)");
  node.Sync();
  EXPECT_LE(node.Load("s:one").expires_us, clock.SteadyMicros());
}

TEST(FileJournal, a_replay_moves_no_expiry_however_often) {
  Folder folder;
  test::VirtualClock clock;
  clock.AdvanceMillis(310);
  const Seconds expiry = clock.Now() + 20;
  { Node(folder, clock).Set("s:one", "v", expiry); }
  for (int i = 0; i < 5; ++i) {
    clock.AdvanceMillis(630);
    Node node(folder, clock);
    ASSERT_EQ(node.access->Find(store::Key::Of("s:one"), clock.Now()).item.expiry(), expiry) << "replay " << i;
  }
}

TEST(FileJournal, a_step_of_the_wall_clock_before_the_replay_moves_nothing) {
  for (const int64_t step_s : {-3600, 3600}) {
    Folder folder;
    test::VirtualClock clock;
    const Seconds expiry = clock.Now() + 100;
    uint64_t deleted_us = 0;
    {
      Node node(folder, clock);
      node.Set("s:one", "v", expiry);
      node.Set("s:ever", "v");
      node.Set("s:gone", "v");
      node.Delete("s:gone");
      deleted_us = node.access->Lock(store::Key::Of("s:gone"), clock.Now()).item().stamps().seen_by;
    }
    clock.AdvanceSeconds(10);
    clock.SetWallMicros(clock.WallMicros() + step_s * 1'000'000);
    Node node(folder, clock);
    EXPECT_EQ(node.access->Find(store::Key::Of("s:one"), clock.Now()).item.expiry(), expiry);
    EXPECT_EQ(node.access->Find(store::Key::Of("s:ever"), clock.Now()).item.expiry(), base::kNever);
    EXPECT_EQ(node.access->Lock(store::Key::Of("s:gone"), clock.Now()).item().stamps().seen_by, deleted_us);
    clock.AdvanceSeconds(91);
    EXPECT_EQ(node.Get("s:one"), "(none)");
  }
}

TEST(FileJournal, after_the_machine_was_started_anew_the_wall_clock_says_how_long_that_took) {
  Folder folder;
  test::VirtualClock clock;
  clock.AdvanceSeconds(5000);
  {
    Node node(folder, clock);
    node.Set("s:one", "v", clock.Now() + 100);
    node.Set("s:short", "v", clock.Now() + 5);
    node.Set("s:gone", "v");
    node.Delete("s:gone");
  }
  clock.AdvanceSeconds(10);
  clock.Reboot();
  Node node(folder, clock);
  EXPECT_EQ(node.access->Find(store::Key::Of("s:one"), clock.Now()).item.expiry(), clock.Now() + 90);
  EXPECT_EQ(node.Get("s:short"), "(none)");
  EXPECT_EQ(static_cast<int64_t>(node.access->Lock(store::Key::Of("s:gone"), clock.Now()).item().stamps().seen_by),
            clock.SteadyMicros() - 10'000'000);
}

TEST(FileJournal, a_step_of_the_wall_clock_before_the_machine_was_started_anew_moves_nothing) {
  for (const int64_t step_s : {-3600, 3600}) {
    Folder folder;
    test::VirtualClock clock;
    clock.AdvanceSeconds(5000);
    {
      Node node(folder, clock);
      node.Set("s:one", "v", clock.Now() + 100);
      clock.SetWallMicros(clock.WallMicros() + step_s * 1'000'000);
      node.Set("s:other", "v");
      node.Sync();
      node.Set("s:later", "w", clock.Now() + 100);
    }
    clock.AdvanceSeconds(10);
    clock.Reboot();
    Node node(folder, clock);
    EXPECT_EQ(node.access->Find(store::Key::Of("s:later"), clock.Now()).item.expiry(), clock.Now() + 90) << step_s;
    EXPECT_EQ(node.access->Find(store::Key::Of("s:one"), clock.Now()).item.expiry(), clock.Now() + 90) << step_s;
    EXPECT_EQ(node.Load("s:one").expires_us, clock.SteadyMicros() + 90 * 1'000'000) << step_s;
  }
}

// Who writes "s:one" and is killed; then nobody runs for so long after that.
void LeaveBehind(Folder& folder, test::VirtualClock& clock, const Node::Options& options, int64_t away_us,
                 bool provisional = false) {
  Node node(folder, clock, options);
  node.Set("s:one", "value", clock.Now() + 1'000'000, provisional);
  clock.AdvanceMicros(away_us);
}

constexpr int64_t kTombstoneLife = int64_t{86400} * 1'000'000;

TEST(FileJournal, one_that_was_away_for_longer_than_tombstones_live_makes_no_row) {
  for (const bool reboots : {false, true}) {
    for (const int64_t beyond_us : {0, 1}) {
      Folder folder;
      test::VirtualClock clock;
      const Node::Options options{.is_shared = true};
      LeaveBehind(folder, clock, options, kTombstoneLife + beyond_us);
      if (reboots) clock.Reboot();
      // Twice: it stays in the journal.
      for (int i = 0; i < 1 + beyond_us; ++i) {
        Node node(folder, clock, options);
        EXPECT_EQ(node.Get("s:one"), "value");
        node.Sync();
        EXPECT_EQ(node.sessions->write_behind().quarantined(), static_cast<uint64_t>(beyond_us));
        EXPECT_EQ(node.sessions->stats().quarantined_without_row.value(), static_cast<uint64_t>(beyond_us));
        EXPECT_EQ(node.Load("s:one").data, beyond_us == 0 ? "value" : "");
        for (int round = 0; round < 4; ++round) {
          node.journal->Round(*node.sessions, *node.access);
          node.access->Online();
          clock.AdvanceSeconds(5);
        }
        // What was written is asked for again, for there are others.
        EXPECT_EQ(node.StateOf("s:one"), beyond_us == 0 ? store::ItemState::kAbsent : store::ItemState::kExpired);
      }
    }
  }
}

TEST(FileJournal, one_that_was_away_for_long_changes_a_row_that_is_there) {
  Folder folder;
  test::VirtualClock clock;
  const Node::Options options{.is_shared = true};
  {
    Node node(folder, clock, options);
    node.Set("s:one", "before", clock.Now() + 1'000'000);
    node.Sync();
  }
  LeaveBehind(folder, clock, options, 3 * kTombstoneLife);
  Node node(folder, clock, options);
  node.Sync();
  EXPECT_EQ(node.Load("s:one").data, "value");
  EXPECT_EQ(node.sessions->write_behind().quarantined(), 0u);
}

TEST(FileJournal, a_set_of_an_outage_of_long_ago_makes_no_row) {
  for (const int64_t beyond_us : {0, 1}) {
    Folder folder;
    test::VirtualClock clock;
    LeaveBehind(folder, clock, {.is_shared = true}, kTombstoneLife + beyond_us, true);
    Node node(folder, clock, {.is_shared = true});
    ASSERT_EQ(node.sessions->provisional().size(), 1u);
    node.Ask();
    node.Sync();
    EXPECT_EQ(node.sessions->write_behind().quarantined(), static_cast<uint64_t>(beyond_us));
    EXPECT_EQ(node.Load("s:one").data, beyond_us == 0 ? "value" : "");
  }
}

TEST(FileJournal, what_has_no_place_in_memory_makes_no_row_either) {
  for (const int64_t beyond_us : {0, 1}) {
    Folder folder;
    test::VirtualClock clock;
    LeaveBehind(folder, clock, {.is_shared = true}, kTombstoneLife + beyond_us);
    Node node(folder, clock, {.rules = "prefix=other:", .is_shared = true});
    EXPECT_EQ(node.Load("s:one").data, beyond_us == 0 ? "value" : "");
    EXPECT_EQ(node.sessions->stats().quarantined_without_row.value(), static_cast<uint64_t>(beyond_us));
    EXPECT_EQ(node.sessions->losses().value(Loss::kUnwritable), static_cast<uint64_t>(beyond_us));
  }
}

TEST(FileJournal, of_who_has_the_database_to_himself_comes_back_however_late) {
  Folder folder;
  test::VirtualClock clock;
  LeaveBehind(folder, clock, {}, 3 * kTombstoneLife);
  Node node(folder, clock);
  node.Sync();
  EXPECT_EQ(node.Load("s:one").data, "value");
}

TEST(FileJournal, replaying_twice_changes_nothing) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.Set("s:one", "v");
  }
  for (int i = 0; i < 3; ++i) {
    Node node(folder, clock);
    EXPECT_EQ(node.Get("s:one"), "v");
    if (i == 1) node.Sync();
  }
}

TEST(FileJournal, a_drained_stop_leaves_nothing_behind) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.Set("s:one", "v");
    node.journal->Start(*node.sessions);
    node.Sync();
    node.journal->Stop(true);
  }
  EXPECT_TRUE(fs::is_empty(folder.path + "/journal"));
  EXPECT_FALSE(fs::exists(folder.path + "/ring"));
}

TEST(FileJournal, old_segments_go_and_what_is_not_synced_is_copied_forward) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.journal->Start(*node.sessions);
    node.Set("s:synced", "v");
    node.Sync();
    node.Set("s:dirty", "w");
    node.Set("s:deleted", "x");
    node.Delete("s:deleted");
    const std::string first = folder.path + "/journal/segment-000000000001";
    for (int i = 0; i < 500 && !fs::exists(first); ++i) usleep(10'000);
    ASSERT_TRUE(fs::exists(first));
    // What the journal's thread had not written down yet is as old as the clock is then, and waits for the next.
    for (int i = 0; i < 3000 && fs::exists(first); ++i) {
      if (i % 100 == 0) clock.AdvanceSeconds(7);
      usleep(10'000);
    }
    EXPECT_FALSE(fs::exists(first));
    EXPECT_GE(node.sessions->stats().journal_forwarded.value(), 2u);
  }
  Node node(folder, clock);
  EXPECT_EQ(node.Get("s:dirty"), "w");
  EXPECT_EQ(node.access->Find(store::Key::Of("s:deleted"), clock.Now()).state, store::ItemState::kTombstone);
  EXPECT_EQ(node.access->Find(store::Key::Of("s:synced"), clock.Now()).state, store::ItemState::kAbsent);
  EXPECT_EQ(node.Load("s:synced").data, "v");
}

TEST(FileJournal, a_session_that_is_written_again_at_once_is_written_down_once) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.Set("s:other", "v");
    for (int i = 0; i < 100; ++i) node.Set("s:one", "value" + std::to_string(i));
    node.Delete("s:other");
    node.journal->Round(*node.sessions, *node.access);
    EXPECT_EQ(node.sessions->stats().journal_overtaken.value(), 100u);
    EXPECT_LT(node.sessions->stats().journal_bytes.value(), 1000u);
    // Until the next sync is due it waits in the ring.
    node.Set("s:two", "w");
    node.journal->Round(*node.sessions, *node.access);
    const uint64_t bytes = node.sessions->stats().journal_bytes.value();
    node.Set("s:two", "x");
    clock.AdvanceMillis(1100);
    node.journal->Round(*node.sessions, *node.access);
    EXPECT_EQ(node.sessions->stats().journal_overtaken.value(), 101u);
    EXPECT_EQ(node.sessions->stats().journal_bytes.value(), bytes);
  }
  Node node(folder, clock);
  EXPECT_EQ(node.Get("s:one"), "value99");
  EXPECT_EQ(node.Get("s:two"), "x");
  EXPECT_EQ(node.StateOf("s:other"), store::ItemState::kTombstone);
}

// Whatever a dirty session is about: waiting for its time, being written, or never to be written.
TEST(FileJournal, what_is_in_hand_or_in_quarantine_or_provisional_is_copied_forward_too) {
  for (const bool fails : {false, true}) {
    Folder folder;
    test::VirtualClock clock;
    {
      Node node(folder, clock);
      node.Set("s:bad", "b");
      node.Set("s:hand", "h");
      node.Set("s:perhaps", "p", base::kNever, true);
      WriteBehind& writer = node.sessions->write_behind();
      const auto first = writer.NextBatch(*node.access);
      ASSERT_EQ(first.size(), 2u);
      std::vector<ChangeOutcome> outcomes{ChangeOutcome::kBad, ChangeOutcome::kNeedsRow};
      writer.OnOutcomes(*node.access, outcomes);
      EXPECT_EQ(writer.quarantined(), 1u);
      EXPECT_EQ(writer.NextBatch(*node.access).size(), 1u);
      node.journal->Round(*node.sessions, *node.access);
      node.Set("s:late", "l");
      if (fails) writer.OnFailure({FailureClass::kNextNode, "away"});
      clock.AdvanceSeconds(7);
      node.journal->Round(*node.sessions, *node.access);
      EXPECT_EQ(node.sessions->stats().journal_forwarded.value(), 4u);
      clock.AdvanceSeconds(2);
      node.journal->Round(*node.sessions, *node.access);
      EXPECT_FALSE(fs::exists(folder.path + "/journal/segment-000000000001"));
    }
    Node node(folder, clock);
    for (const char* name : {"bad", "hand", "perhaps", "late"}) {
      EXPECT_EQ(node.Get(std::string("s:") + name), std::string(1, name[0])) << fails;
    }
  }
}

// The copy stands for the touch, which it has overtaken.
TEST(FileJournal, a_touch_that_was_copied_forward_with_its_value_is_replayed_over_the_value) {
  Folder folder;
  test::VirtualClock clock;
  Seconds expiry = 0;
  {
    Node node(folder, clock);
    const auto round_after = [&](int64_t ms) {
      clock.AdvanceMillis(ms);
      node.journal->Round(*node.sessions, *node.access);
      node.access->Online();
    };
    node.Set("s:one", "v", clock.Now() + 100);
    round_after(0);
    node.Set("s:two", "w");
    round_after(6000);
    node.Touch("s:one", expiry = clock.Now() + 500);
    round_after(500);  // the segment goes, and it is not yet time for a sync
    EXPECT_EQ(node.sessions->stats().journal_forwarded.value(), 2u);
    EXPECT_EQ(node.sessions->stats().journal_overtaken.value(), 1u);
  }
  for (int i = 0; i < 2; ++i) {
    Node node(folder, clock);
    EXPECT_EQ(node.access->Find(store::Key::Of("s:one"), clock.Now()).item.expiry(), expiry);
  }
}

// Of those that go by size the later half stays, and with it what was stamped since.
TEST(FileJournal, what_is_in_the_segments_that_stay_is_not_copied) {
  Folder folder;
  test::VirtualClock clock;
  Node::Options options;
  options.journal_bytes_max = 4 << 20;
  options.segment_bytes = 256 << 10;
  options.ring_bytes = 16 << 20;
  options.store.item_bytes_max = 2 << 20;
  options.keep_s = 1000;
  {
    Node node(folder, clock, options);
    const auto round = [&] {
      clock.AdvanceMillis(1100);
      node.journal->Round(*node.sessions, *node.access);
    };
    node.Set("s:early", "e");
    round();
    for (int i = 0; i < 8 && node.sessions->stats().journal_forwarded.value() == 0; ++i) {
      node.Set("s:big", std::string(1 << 20, 'x'));
      if (i == 5) node.Set("s:late", "l");
      round();
    }
    EXPECT_EQ(node.sessions->stats().journal_forwarded.value(), 1u);  // the early one
    round();
    round();
  }
  Node node(folder, clock, options);
  EXPECT_EQ(node.Get("s:early"), "e");
  EXPECT_EQ(node.Get("s:late"), "l");
  EXPECT_EQ(node.Get("s:big"), std::string(1 << 20, 'x'));
}

TEST(FileJournal, a_server_that_is_started_again_and_again_keeps_no_old_segments) {
  Folder folder;
  test::VirtualClock clock;
  const auto segment = [&folder](int number) {
    return folder.path + "/journal/segment-00000000000" + std::to_string(number);
  };
  for (int i = 1; i <= 4; ++i) {
    Node node(folder, clock);
    node.Set("s:" + std::to_string(i), "v");
    node.Sync();
    clock.AdvanceSeconds(3);
  }
  ASSERT_TRUE(fs::exists(segment(1)) && fs::exists(segment(4)));
  Node node(folder, clock);
  node.Sync();
  store::Access access(*node.store);
  access.Offline();
  for (int round = 0; round < 10; ++round) node.journal->Round(*node.sessions, access);
  EXPECT_FALSE(fs::exists(segment(1)));
  EXPECT_FALSE(fs::exists(segment(2)));
  EXPECT_TRUE(fs::exists(segment(4)));
  EXPECT_EQ(node.Load("s:1").data, "v");
}

TEST(FileJournal, a_shorter_life_replaces_a_longer_one_even_when_it_is_over) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.Set("s:one", "old", clock.Now() + 1000);
    node.Set("s:one", "new", clock.Now() + 5);
  }
  clock.AdvanceSeconds(10);
  Node node(folder, clock);
  EXPECT_EQ(node.Get("s:one"), "(none)");
  node.Sync();
  EXPECT_EQ(node.Load("s:one").data, "new");
  EXPECT_LE(node.Load("s:one").expires_us, clock.SteadyMicros());
}

TEST(FileJournal, what_has_no_room_in_memory_takes_the_place_of_what_came_before_it) {
  Folder folder;
  test::VirtualClock clock;
  constexpr int kSessions = 200;
  const std::string big(20'000, 'b');
  Node::Options options;
  options.ring_bytes = 16 << 20;
  {
    Node node(folder, clock, options);
    for (int i = 0; i < kSessions; ++i) node.Set("s:" + std::to_string(i), "small", clock.Now() + 1000);
    for (int i = 0; i < kSessions; ++i) node.Set("s:" + std::to_string(i), big, clock.Now() + 1000);
    for (int i = 0; i < kSessions; i += 3) node.Delete("s:" + std::to_string(i));
  }
  options.store.memory_limit_bytes = 2 << 20;
  Node node(folder, clock, options);
  int direct = 0;
  for (int i = 0; i < kSessions; ++i) {
    const std::string name = "s:" + std::to_string(i), found = node.Get(name);
    const bool deleted = i % 3 == 0;
    if (found == "(none)") {
      const Row row = node.Load(name);
      if (node.StateOf(name) == store::ItemState::kAbsent) {
        ++direct;
        EXPECT_EQ(row.state, deleted ? RowState::kTombstone : RowState::kLive) << name;
        EXPECT_EQ(row.data, deleted ? "" : big) << name;
      } else {
        EXPECT_TRUE(deleted) << name;
      }
    } else {
      EXPECT_FALSE(deleted) << name;
      EXPECT_EQ(found, big) << name;
    }
  }
  EXPECT_GT(direct, 50);
  node.Sync();
  EXPECT_EQ(node.sessions->write_behind().dirty_bytes(), 0);
  EXPECT_EQ(node.sessions->stats().overtaken.value(), 0u);
}

TEST(FileJournal, what_is_a_session_no_more_goes_to_the_database_and_not_into_memory) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.Set("s:gone", "v");
    node.Sync();
    node.Delete("s:gone");
    node.Set("s:here", "v");
  }
  Node::Options options;
  options.rules = "prefix=other:";
  Node node(folder, clock, options);
  EXPECT_EQ(node.StateOf("s:gone"), store::ItemState::kAbsent);
  EXPECT_EQ(node.StateOf("s:here"), store::ItemState::kAbsent);
  EXPECT_EQ(node.sessions->write_behind().dirty_items(), 0u);
  EXPECT_EQ(node.Load("s:gone").state, RowState::kTombstone);
  EXPECT_EQ(node.Load("s:here").data, "v");
}

// The database is away at each of the starts but the last.
TEST(FileJournal, what_has_no_place_in_memory_stays_in_the_journal_until_the_database_is_asked) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    for (const char* name : {"s:gone", "s:touched", "s:taken"}) node.Set(name, "v", clock.Now() + 1000);
    node.Sync();
    node.journal->Stop(true);  // what is in the database is in no journal
  }
  {
    Node node(folder, clock);
    for (const char* name : {"s:gone", "s:touched"}) node.TakeRow(name);
    node.Delete("s:gone");
    node.Touch("s:touched", clock.Now() + 5000);
    node.Set("s:here", "whole", clock.Now() + 1000);
    node.Set("s:maybe", "new", clock.Now() + 1000, true);
    node.Set("s:taken", "new", clock.Now() + 1000, true);
  }
  Node::Options options;
  options.rules = "prefix=other:";
  options.is_away = true;
  const std::string journal = folder.path + "/journal/";
  for (const bool is_stopped : {false, true}) {
    const std::string first = fs::directory_iterator(journal)->path();
    Node node(folder, clock, options);
    EXPECT_EQ(node.journal->rest(), 5u);
    EXPECT_EQ(node.sessions->stats().journal_replayed.value(), 5u);
    node.journal->Start(*node.sessions);
    clock.AdvanceSeconds(10);
    EXPECT_TRUE(WaitFor([&] { return node.sessions->stats().journal_forwarded.value() >= 5; }));
    EXPECT_TRUE(node.WaitForNoFile(first));
    EXPECT_EQ(node.journal->rest(), 5u);
    EXPECT_EQ(node.Load("s:here").data, "");
    if (is_stopped) node.journal->Stop(true);  // nothing in memory lacks in the database
  }
  options.is_away = false;
  Node node(folder, clock, options);
  EXPECT_EQ(node.journal->rest(), 0u);
  EXPECT_EQ(node.Load("s:gone").state, RowState::kTombstone);
  EXPECT_NEAR(static_cast<double>(node.Load("s:touched").expires_us - clock.SteadyMicros()), 4980e6, 2e6);
  EXPECT_EQ(node.Load("s:touched").data, "v");
  EXPECT_EQ(node.Load("s:here").data, "whole");
  EXPECT_EQ(node.Load("s:here").client_flags, 7u);
  EXPECT_NEAR(static_cast<double>(node.Load("s:here").expires_us - clock.SteadyMicros()), 980e6, 2e6);
  EXPECT_EQ(node.Load("s:maybe").data, "new");
  EXPECT_EQ(node.Load("s:taken").data, "v");
}

// The journal has a touch, and a value stored while nobody could ask the database, which may lose yet.
TEST(FileJournal, what_is_stored_provisionally_takes_the_place_of_nothing_that_is_certain) {
  for (const bool is_rewritten : {false, true}) {
    Folder folder;
    test::VirtualClock clock;
    LeaveATouch(folder, clock, 1000, 5000);
    Node::Options away;
    away.is_away = true;
    {
      Node node(folder, clock, away);
      EXPECT_EQ(node.journal->rest(), 1u);
      clock.AdvanceSeconds(1);
      node.Set("s:one", "blind", clock.Now() + 1000, true);
      if (is_rewritten) {  // the touch stands behind the value then
        node.journal->Start(*node.sessions);
        clock.AdvanceSeconds(10);
        EXPECT_TRUE(WaitFor([&] { return node.sessions->stats().journal_forwarded.value() >= 2; }));
      }
    }
    {
      Node node(folder, clock, away);
      EXPECT_EQ(node.journal->rest(), 1u) << is_rewritten;
      EXPECT_EQ(node.Get("s:one"), "blind");
    }
    Node node(folder, clock);
    EXPECT_GT(node.Load("s:one").expires_us - clock.SteadyMicros(), 4'900'000'000) << is_rewritten;
    EXPECT_EQ(node.Load("s:one").data, "v");
  }
}

TEST(FileJournal, old_segments_go_while_writes_never_pause) {
  Folder folder;
  test::VirtualClock clock;
  Node node(folder, clock);
  node.Set("s:one", "v");  // to be copied
  node.journal->Start(*node.sessions);
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&] {
      while (!stop.load()) {
        if (!node.journal->Append(DeleteOf("s:x", 1))) std::this_thread::yield();
      }
    });
  }
  const std::string first = folder.path + "/journal/segment-000000000001";
  const bool begun = node.WaitForFile(first);
  // A copy that found no room is tried again a second later, by this clock.
  bool gone = false;
  for (int i = 0; i < 3000 && !gone; ++i) {
    if (i % 50 == 0) clock.AdvanceSeconds(7);
    usleep(10'000);
    gone = !fs::exists(first);
  }
  stop.store(true);
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(begun);
  EXPECT_TRUE(gone);
}

TEST(FileJournal, more_than_the_ring_holds_can_be_copied_forward) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node node(folder, clock);
    node.journal->Start(*node.sessions);
    for (int i = 0; i < 100; ++i) {
      node.Set("s:" + std::to_string(i), std::string(30'000, 'x'));
      if (i % 10 == 0) usleep(30'000);
    }
    usleep(30'000);
    const std::string first = folder.path + "/journal/segment-000000000001";
    ASSERT_TRUE(fs::exists(first));
    clock.AdvanceSeconds(7);
    EXPECT_TRUE(node.WaitForNoFile(first));
    EXPECT_EQ(node.sessions->stats().journal_forwarded.value(), 100u);
  }
  Node node(folder, clock);
  EXPECT_EQ(node.sessions->write_behind().dirty_items(), 100u);
}

TEST(FileJournal, a_busy_journal_is_bounded_by_size) {
  Folder folder;
  test::VirtualClock clock;
  Node::Options options;
  options.journal_bytes_max = 1 << 20;
  options.segment_bytes = 256 << 10;
  options.ring_bytes = 8 << 20;
  Node node(folder, clock, options);
  node.journal->Start(*node.sessions);
  const auto bytes = [&] { return node.sessions->stats().journal_bytes.value(); };
  for (int i = 0; i < 200; ++i) {
    node.Set("s:" + std::to_string(i % 4), std::string(30'000, 'x'));
    if (i % 20 == 0) clock.AdvanceMillis(1100);
    if (i % 20 == 0) usleep(30'000);
  }
  const bool bounded = WaitFor([&] {
    clock.AdvanceMillis(500);
    return bytes() > 0 && bytes() <= (2u << 20);
  });
  EXPECT_TRUE(bounded) << bytes();
  node.journal->Stop(false);
}

TEST(FileJournal, damage_is_a_loss_whether_it_is_read_or_moved) {
  Folder folder;
  test::VirtualClock clock;
  const auto scribble = [](const std::string& path, std::streamoff at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file.write("damage", 6);
  };
  {
    Node node(folder, clock);
    node.Set("s:one", "v");
    node.Set("s:two", "v");
    scribble(folder.path + "/ring", 4096 + 20);
    EXPECT_EQ(node.sessions->losses().value(Loss::kJournalDamaged), 0u);
    node.journal->Start(*node.sessions);
    node.journal->Stop(false);
    EXPECT_EQ(node.sessions->losses().value(Loss::kJournalDamaged), 1u) << "moved";
  }
  scribble(folder.path + "/journal/segment-000000000001", kSegmentHeadBytes + 20);
  Node node(folder, clock);
  EXPECT_EQ(node.Get("s:two"), "(none)");
  EXPECT_EQ(node.sessions->losses().value(Loss::kJournalDamaged), 1u) << "read";
  EXPECT_EQ(node.sessions->stats().journal_bad_extents.value(), 1u);
}

TEST(FileJournal, on_a_full_disk_what_is_not_needed_goes_and_nothing_is_torn) {
  Folder folder;
  test::VirtualClock clock;
  Node::Options options;
  options.ring_bytes = 8 << 20;
  options.store.item_bytes_max = 4 << 20;
  const std::string big(3 << 19, 'x');
  {
    Node node(folder, clock, options);
    node.journal->Start(*node.sessions);
    const std::string first = folder.path + "/journal/segment-000000000001";
    ASSERT_TRUE(node.WaitForFile(folder.path + "/journal"));
    for (uintmax_t i = 1; i <= 3; ++i) {
      node.Set("s:one", std::string(1 << 20, 'v'));
      clock.AdvanceMillis(1100);
      ASSERT_TRUE(WaitFor([&] { return fs::exists(first) && fs::file_size(first) > i << 20; }));
    }
    node.Sync();
    // No file may have more than 4 MiB: the next record is written half.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit full{4 << 20, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
    node.Set("s:two", big);
    clock.AdvanceMillis(1100);
    EXPECT_TRUE(WaitFor([&] { return node.sessions->stats().journal_failures.value() > 0; }));
    EXPECT_TRUE(fs::exists(first));
    // To another file it goes, and then this one does.
    clock.AdvanceSeconds(7);
    EXPECT_TRUE(WaitFor([&] {
      clock.AdvanceMillis(500);
      return !fs::exists(first);
    }));
    node.Set("s:three", "w");
    setrlimit(RLIMIT_FSIZE, &before);
    // When there is room again it goes on.
  }
  Node node(folder, clock, options);
  EXPECT_EQ(node.sessions->stats().journal_bad_extents.value(), 0u);
  EXPECT_EQ(node.Get("s:two"), big);
  EXPECT_EQ(node.Get("s:three"), "w");
}

// -- The disk ---------------------------------------------------------------------------------------

// A disk whose syncs wait, or fail.
class Disk {
 public:
  SyncFile sync() {
    return [this](int file) {
      ++syncs;
      while (stands.load()) usleep(1000);
      if (fails.load()) {
        errno = EIO;
        return -1;
      }
      return ::fdatasync(file);
    };
  }
  std::atomic<bool> stands{false};
  std::atomic<bool> fails{false};
  std::atomic<int> syncs{0};
};

TEST(Disk, a_sync_that_takes_long_does_not_keep_the_ring_from_being_emptied) {
  Folder folder;
  test::VirtualClock clock;
  Disk disk;
  Node node(folder, clock, {.ring_bytes = 64 << 10, .sync = disk.sync()});
  disk.stands = true;
  node.journal->Start(*node.sessions);
  node.Set("s:one", "v");
  ASSERT_TRUE(WaitFor([&] { return disk.syncs > 0; }));
  for (int i = 0; i < 4000; ++i) {
    ASSERT_TRUE(WaitFor([&] { return node.journal->Append(DeleteOf("s:x", 1)); })) << i;
  }
  EXPECT_EQ(disk.syncs, 1);
  disk.stands = false;
}

TEST(Disk, a_segment_stays_until_what_was_copied_from_it_is_synced) {
  Folder folder;
  test::VirtualClock clock;
  Disk disk;
  Node node(folder, clock, {.sync = disk.sync()});
  node.journal->Start(*node.sessions);
  node.Set("s:one", "v");
  const std::string first = folder.path + "/journal/segment-000000000001";
  ASSERT_TRUE(node.WaitForFile(first));
  ASSERT_TRUE(WaitFor([&] { return disk.syncs > 0; }));
  disk.stands = true;
  clock.AdvanceSeconds(7);
  ASSERT_TRUE(WaitFor([&] { return node.sessions->stats().journal_forwarded.value() == 1; }));
  usleep(100'000);
  EXPECT_TRUE(fs::exists(first));
  disk.stands = false;
  EXPECT_TRUE(node.WaitForNoFile(first));
}

TEST(Disk, what_a_failed_sync_leaves_in_doubt_is_written_anew_elsewhere_and_told_once) {
  Folder folder;
  test::VirtualClock clock;
  Disk disk;
  Node::Options options;
  options.sync = disk.sync();
  testing::internal::CaptureStderr();
  {
    Node node(folder, clock, options);
    disk.fails = true;
    node.Set("s:synced", "v");
    node.Sync();
    node.Set("s:one", "v", clock.Now() + 100);
    node.Set("s:gone", "v");
    node.Delete("s:gone");
    node.journal->Start(*node.sessions);
    const auto failures = [&] { return node.sessions->stats().journal_sync_failures.value(); };
    for (uint64_t n = 1; n <= 3; ++n) {
      ASSERT_TRUE(WaitFor([&] { return failures() >= n; }));
      clock.AdvanceMillis(1100);
    }
    disk.fails = false;
    const int before = disk.syncs;
    ASSERT_TRUE(WaitFor([&] {
      clock.AdvanceMillis(20);
      return disk.syncs >= before + 2;
    }));
    disk.fails = true;  // the last stop has nothing to save
    // The disk has lost what the first syncs were to save.
    fs::remove(folder.path + "/journal/segment-000000000001");
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("written anew"), said.rfind("written anew")) << said;
  EXPECT_NE(said.find("written anew"), std::string::npos);
  Node node(folder, clock);
  EXPECT_EQ(node.Get("s:one"), "v");
  EXPECT_EQ(node.StateOf("s:gone"), store::ItemState::kTombstone);
  EXPECT_EQ(node.StateOf("s:synced"), store::ItemState::kAbsent);  // the database has it
}

// -- Hand-over -------------------------------------------------------------------------------------

TEST(Handover, what_the_old_process_wrote_until_the_end_is_in_the_new_one) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node old(folder, clock);
    old.journal->Start(*old.sessions);
    old.journal->Hold(true);
    for (int i = 0; i < 500; ++i) old.Set("s:" + std::to_string(i), "first");
    Node next(folder, clock, {.predecessor = &old});
    while (next.CatchUp() > 0 || next.StateOf("s:499") == store::ItemState::kAbsent) usleep(1000);
    for (int i = 0; i < 100; ++i) old.Set("s:" + std::to_string(i), "second");
    old.Set("s:out", "x");
    old.Delete("s:out");
    old.journal->Seal();
    EXPECT_TRUE(old.journal->sealed());
    ASSERT_TRUE(next.journal->CatchUpToEnd(*next.sessions, *next.driver).ok());
    next.sessions->RestoreState(old.sessions->SaveState());
    for (int i = 0; i < 500; ++i) EXPECT_EQ(next.Get("s:" + std::to_string(i)), i < 100 ? "second" : "first");
    EXPECT_EQ(next.StateOf("s:out"), store::ItemState::kTombstone);
    old.journal->Leave();
    old.left = true;
    next.journal->Start(*next.sessions);
    next.Set("s:0", "third");
  }
  Node after(folder, clock);
  EXPECT_EQ(after.Get("s:0"), "third");
  EXPECT_EQ(after.Get("s:99"), "second");
  EXPECT_EQ(after.Get("s:499"), "first");
  EXPECT_EQ(after.StateOf("s:out"), store::ItemState::kTombstone);
}

// While it is sealed nobody is answered.
TEST(Handover, a_sync_that_takes_long_keeps_no_one_waiting) {
  Folder folder;
  test::VirtualClock clock;
  Disk disk;
  Node old(folder, clock, {.sync = disk.sync()});
  disk.stands = true;
  old.journal->Start(*old.sessions);
  old.Set("s:one", "v");
  ASSERT_TRUE(WaitFor([&] { return disk.syncs > 0; }));
  Node next(folder, clock, {.predecessor = &old});
  next.CatchUp();
  old.Set("s:two", "v");
  old.journal->Seal();  // would never return
  EXPECT_TRUE(old.journal->sealed());
  ASSERT_TRUE(next.journal->CatchUpToEnd(*next.sessions, *next.driver).ok());
  EXPECT_EQ(next.Get("s:one"), "v");
  EXPECT_EQ(next.Get("s:two"), "v");
  next.left = true;
  old.journal->Start(*old.sessions);  // the hand-over has failed
  disk.stands = false;
  clock.AdvanceSeconds(1);
  EXPECT_TRUE(WaitFor([&] { return disk.syncs > 1; }));
}

// The thread that empties the ring may be unable to, for want of disk: the new process reads the ring too.
TEST(Handover, records_that_only_the_ring_has_are_taken_too) {
  Folder folder;
  test::VirtualClock clock;
  Node old(folder, clock);
  old.Set("s:one", "in the ring");
  Node next(folder, clock, {.predecessor = &old});
  EXPECT_EQ(next.CatchUp(), 0u);
  ASSERT_TRUE(next.journal->CatchUpToEnd(*next.sessions, *next.driver).ok());
  EXPECT_EQ(next.Get("s:one"), "in the ring");
  old.left = true;
}

// What memory has no place for goes to the database, in which the old process writes.
TEST(Handover, rows_wait_for_the_old_processs_transaction) {
  Folder folder;
  test::VirtualClock clock;
  Node old(folder, clock);
  old.Set("s:one", "first");
  old.Set("s:two", "second");
  old.journal->Round(*old.sessions, *old.access);
  Node next(folder, clock, {.rules = "prefix=other:", .predecessor = &old});
  sqlite3* writer = nullptr;
  ASSERT_EQ(sqlite3_open((folder.path + "/s.db").c_str(), &writer), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(writer, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(next.CatchUp(), 2u);
  EXPECT_EQ(next.progress.unwritten, 2u);
  EXPECT_FALSE(next.journal->CatchUpToEnd(*next.sessions, *next.driver).ok());
  ASSERT_EQ(sqlite3_exec(writer, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(writer);
  EXPECT_EQ(next.CatchUp(), 0u);
  EXPECT_EQ(next.progress.unwritten, 0u);
  EXPECT_EQ(next.Load("s:one").data, "first");
  ASSERT_TRUE(next.journal->CatchUpToEnd(*next.sessions, *next.driver).ok());
  EXPECT_EQ(next.Load("s:two").data, "second");
  old.left = true;
}

TEST(Handover, a_new_process_that_gives_up_has_changed_nothing) {
  Folder folder;
  test::VirtualClock clock;
  {
    Node old(folder, clock);
    old.journal->Start(*old.sessions);
    old.Set("s:one", "first");
    {
      Node next(folder, clock, {.predecessor = &old});
      next.CatchUp();
      old.journal->Seal();
      ASSERT_TRUE(next.journal->CatchUpToEnd(*next.sessions, *next.driver).ok());
      next.left = true;
    }
    old.journal->Start(*old.sessions);
    old.Set("s:one", "second");
    old.Set("s:two", "x");
  }
  Node after(folder, clock);
  EXPECT_EQ(after.Get("s:one"), "second");
  EXPECT_EQ(after.Get("s:two"), "x");
}

TEST(Handover, while_a_segment_is_being_read_it_stays) {
  Folder folder;
  test::VirtualClock clock;
  const std::string oldest = folder.path + "/journal/segment-000000000001";
  Node old(folder, clock);
  old.journal->Start(*old.sessions);
  old.Set("s:one", "first");
  ASSERT_TRUE(old.WaitForFile(oldest));
  old.Sync();
  old.journal->Hold(true);
  clock.AdvanceSeconds(10);
  usleep(100'000);
  EXPECT_TRUE(fs::exists(oldest));
  old.journal->Hold(false);
  EXPECT_TRUE(old.WaitForNoFile(oldest));
}

TEST(Handover, a_record_that_is_half_written_is_read_when_it_is_whole) {
  Folder folder;
  const test::VirtualClock clock;
  const auto opened = JournalSegments::Open(folder.path + "/j", kUuid, 1 << 20, clock);
  JournalSegments& segments = *opened.value();
  const JournalRecord first = DeleteOf("first", 1), second = DeleteOf("second", 2);
  ASSERT_TRUE(Append(segments, Bytes(first, clock)).ok());
  ASSERT_TRUE(Append(segments, Bytes(second, clock)).ok());
  const std::string path = folder.path + "/j/segment-000000000001";
  std::ifstream file(path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t records = whole.size() - kSegmentHeadBytes;
  std::vector<std::string> keys;
  uint64_t offset = 0, bad_extents = 0;
  const auto read = [&] {
    return segments.ForEachRecordFrom(
        0, &offset, true, [&](const DecodedRecord& record) { keys.emplace_back(record.key); }, &bad_extents);
  };
  for (const size_t end : {RecordBytes(first) - 1, RecordBytes(first) + 70, records - 1, records}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(whole.data(), static_cast<std::streamsize>(kSegmentHeadBytes + end));
    ASSERT_TRUE(read().ok());
    EXPECT_EQ(keys.size(), end < RecordBytes(first) ? 0u : end < records ? 1u : 2u);
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(bad_extents, 0u);
}

}  // namespace
}  // namespace holdfast::session
