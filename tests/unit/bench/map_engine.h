/// An engine in a std::map, for tests of the harness: it counts what it is asked, and lies when it is told to.
///
/// Threads  Sessions of one engine may run in parallel.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "bench/peers/engine.h"

namespace aether::bench {

struct MapStore {
  std::mutex mutex;
  std::map<std::string, std::string, std::less<>> rows;
  std::atomic<uint64_t> gets{0};
  std::atomic<uint64_t> puts{0};
  std::atomic<uint64_t> scans{0};
  std::atomic<uint64_t> scanned{0};
  std::atomic<uint64_t> batches{0};
  std::atomic<bool> lies{false};  ///< Batches show a wrong value last.
};

class MapSession final : public Session {
 public:
  explicit MapSession(MapStore& store) : store_(store) {}

  Answer get(Bytes key, std::string& value) override {
    ++store_.gets;
    return visit(key, [&value](Bytes found) { value.assign(found); });
  }
  Answer visit(Bytes key, FunctionRef<void(Bytes value)> visitor) override {
    const std::lock_guard lock(store_.mutex);
    const auto found = store_.rows.find(key);
    if (found == store_.rows.end()) return Answer::not_found;
    visitor(found->second);
    return Answer::ok;
  }
  Answer multi_get(std::span<const Bytes> keys, BatchVisitor visitor) override {
    ++store_.batches;
    if (!store_.lies) return Session::multi_get(keys, visitor);
    const Bytes wrong = "not the value";
    const Answer answer = Session::multi_get(keys.first(keys.size() - 1), visitor);
    visitor(keys.size() - 1, &wrong);
    return answer;
  }
  Answer put(Bytes key, Bytes value) override {
    ++store_.puts;
    const std::lock_guard lock(store_.mutex);
    store_.rows.insert_or_assign(std::string(key), std::string(value));
    return Answer::ok;
  }
  Answer remove(Bytes key) override {
    const std::lock_guard lock(store_.mutex);
    store_.rows.erase(std::string(key));
    return Answer::ok;
  }
  Answer scan(Bytes from, bool, uint32_t limit,
              FunctionRef<void(Bytes key, Bytes value)> visitor) override {
    ++store_.scans;
    const std::lock_guard lock(store_.mutex);
    auto row = store_.rows.lower_bound(from);
    for (uint32_t n = 0; n < limit && row != store_.rows.end(); ++n, ++row) {
      visitor(row->first, row->second);
      ++store_.scanned;
    }
    return Answer::ok;
  }
  Answer begin() override { return fail("no transactions"); }
  Answer txn_get(Bytes, std::string&) override { return fail("no transactions"); }
  Answer txn_put(Bytes, Bytes) override { return fail("no transactions"); }
  Answer commit() override { return fail("no transactions"); }
  void abort() override {}
  Answer begin_snapshot() override { return Answer::ok; }
  Answer snapshot_get(Bytes key, std::string& value) override { return get(key, value); }
  void end_snapshot() override {}

 private:
  MapStore& store_;
};

class MapEngine final : public Engine {
 public:
  Result<void> open(const EngineConfig&) override { return {}; }
  Result<void> close() override { return {}; }
  Result<std::unique_ptr<Session>> session() override {
    return std::unique_ptr<Session>(std::make_unique<MapSession>(store));
  }
  Result<void> settle() override { return {}; }
  std::string version() const override { return "1"; }
  std::string describe() const override { return "a map"; }

  MapStore store;
};

}  // namespace aether::bench
