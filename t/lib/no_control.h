// no_control.h - a server behind the verbs that can do nothing but be flushed: for tests of what needs no server.

#ifndef HOLDFAST_T_LIB_NO_CONTROL_H_
#define HOLDFAST_T_LIB_NO_CONTROL_H_

#include <functional>
#include <string_view>

#include "command/command.h"

namespace holdfast::test {

class NoControl final : public command::Control {
 public:
  std::string_view version() const override { return "test"; }
  void SetVerbosity(uint32_t) override {}
  bool Stats(std::string_view, const std::function<void(std::string_view, std::string_view)>&) override {
    return false;
  }
  void ResetStats() override {}
  bool flush_allowed() const override { return true; }
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_NO_CONTROL_H_
