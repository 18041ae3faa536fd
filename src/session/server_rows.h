// server_rows.h - the rows of a server's answer as ours. The drivers ask for the same columns in the same order; their
// rows have Next, Text, Integer and Unsigned.
//
// Threads: pure functions.

#ifndef HOLDFAST_SESSION_SERVER_ROWS_H_
#define HOLDFAST_SESSION_SERVER_ROWS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "session/database_moment.h"
#include "session/driver.h"

namespace holdfast::session {

// The columns that both begin with: sid, version, born, floor, touched, expires_at, state.
template <class ServerRows, class OurRow>
void ReadCommon(const ServerRows& found, const DatabaseMoment& now, OurRow* row) {
  row->key = found.Text(0);
  row->version = found.Unsigned(1);
  row->born = found.Unsigned(2);
  row->floor = found.Unsigned(3);
  row->touched = found.Unsigned(4);
  row->expires_us = now.FromDatabase(found.Integer(5));
  row->state = found.Integer(6) == 0 ? RowState::kLive : RowState::kTombstone;
}

// sid, version, born, floor, touched, expires_at, state, flags, owner, updated_at, data, the database's time.
template <class ServerRows>
void AppendRows(ServerRows& found, int64_t asked_steady_us, std::vector<Row>* rows) {
  while (found.Next()) {
    const DatabaseMoment now{found.Integer(11), asked_steady_us};
    Row& row = rows->emplace_back();
    ReadCommon(found, now, &row);
    row.client_flags = static_cast<uint32_t>(found.Unsigned(7));
    row.owner = static_cast<uint32_t>(found.Unsigned(8));
    row.changed_us = now.FromDatabase(found.Integer(9));
    row.data = found.Text(10);
  }
}

// sid, version, born, floor, touched, expires_at, state, owner, updated_at, the database's time. *last gets the place
// of the last row, if there is one.
template <class ServerRows>
void AppendStamps(ServerRows& found, int64_t asked_steady_us, std::vector<RowStamps>* rows,
                  ChangeCursor* last = nullptr) {
  while (found.Next()) {
    const DatabaseMoment now{found.Integer(9), asked_steady_us};
    RowStamps& row = rows->emplace_back();
    ReadCommon(found, now, &row);
    row.owner = static_cast<uint32_t>(found.Unsigned(7));
    if (last != nullptr) *last = ChangeCursor{found.Integer(8), row.key};
  }
}

// number, name, address, started_at, lease.
template <class ServerRows>
void AppendNodes(ServerRows& found, std::vector<NodeLease>* nodes) {
  while (found.Next()) {
    NodeLease& node = nodes->emplace_back();
    node.number = static_cast<uint32_t>(found.Unsigned(0));
    node.name = found.Text(1);
    node.address = found.Text(2);
    node.started_us = found.Integer(3);
    node.until_us = found.Integer(4);
  }
}

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SERVER_ROWS_H_
