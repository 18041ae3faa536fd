// How it works: a turn goes through batches. The requests of a batch are views into the connection's input, so the
// input is consumed only when the batch is executed. When it ends early (a reply filled the output, a request is held)
// the codec goes back to where it stood after the last request that was executed, and the rest is parsed again later.

#include "server/serve.h"

#include <algorithm>

#include "server/worker_state.h"

namespace holdfast::server {

using command::Frame;
using command::Progress;
using network::Connection;
using network::Turn;
using protocol::Outcome;
using protocol::ReplyCode;
using protocol::Verb;

namespace {

bool IsSessionRead(command::Context& context, const protocol::Request& request) {
  return request.verb == Verb::kGet && context.sessions->Match(request.key) != nullptr;
}

}  // namespace

Serve::Serve(WorkerState& worker, Connection& connection)
    : worker_(worker), codec_(ProtocolOf(connection.label(), worker.shared().protocol), worker.shared().parser) {}

Turn Serve::OnTurn(Connection& connection) {
  worker_.context().socket = connection.socket();
  if (held_ != nullptr) {
    if (const auto turn = ContinueHeld(connection)) return *turn;
  }
  uint32_t left = worker_.shared().live.requests_per_turn;
  for (;;) {
    if (connection.output().size() >= network::kOutputHighWater) return Turn::kFull;
    if (feeding_ != nullptr) {
      if (const auto turn = ContinueFeed(connection)) return *turn;
      continue;
    }
    if (upload_ != nullptr) {
      if (const auto turn = ContinueUpload(connection)) return *turn;
      continue;
    }
    if (left == 0) {
      if (connection.worker().OthersReady() && !connection.input().empty()) return Turn::kYield;
      left = worker_.shared().live.requests_per_turn;
    }
    if (const auto turn = ServeBatch(connection, &left)) return *turn;
  }
}

std::optional<Turn> Serve::ServeBatch(Connection& connection, uint32_t* left) {
  const std::string_view input = connection.input();
  uint32_t count = 0;
  size_t offset = 0, begin = 0;
  Outcome outcome = Outcome::kRequest;
  worker_.before_batch.emplace(codec_);
  for (; *left > 0 && count < WorkerState::kBatch; ++count) {
    WorkerState::Parsed& parsed = worker_.batch[count];
    begin = offset;
    const protocol::ParseResult result = codec_.Parse(input.substr(offset), &parsed.request);
    offset += result.consumed;
    outcome = result.outcome;
    if (outcome != Outcome::kRequest) break;
    parsed.end = offset;
    parsed.after = codec_;
    if (parsed.request.last_of_batch) --*left;  // a multiget is one request, however many keys it has
  }
  if (const auto turn = ExecuteBatch(connection, count)) return turn;
  switch (outcome) {
    case Outcome::kRequest:
      Consume(connection, offset);
      return std::nullopt;
    case Outcome::kNeedMore:
      Consume(connection, offset);
      return Turn::kNeedInput;
    case Outcome::kUpload:
      RememberCodecBefore(count);
      BeginUpload(connection, worker_.batch[count].request, begin, offset);
      return std::nullopt;
    case Outcome::kClose:
      break;
  }
  return Turn::kClose;
}

// Empty when all were executed; nothing is consumed then.
std::optional<Turn> Serve::ExecuteBatch(Connection& connection, uint32_t count) {
  command::Context& context = worker_.context();
  if (count > 1) {
    for (uint32_t i = 0; i < count; ++i) worker_.lookups[i] = command::LookupOf(worker_.batch[i].request);
    context.access.FetchAhead(std::span(worker_.lookups).first(count));
  }
  for (uint32_t i = 0; i < count; ++i) {
    WorkerState::Parsed& parsed = worker_.batch[i];
    Frame frame;
    frame.connection = connection.id();
    const size_t begin = i == 0 ? 0 : worker_.batch[i - 1].end;
    if (HasWaited(begin)) frame.waits.begun_us = waited_->since_us;
    if (count > 1) {
      frame.key = worker_.lookups[i].key;
      frame.ahead = worker_.lookups[i].ahead;
    }
    bool close = false;
    const Progress progress = Answer(connection, parsed.request, frame, &close);
    if (progress == Progress::kDone && !close && connection.output().size() < network::kOutputHighWater &&
        !frame.abandons_batch) {
      continue;
    }
    codec_ = parsed.after;
    std::optional<Turn> turn;
    if (progress == Progress::kFeeds) {
      BeginFeed(parsed.request);
      turn = ContinueFeed(connection).value_or(Turn::kYield);
    } else if (progress != Progress::kDone) {
      auto held = std::make_unique<Held>();
      held->request = parsed.request;
      held->request.KeepText(&held->text);
      for (const std::string_view piece : parsed.request.value) held->value.append(piece);
      held->request.SetValue(held->value);
      held->frame = frame;
      held->frame.key = {};  // it points into the input
      held->frame.ahead = {};
      held->bytes.assign(connection.input().substr(begin, parsed.end - begin));
      held->behind_bytes = HasWaited(begin) ? 0 : connection.input().size() - parsed.end;
      RememberCodecBefore(i);
      PreloadSessions(i + 1, count);
      turn = Hold(connection, std::move(held), progress);
    } else if (close) {
      turn = Turn::kClose;
    } else if (frame.abandons_batch) {
      codec_.AbandonBatch();
      turn = Turn::kYield;
    } else {
      turn = Turn::kFull;
    }
    Consume(connection, parsed.end);
    return turn;
  }
  return std::nullopt;
}

Progress Serve::Answer(Connection& connection, const Request& request, Frame& frame, bool* close) {
  command::Context& context = worker_.context();
  base::Output& output = connection.output();
  if (request.verb == Verb::kStats) {
    return command::ExecuteStats(context, request, frame,
                                 [&](const Reply& reply) { WriteReply(request, reply, output); });
  }
  frame.request = worker_.next_request_number++;
  Reply reply;
  const Progress progress = command::Execute(context, request, frame, &reply);
  return Finish(progress, connection, request, reply, frame, close);
}

Progress Serve::Finish(Progress progress, Connection& connection, const Request& request, const Reply& reply,
                       Frame& frame, bool* close) {
  if (progress == Progress::kCommits) kept_ = std::make_unique<command::KeptReply>(reply);
  if (progress != Progress::kDone) return progress;
  WriteReply(request, reply, connection.output());
  *close = reply.close || request.close;
  frame.abandons_batch = reply.code == ReplyCode::kServerError && request.verb == Verb::kGet && codec_.InBatch();
  return progress;
}

Progress Serve::Conclude(Connection& connection, const Request& request, Frame& frame, bool* close) {
  const std::unique_ptr<command::KeptReply> kept = std::move(kept_);
  frame.request = worker_.next_request_number++;
  Reply reply;
  const Progress progress = Finish(command::Conclude(worker_.context(), request, frame, *kept, &reply), connection,
                                   request, reply, frame, close);
  connection.output().Settle();  // what was kept is gone
  return progress;
}

// The keys that the following requests will ask for travel with the one that is parked.
void Serve::PreloadSessions(uint32_t from, uint32_t count) {
  command::Context& context = worker_.context();
  if (context.sessions == nullptr) return;
  for (uint32_t i = from; i < count; ++i) {
    const Request& request = worker_.batch[i].request;
    if (!IsSessionRead(context, request)) continue;
    const store::Key key = store::Key::Of(request.key);
    if (context.access.Find(key, context.now).state == store::ItemState::kAbsent) context.sessions->Preload(key);
  }
}

Turn Serve::Hold(Connection& connection, std::unique_ptr<Held> held, Progress progress) {
  held->parked = progress == Progress::kParked || progress == Progress::kCommits;
  held_ = std::move(held);
  if (!held_->parked) {
    worker_.NoteRetry();
    return Turn::kYield;
  }
  worker_.NoteParked(connection, *this);
  return Turn::kParked;
}

std::optional<Turn> Serve::ContinueHeld(Connection& connection) {
  if (held_->parked) return Turn::kParked;
  bool close = false;
  const Progress progress = kept_ != nullptr ? Conclude(connection, held_->current(), held_->frame, &close)
                                             : Answer(connection, held_->current(), held_->frame, &close);
  if (progress != Progress::kDone) return Hold(connection, std::move(held_), progress);
  if (held_->frame.abandons_batch) codec_.AbandonBatch();
  NoteWaitedBehind(*held_);
  held_.reset();
  before_.reset();
  if (close) return Turn::kClose;
  return std::nullopt;
}

// What stood behind a request has waited as long: it is not to wait for its whole budget again, one request after the
// other. What came later begins anew.
void Serve::NoteWaitedBehind(const Held& held) {
  if (held.frame.in_hand != session::LoadOutcome::kUnavailable || held.behind_bytes == 0) return;
  waited_ = std::make_unique<WaitedBehind>(held.behind_bytes, held.frame.waits.begun_us);
}

void Serve::Consume(Connection& connection, size_t bytes) {
  connection.Consume(bytes);
  if (waited_ == nullptr) return;
  waited_->bytes -= std::min(waited_->bytes, bytes);
  if (waited_->bytes == 0) waited_.reset();
}

void Serve::Wake(Connection& connection, uint64_t number, session::LoadOutcome outcome) {
  if (held_ == nullptr || !held_->parked || held_->frame.request != number) return;
  held_->parked = false;
  held_->frame.in_hand = outcome;
  worker_.NoteUnparked(connection.id());
  connection.worker().Resume(connection.id());
}

void Serve::BeginFeed(const Request& request) {
  feeding_ = std::make_unique<Feeding>();
  Request& kept = feeding_->request;
  kept.Clear();
  kept.verb = request.verb;
  kept.syntax = request.syntax;
  kept.opcode = request.opcode;
  kept.binary_opaque = request.binary_opaque;
  feeding_->feed = std::move(worker_.context().feed);
}

// Takes what is there; the rest comes when the socket, or whoever makes it, is ready.
std::optional<Turn> Serve::ContinueFeed(Connection& connection) {
  base::Output& output = connection.output();
  Reply reply;
  command::Feed::Piece piece;
  while (output.size() < network::kOutputHighWater) {
    switch (feeding_->feed->Take(&piece)) {
      case command::Feed::Taken::kNothingYet:
        return Turn::kParked;
      case command::Feed::Taken::kCut:
        return Turn::kClose;
      case command::Feed::Taken::kEnd:
        reply.code = feeding_->feed->last_words();
        WriteReply(feeding_->request, reply, output);
        feeding_.reset();
        return std::nullopt;
      case command::Feed::Taken::kPiece:
        break;
    }
    if (piece.name.empty()) {
      output.Append(piece.text);
      continue;
    }
    reply.code = ReplyCode::kStat;
    reply.key = piece.name;
    reply.text = piece.text;
    WriteReply(feeding_->request, reply, output);
  }
  return Turn::kFull;
}

void Serve::OnClose(Connection& connection) {
  if (feeding_ != nullptr) feeding_->feed->Cancel();
  worker_.NoteClosed(connection);
  if (held_ != nullptr && held_->parked) worker_.NoteUnparked(connection.id());
}

void Serve::RememberCodecBefore(uint32_t i) {
  before_ = std::make_unique<Codec>(i == 0 ? *worker_.before_batch : worker_.batch[i - 1].after);
}

bool Serve::Export(std::string* state, std::string* unread) const {
  if (feeding_ != nullptr) return false;  // half a reply: who makes the rest stays here
  if (!MayBeginAnew()) return false;
  const Upload* const upload = held_ != nullptr ? held_->upload.get() : upload_.get();
  if (upload != nullptr && upload->received_bytes() > kUploadBytesThatMove) return false;
  if (upload != nullptr) {
    upload->CopyReceived(unread);
  } else if (held_ != nullptr) {
    unread->append(held_->bytes);
  }
  const bool again = upload != nullptr || held_ != nullptr;
  *state = (again ? *before_ : codec_).SavePosition();
  return true;
}

bool Serve::MayBeginAnew() const {
  if (kept_ == nullptr) return true;
  const session::Waiter waiter{worker_.context().worker, held_->frame.connection, held_->frame.request};
  const std::string_view key = held_->current().key;
  return held_->parked && worker_.context().sessions->strict_writes().IsUnsent(key, waiter);
}

void Serve::BeginUpload(Connection& connection, const Request& request, size_t begin, size_t end) {
  upload_ =
      std::make_unique<Upload>(request, connection.input().substr(begin, end - begin), connection.worker().pool());
  Consume(connection, end);
}

std::optional<Turn> Serve::ContinueUpload(Connection& connection) {
  size_t taken = 0;
  const bool had_room = upload_->Take(connection.input(), &taken);
  Consume(connection, taken);
  if (!had_room) {
    codec_.Skip(upload_->missing_bytes());
    Reply reply;
    reply.code = ReplyCode::kServerError;
    reply.text = "Out of memory during read";
    WriteReply(upload_->request(), reply, connection.output());
    upload_.reset();
    before_.reset();
    return std::nullopt;
  }
  if (upload_->missing_bytes() > 0) return Turn::kNeedInput;
  return FinishUpload(connection);
}

std::optional<Turn> Serve::FinishUpload(Connection& connection) {
  auto held = std::make_unique<Held>();
  held->upload = std::move(upload_);
  held->upload->Finish();
  held->behind_bytes = connection.input().size();
  held->frame.connection = connection.id();
  held_ = std::move(held);
  return ContinueHeld(connection);
}

}  // namespace holdfast::server
