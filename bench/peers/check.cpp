#include "check.h"

#include <algorithm>

#include <memory>
#include <span>
#include <vector>

#include "data.h"

namespace aether::bench {
namespace {

constexpr uint64_t kRecords = 1000;
constexpr size_t kValueBytes = 100;

Error wrong(const std::string& what, const Session& session) {
  return Error(Code::failed, what + (session.error().empty() ? "" : ": " + session.error()));
}

Result<void> expect(bool right, const std::string& what, const Session& session) {
  if (right) return {};
  return wrong(what, session);
}

std::string value_of(uint64_t record, uint64_t version) {
  std::string value(kValueBytes, '\0');
  make_value(record, version, value);
  return value;
}

Result<void> check_points(Session& session) {
  std::string value;
  for (uint64_t record = 0; record < kRecords; ++record) {
    AETHER_TRY(expect(session.put(Key(record), value_of(record, 1)) == Answer::ok, "put", session));
    AETHER_TRY(
        expect(session.put(Key(record), value_of(record, 2)) == Answer::ok, "put again", session));
  }
  for (uint64_t record = 0; record < kRecords; ++record) {
    AETHER_TRY(expect(session.get(Key(record), value) == Answer::ok && value == value_of(record, 2),
                      "get of record " + std::to_string(record), session));
  }
  bool seen = false;
  const Answer visited = session.visit(Key(7),
                                       [&seen](Bytes found) { seen = found == value_of(7, 2); });
  AETHER_TRY(expect(visited == Answer::ok && seen, "visit", session));
  AETHER_TRY(expect(session.get(Key(kMissingRecords), value) == Answer::not_found,
                    "get of an absent key", session));
  AETHER_TRY(expect(session.remove(Key(0)) == Answer::ok, "remove", session));
  AETHER_TRY(expect(session.remove(Key(0)) == Answer::ok, "remove of an absent key", session));
  AETHER_TRY(expect(session.get(Key(0), value) == Answer::not_found, "get after remove", session));
  return expect(session.put(Key(0), value_of(0, 2)) == Answer::ok, "put after remove", session);
}

/// The ends of what --value-bytes takes.
Result<void> check_sizes(Session& session, uint64_t value_bytes_max) {
  const Key key(kMissingRecords);
  std::string value;
  const size_t largest = std::min<size_t>(size_t{1} << 20, value_bytes_max);
  for (const size_t size : {size_t{0}, size_t{8}, size_t{5000}, largest}) {
    const std::string what = " of a value of " + std::to_string(size) + " bytes";
    std::string wanted(size, '\0');
    make_value(kMissingRecords, size, wanted);
    AETHER_TRY(expect(session.put(key, wanted) == Answer::ok, "put" + what, session));
    AETHER_TRY(
        expect(session.get(key, value) == Answer::ok && value == wanted, "get" + what, session));
    bool right = false;
    const Bytes asked[] = {key};
    const Answer got = session.multi_get(
        asked, [&](size_t, const Bytes* found) { right = found != nullptr && *found == wanted; });
    AETHER_TRY(expect(got == Answer::ok && right, "multi_get" + what, session));
  }
  return expect(session.remove(key) == Answer::ok, "remove of a large value", session);
}

Result<void> check_scan(Session& session, const std::vector<uint64_t>& sorted, size_t at,
                        bool reverse, uint32_t limit) {
  std::vector<uint64_t> found;
  bool right = true;
  const Key from(record_of_hash(sorted[at]));
  const Answer scanned = session.scan(from, reverse, limit, [&](Bytes key, Bytes value) {
    found.push_back(record_of(key));
    right = right && value_is_right(found.back(), value, kValueBytes);
  });
  std::vector<uint64_t> wanted;
  for (size_t i = at; wanted.size() < limit && i < sorted.size(); reverse ? --i : ++i) {
    wanted.push_back(record_of_hash(sorted[i]));
  }
  const std::string what = std::string(reverse ? "scan back" : "scan") + " of " +
                           std::to_string(limit) + " from position " + std::to_string(at);
  return expect(scanned == Answer::ok && right && found == wanted, what, session);
}

Result<void> check_scans(Session& session) {
  const std::vector<uint64_t> sorted = sorted_hashes(kRecords);
  for (const size_t at : {size_t{0}, size_t{3}, size_t{500}, size_t{kRecords - 1}}) {
    for (const uint32_t limit : {1U, 10U, 100U}) {
      AETHER_TRY(check_scan(session, sorted, at, false, limit));
      AETHER_TRY(check_scan(session, sorted, at, true, limit));
    }
  }
  // From a key that is not there: both ways must land on the neighbours.
  uint64_t above = 0;
  uint64_t below = 0;
  uint64_t absent = kMissingRecords;
  while (key_hash(absent) < sorted.front() || key_hash(absent) > sorted.back()) ++absent;
  AETHER_TRY(expect(
      session.scan(Key(absent), false, 1,
                   [&](Bytes key, Bytes) { above = key_hash(record_of(key)); }) == Answer::ok,
      "scan from an absent key", session));
  AETHER_TRY(expect(
      session.scan(Key(absent), true, 1,
                   [&](Bytes key, Bytes) { below = key_hash(record_of(key)); }) == Answer::ok,
      "scan back from an absent key", session));
  return expect(below < key_hash(absent) && key_hash(absent) < above, "neighbours of an absent key",
                session);
}

/// Keys that are there, that are not, and one that is asked for twice.
Result<void> check_batches(Session& session) {
  std::vector<uint64_t> records;
  for (uint64_t i = 0; i < 60; ++i) records.push_back(i * 7 % kRecords);
  records.push_back(kMissingRecords);
  records.push_back(records[5]);
  records.push_back(kMissingRecords + 1);
  records.push_back(11);
  std::vector<Key> keys;
  keys.reserve(records.size());
  for (const uint64_t record : records) keys.emplace_back(record);
  const std::vector<Bytes> asked(keys.begin(), keys.end());
  for (const size_t count : {asked.size(), size_t{1}, asked.size()}) {
    size_t shown = 0;
    bool right = true;
    const Answer got = session.multi_get(
        std::span(asked).first(count), [&](size_t index, const Bytes* value) {
          const bool there = records[index] < kRecords;
          right = right && index == shown && (value != nullptr) == there &&
                  (!there || *value == value_of(records[index], 2));
          ++shown;
        });
    AETHER_TRY(expect(got == Answer::ok && right && shown == count,
                      "multi_get of " + std::to_string(count) + " keys", session));
  }
  return {};
}

Result<void> check_transactions(Session& session) {
  std::string value;
  const Key key(1);
  AETHER_TRY(expect(session.begin() == Answer::ok, "begin", session));
  AETHER_TRY(expect(session.txn_get(key, value) == Answer::ok && value == value_of(1, 2), "txn_get",
                    session));
  AETHER_TRY(expect(session.txn_put(key, value_of(1, 3)) == Answer::ok, "txn_put", session));
  AETHER_TRY(expect(session.txn_get(key, value) == Answer::ok && value == value_of(1, 3),
                    "txn_get of an own write", session));
  session.abort();
  AETHER_TRY(expect(session.get(key, value) == Answer::ok && value == value_of(1, 2),
                    "get after an abort", session));
  AETHER_TRY(expect(session.begin() == Answer::ok, "begin", session));
  AETHER_TRY(expect(session.txn_put(key, value_of(1, 4)) == Answer::ok, "txn_put", session));
  AETHER_TRY(expect(session.commit() == Answer::ok, "commit", session));
  AETHER_TRY(expect(session.get(key, value) == Answer::ok && value == value_of(1, 4),
                    "get after a commit", session));
  return expect(session.put(key, value_of(1, 2)) == Answer::ok, "put", session);
}

Result<void> commit_beside_a_snapshot(Session& other, const Key& key, bool transactions) {
  std::string value;
  if (!transactions) {
    return expect(other.put(key, value_of(3, 9)) == Answer::ok, "put beside a snapshot", other);
  }
  AETHER_TRY(expect(other.begin() == Answer::ok, "begin beside a snapshot", other));
  AETHER_TRY(expect(other.txn_get(key, value) == Answer::ok, "txn_get beside a snapshot", other));
  AETHER_TRY(
      expect(other.txn_put(key, value_of(3, 9)) == Answer::ok, "txn_put beside a snapshot", other));
  return expect(other.commit() == Answer::ok, "commit beside a snapshot", other);
}

/// A snapshot does not see what another session commits after its begin. `other` is on the same engine.
Result<void> check_snapshots(Session& session, Session& other, bool transactions) {
  std::string value;
  const Key key(3);
  AETHER_TRY(expect(session.begin_snapshot() == Answer::ok, "begin_snapshot", session));
  AETHER_TRY(expect(session.snapshot_get(Key(4), value) == Answer::ok && value == value_of(4, 2),
                    "snapshot_get", session));
  AETHER_TRY(commit_beside_a_snapshot(other, key, transactions));
  AETHER_TRY(expect(session.snapshot_get(key, value) == Answer::ok && value == value_of(3, 2),
                    "snapshot_get of a row that was committed later", session));
  session.end_snapshot();
  AETHER_TRY(expect(session.get(key, value) == Answer::ok && value == value_of(3, 9),
                    "get after the snapshot", session));
  return expect(session.put(key, value_of(3, 2)) == Answer::ok, "put after the snapshot", session);
}

/// From an open to a close. `first`: the store is empty.
Result<void> check_life(const EngineKind& kind, const EngineConfig& config, bool first) {
  const std::unique_ptr<Engine> engine = kind.make();
  AETHER_TRY(engine->open(config));
  {
    AETHER_TRY_ASSIGN(const std::unique_ptr<Session> session, engine->session());
    if (first) AETHER_TRY(check_points(*session));
    AETHER_TRY(check_sizes(*session, kind.value_bytes_max));
    AETHER_TRY(check_scans(*session));
    AETHER_TRY(expect(session->put(Key(1), value_of(1, 2)) == Answer::ok, "put", *session));
    AETHER_TRY(check_batches(*session));
    if (config.transactions) AETHER_TRY(check_transactions(*session));
    AETHER_TRY_ASSIGN(const std::unique_ptr<Session> other, engine->session());
    AETHER_TRY(check_snapshots(*session, *other, config.transactions));
  }
  AETHER_TRY(engine->settle());
  return engine->close();
}

}  // namespace

Result<void> check_engine(const EngineKind& kind, const std::string& dir) {
  EngineConfig config;
  config.dir = dir;
  config.pool_bytes = 16 * MiB;
  config.transactions = true;
  config.snapshots = true;
  config.writes = true;
  config.transactions = kind.leaves_out(config).empty();
  AETHER_TRY(check_life(kind, config, true));
  // What was put before the close is there after it.
  EngineConfig durable = config;
  durable.sync_commits = true;
  durable.sync_commits = kind.leaves_out(durable).empty();
  AETHER_TRY(check_life(kind, durable, false));
  EngineConfig large = config;
  large.larger_than_memory = true;
  large.larger_than_memory = kind.leaves_out(large).empty();
  AETHER_TRY(check_life(kind, large, false));
  EngineConfig logged = config;
  logged.keep_log = true;
  return check_life(kind, logged, false);
}

}  // namespace aether::bench
