// dice.h - the only source of chance in a simulation: a seed gives the same throws on every machine.
//
// Threads: one.

#ifndef HOLDFAST_T_SIM_DICE_H_
#define HOLDFAST_T_SIM_DICE_H_

#include <cstdint>

namespace holdfast::sim {

class Dice {
 public:
  // The first throw for the state: else the throws of a seed would be those of the seed before it, less the first.
  explicit Dice(uint64_t seed) : state_(seed) { state_ = Next(); }

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>((Next() >> 32) * n >> 32); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }
  int64_t Between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(Next() % static_cast<uint64_t>(most - least + 1));
  }
  // Mostly near the least, now and then near the most: as waiting times are.
  int64_t Skewed(int64_t least, int64_t most) {
    int64_t span = most - least;
    for (int i = 0; i < 3 && span > 1; ++i) {
      if (OneIn(2)) span /= 8;
    }
    return least + Between(0, span);
  }

 private:
  uint64_t state_;
};

}  // namespace holdfast::sim

#endif  // HOLDFAST_T_SIM_DICE_H_
