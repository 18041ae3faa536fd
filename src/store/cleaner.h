// cleaner.h - makes free pages: takes the items off one page, keeping what the policy keeps and all that is dirty.
//
// Eviction, moving pages between classes and winning back holes are all this one thing.
//
// Threads: any; one cleans at a time (its mutex). Runs on the thread of the writer that found the reserve of free pages
// low. Errors:  MakeRoom may fail to free anything: all is dirty, or eviction is off and no page has holes worth it.
// Blocks:  while another thread cleans, if no page at all is left; 50 to 200 us a page, by how many items it has.

#ifndef HOLDFAST_STORE_CLEANER_H_
#define HOLDFAST_STORE_CLEANER_H_

#include <array>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "store/eviction.h"
#include "store/item.h"
#include "store/key.h"
#include "store/size_classes.h"
#include "store/slab_pool.h"
#include "store/store.h"

namespace holdfast::store {

class StoreState;
struct AccessLocal;

class Cleaner {
 public:
  explicit Cleaner(StoreState& state) : state_(state) {}

  // Cleans until pages_wanted beyond the reserve are free or will be once readers have been quiescent.
  void MakeRoom(AccessLocal& local, uint64_t pages_wanted);
  // Pages that were free of known items but still in use when their time came: to be walked again.
  void Stuck(std::vector<uint32_t> pages);

  const ClassCounters& counters(uint32_t size_class) const { return counters_[size_class]; }

 private:
  void CleanPage(AccessLocal& local, const SlabPool::Victim& victim);
  bool MayGain() const;
  void Walk(AccessLocal& local, uint32_t page);
  // A live chunk of the page at hand.
  struct OnPage {
    uint64_t handle = 0;
    Key key;  // an item's
    bool is_piece() const { return key.bytes.empty(); }
  };
  uint32_t TakeOff(AccessLocal& local, std::span<const OnPage> group);
  // True when the chunk was taken off its page and nobody will Free it: the page goes as a whole.
  bool TakeOffItem(AccessLocal& local, uint64_t handle, const Key& key, Seconds now);
  bool TakeOffPiece(AccessLocal& local, uint64_t handle, Seconds now);
  // The handle of the copy; 0 when there is no room for one. The item's place is locked.
  uint64_t CopyItem(const ItemRef& item, uint64_t handle, const Verdict& verdict);
  uint64_t CopyPiece(const ItemRef& owner, uint64_t handle);
  Verdict JudgeItem(const ItemRef& item, uint64_t handle, bool dead);
  bool KeepsPiece(const ItemRef& owner, uint64_t owner_handle, uint64_t piece_handle, bool dead);
  void CountDrop(AccessLocal& local, const ItemRef& item, uint64_t handle, uint32_t hash, bool dead, Seconds now);
  void CountMove(AccessLocal& local, uint64_t handle);

  StoreState& state_;
  std::mutex mutex_;                                              // one cleans at a time; guards the six below
  std::array<ClassCounters, SizeClasses::kClassesMax> counters_;  // read by others
  // Since the latest page's worth of chunks was won: pages cleaned for it, and what they gave.
  uint64_t cleaned_ = 0;
  uint64_t won_bytes_ = 0;
  bool by_force_ = false;             // the page at hand is to be emptied of all that is not dirty
  bool early_ = false;                // the page at hand is of main and has not come to its turn
  int64_t dirty_bytes_in_vain_ = -1;  // how much was dirty when even force gave nothing; -1: not so

  std::mutex stuck_mutex_;  // guards stuck_
  std::vector<uint32_t> stuck_;
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_CLEANER_H_
