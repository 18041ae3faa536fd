// Messages with descriptors between processes, and connections that move with them.

#include "network/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <thread>

#include "network_harness.h"

namespace holdfast::network {
namespace {

struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    one = std::make_unique<Channel>(ends[0]);
    other = std::make_unique<Channel>(ends[1]);
  }
  std::unique_ptr<Channel> one, other;
};

TEST(Channel, messages_come_as_they_were_sent) {
  Pair pair;
  EXPECT_TRUE(pair.one->PeerIsTrusted());
  EXPECT_EQ(pair.one->peer(), ::getpid());
  ASSERT_TRUE(pair.one->Send(1, "").ok());
  ASSERT_TRUE(pair.one->Send(2, "hello").ok());
  auto first = pair.other->Receive(1000), second = pair.other->Receive(1000);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first.value().kind, 1u);
  EXPECT_EQ(first.value().body, "");
  EXPECT_EQ(second.value().kind, 2u);
  EXPECT_EQ(second.value().body, "hello");
}

TEST(Channel, a_body_larger_than_the_sockets_buffer_comes_whole_with_its_descriptors) {
  Pair pair;
  const std::string body(5'000'000, 'x');
  int pipe_ends[2];
  ASSERT_EQ(0, ::pipe2(pipe_ends, O_CLOEXEC));
  std::thread sender([&] {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(pair.one->Send(7, body, pipe_ends).ok());
  });
  for (int i = 0; i < 3; ++i) {
    auto message = pair.other->Receive(10'000);
    ASSERT_TRUE(message.ok()) << message.status().message();
    EXPECT_EQ(message.value().body, body);
    ASSERT_EQ(message.value().descriptors.size(), 2u);
    ASSERT_EQ(1, ::write(message.value().descriptors[1].get(), "y", 1));
    char got = 0;
    EXPECT_EQ(1, ::read(pipe_ends[0], &got, 1));
    EXPECT_EQ(got, 'y');
    EXPECT_NE(0, ::fcntl(message.value().descriptors[0].get(), F_GETFD) & FD_CLOEXEC);
  }
  sender.join();
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST(Channel, waiting_ends_by_time_by_a_wake_up_and_with_the_peer) {
  Pair pair;
  auto late = pair.other->Receive(20);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.status().kind(), base::ErrorKind::kUnavailable);
  int pipe_ends[2];
  ASSERT_EQ(0, ::pipe2(pipe_ends, O_CLOEXEC));
  ASSERT_EQ(1, ::write(pipe_ends[1], "x", 1));
  auto woken = pair.other->Receive(-1, pipe_ends[0]);
  EXPECT_EQ(woken.status().kind(), base::ErrorKind::kUnavailable);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  pair.one.reset();
  auto gone = pair.other->Receive(1000);
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.status().kind(), base::ErrorKind::kSystem);
}

// By this a process that gives up knows whether the other one has said its last word.
TEST(Channel, after_the_end_of_receiving_what_was_sent_is_there_and_what_is_sent_fails) {
  Pair pair;
  ASSERT_TRUE(pair.one->Send(8, "committed").ok());
  pair.other->EndReceiving();
  EXPECT_FALSE(pair.one->Send(8, "too late").ok());
  auto message = pair.other->Receive(0);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message.value().body, "committed");
  EXPECT_FALSE(pair.other->Receive(0).ok());
}

TEST(Channel, a_lie_about_the_length_is_refused) {
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  Channel channel(ends[0]);
  const uint64_t words[2] = {1, UINT64_MAX};
  ASSERT_EQ(static_cast<ssize_t>(sizeof words), ::write(ends[1], words, sizeof words));
  auto message = channel.Receive(1000);
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.status().kind(), base::ErrorKind::kCorrupt);
  ::close(ends[1]);
}

// -- Connections that move from one worker to another, as between processes -------------------------

class Moving {
 public:
  void Move() {
    std::vector<Departure> departures;
    from.Do([&] { departures = from.worker.Export(); });
    for (Departure& departure : departures) {
      const int socket = ::fcntl(departure.socket, F_DUPFD_CLOEXEC, 0);
      auto transport = MakePlainTransport(socket, std::move(departure.state.unread));
      to.worker.Adopt(Arrival{std::move(transport), {}, std::make_unique<ConnectionState>(std::move(departure.state))});
    }
    from.Do([this] { from.worker.Abandon(); });
  }
  LineWorker from, to;
};

