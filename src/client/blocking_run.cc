#include "client/blocking_run.h"

#include <poll.h>

#include <algorithm>
#include <ctime>
#include <vector>

namespace holdfast::client {
namespace {

constexpr std::chrono::milliseconds kAddressTick{2};  // how often to ask for an address that is being looked up
constexpr size_t kFewFlights = 16;                    // so many need no heap

struct Waits {
  pollfd* files;
  Flight** flights;
  size_t count = 0;
  SteadyTime until;
};

void Gather(std::span<Flight> flights, SteadyTime now, SteadyTime deadline, Waits* waits) {
  waits->count = 0;
  waits->until = deadline;
  for (Flight& flight : flights) {
    if (flight.done()) continue;
    if (flight.connecting()) waits->until = std::min(waits->until, flight.connect_deadline());
    if (flight.waits_for_address()) {
      waits->until = std::min(waits->until, now + kAddressTick);
      continue;
    }
    const short events = static_cast<short>(POLLIN | (flight.wants_write() ? POLLOUT : 0));
    waits->files[waits->count] = {flight.file(), events, 0};
    waits->flights[waits->count++] = &flight;
  }
}

void Wait(Waits* waits, SteadyTime now) {
  const auto left = std::max(waits->until - now, SteadyTime::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec time = {static_cast<time_t>(seconds.count()), static_cast<long>((left - seconds).count())};
  const int ready = ppoll(waits->files, waits->count, &time, nullptr);
  for (size_t i = 0; ready > 0 && i < waits->count; i++) {
    const short events = waits->files[i].revents;
    if (events != 0) waits->flights[i]->Progress((events & (POLLIN | POLLERR | POLLHUP)) != 0);
  }
}

}  // namespace

void Run(std::span<Flight> flights, const RunTimes& times) {
  pollfd few_files[kFewFlights];
  Flight* few_flights[kFewFlights];
  std::vector<pollfd> many_files;
  std::vector<Flight*> many_flights;
  Waits waits = {few_files, few_flights, 0, {}};
  if (flights.size() > kFewFlights) {
    many_files.resize(flights.size());
    many_flights.resize(flights.size());
    waits = {many_files.data(), many_flights.data(), 0, {}};
  }

  SteadyTime now = Now();
  const SteadyTime deadline = now + times.timeout;
  for (Flight& flight : flights) flight.Start(now, std::min(times.connect_timeout, times.timeout));
  while (true) {
    for (Flight& flight : flights) {
      flight.CheckTime(now, deadline, times.timeout);
      if (flight.waits_for_address()) flight.Progress(false);
    }
    Gather(flights, now, deadline, &waits);
    if (waits.count == 0 && std::all_of(flights.begin(), flights.end(), [](auto& flight) { return flight.done(); }))
      return;
    Wait(&waits, now);
    now = Now();
  }
}

}  // namespace holdfast::client
