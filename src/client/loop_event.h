// loop_event.h - an event of libevent that is freed with its owner.
//
// Threads: the loop's.
// Owns:    the event. Borrows the base and the object whose method it calls; both must outlive it.

#ifndef HOLDFAST_CLIENT_LOOP_EVENT_H_
#define HOLDFAST_CLIENT_LOOP_EVENT_H_

#include <event2/event.h>

#include <chrono>

#include "base/check.h"

namespace holdfast::client {

class LoopEvent {
 public:
  LoopEvent() = default;
  ~LoopEvent() { Clear(); }
  LoopEvent(const LoopEvent&) = delete;
  LoopEvent& operator=(const LoopEvent&) = delete;

  // Calls (object->*method)(what) when the file is ready; what: EV_READ, EV_WRITE, EV_PERSIST.
  template <auto method, class T>
  void Watch(event_base* base, int file, short what, T* object) {
    Set<method>(base, file, what, object);
    CHECK(event_add(event_, nullptr) == 0);
  }

  // Once, after some time; asked again it starts anew.
  template <auto method, class T>
  void After(event_base* base, std::chrono::nanoseconds time, T* object) {
    Set<method>(base, -1, EV_TIMEOUT, object);
    if (time < std::chrono::nanoseconds::zero()) time = std::chrono::nanoseconds::zero();
    const auto micros = std::chrono::ceil<std::chrono::microseconds>(time).count();
    const timeval tv = {static_cast<time_t>(micros / 1'000'000), static_cast<suseconds_t>(micros % 1'000'000)};
    CHECK(event_add(event_, &tv) == 0);
  }

  void Clear() {
    if (event_ != nullptr) event_free(event_);
    event_ = nullptr;
  }

 private:
  template <auto method, class T>
  void Set(event_base* base, int file, short what, T* object) {
    Clear();
    const auto call = [](evutil_socket_t, short happened, void* to) { (static_cast<T*>(to)->*method)(happened); };
    event_ = event_new(base, file, what, call, object);
    CHECK(event_ != nullptr);
  }

  event* event_ = nullptr;  // null while nothing is waited for
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_LOOP_EVENT_H_