TEST(Departure, unread_and_unsent_bytes_arrive_once_and_in_order) {
  Moving moving;
  moving.from.Start();
  moving.to.Start();
  Client half = moving.from.Connect(), slow = moving.from.Connect(), parked = moving.from.Connect(),
         idle = moving.from.Connect(), closing = moving.from.Connect();
  ASSERT_TRUE(half.Send("begun"));
  ASSERT_TRUE(slow.Send("big 3000000\nafter\n"));
  ASSERT_TRUE(parked.Send("first\npark\nbehind\n"));
  ASSERT_TRUE(closing.Send("big 3000000\nquit\nnever\n"));
  EXPECT_EQ(parked.ReceiveLine(), "first\n");
  ASSERT_TRUE(Eventually([&] { return moving.from.stage.parks == 1; }));
  ASSERT_TRUE(Eventually([&] { return moving.from.worker.counters().bytes_read.value() >= 64; }));
  moving.Move();
  EXPECT_TRUE(Eventually([&] { return moving.from.stage.closed == 5; }));
  ASSERT_TRUE(half.Send(" and ended\n"));
  EXPECT_EQ(half.ReceiveLine(), "begun and ended\n");
  EXPECT_EQ(slow.ReceiveLine(), std::string(3'000'000, 'b') + "\n");
  EXPECT_EQ(slow.ReceiveLine(), "after\n");
  ASSERT_TRUE(idle.Send("here\n"));
  EXPECT_EQ(idle.ReceiveLine(), "here\n");
  EXPECT_EQ(closing.ReceiveLine(), std::string(3'000'000, 'b') + "\n");
  EXPECT_EQ(closing.ReceiveLine(), "bye\n");
  EXPECT_TRUE(closing.AtEnd());
  // The request that waits is asked again, of the new one.
  ASSERT_TRUE(Eventually([&] { return moving.to.stage.parks == 1; }));
  moving.to.worker.Resume(moving.to.stage.parked_id);
  EXPECT_EQ(parked.ReceiveLine(), "resumed\n");
  EXPECT_EQ(parked.ReceiveLine(), "behind\n");
}

TEST(Departure, a_connection_keeps_its_id_and_no_other_gets_it) {
  Moving moving;
  moving.from.Start();
  moving.to.Start();
  for (int i = 0; i < 50; ++i) moving.from.Connect();
  Client parked = moving.from.Connect();
  ASSERT_TRUE(parked.Send("park\n"));
  ASSERT_TRUE(Eventually([&] { return moving.from.stage.parks == 1; }));
  moving.Move();
  ASSERT_TRUE(Eventually([&] { return moving.to.stage.parks == 1; }));
  const uint64_t id = moving.to.stage.parked_id;
  EXPECT_EQ(id, moving.from.stage.parked_id);
  Client other = moving.to.Connect();
  ASSERT_TRUE(other.Send("park\n"));
  ASSERT_TRUE(Eventually([&] { return moving.to.stage.parks == 2; }));
  EXPECT_GT(moving.to.stage.parked_id, id);
}

TEST(Departure, exporting_changes_nothing) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("one\nhal"));
  EXPECT_EQ(client.ReceiveLine(), "one\n");
  for (int i = 0; i < 3; ++i) {
    line.Do([&] {
      const auto departures = line.worker.Export();
      ASSERT_EQ(departures.size(), 1u);
      EXPECT_EQ(departures[0].state.unread, "hal");
    });
  }
  ASSERT_TRUE(client.Send("f\n"));
  EXPECT_EQ(client.ReceiveLine(), "half\n");
}

TEST(Finishing, the_idle_are_closed_at_once_and_the_others_when_they_are_done) {
  LineWorker line;
  line.Start();
  Client idle = line.Connect(), half = line.Connect(), slow = line.Connect(), parked = line.Connect();
  ASSERT_TRUE(idle.Send("x\n"));
  EXPECT_EQ(idle.ReceiveLine(), "x\n");
  ASSERT_TRUE(half.Send("hal"));
  ASSERT_TRUE(slow.Send("big 3000000\n"));
  ASSERT_TRUE(parked.Send("park\n"));
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  ASSERT_TRUE(Eventually([&] { return line.worker.counters().bytes_read.value() >= 22; }));
  line.worker.FinishConnections();
  EXPECT_TRUE(idle.AtEnd());
  EXPECT_EQ(slow.ReceiveLine(), std::string(3'000'000, 'b') + "\n");
  EXPECT_TRUE(slow.AtEnd());
  ASSERT_TRUE(half.Send("f\n"));
  EXPECT_EQ(half.ReceiveLine(), "half\n");
  EXPECT_TRUE(half.AtEnd());
  line.worker.Resume(line.stage.parked_id);
  EXPECT_EQ(parked.ReceiveLine(), "resumed\n");
  EXPECT_TRUE(parked.AtEnd());
}

}  // namespace
}  // namespace holdfast::network
