/// A lock manager with transactions, and one that asks for a lock on a thread of its own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "os/sync.h"
#include "txn/lock_manager.h"

namespace aether::txn::testing_support {

constexpr uint64_t kLong = 60'000'000'000;  // A wait that only a defect lets end by itself.

struct LockFixture {
  LockManager manager;
  std::map<TxnId, LockSet> sets;

  explicit LockFixture(const LockOptions& options = {}) : manager(options) {}
  LockSet& operator[](TxnId id) { return sets.try_emplace(id, manager, id).first->second; }

  Code ask(TxnId id, const LockName& name, LockMode mode, uint64_t timeout_ns = 0) {
    return code_of(manager.acquire((*this)[id], name, mode, timeout_ns));
  }
  bool take(TxnId id, const LockName& name, LockMode mode) { return ask(id, name, mode) == kOk; }
  void release(TxnId id) { manager.release_all((*this)[id]); }

  /// "IX" etc., or "" if it has none; " (waits for X)" appended if it does.
  std::string mode_of(TxnId id, const LockName& name) const {
    const LockSnapshot now = manager.snapshot();
    std::string text;
    for (const LockInfo& info : now.holders) {
      if (info.txn == id && same(info.name.view(), name)) text = to_string(info.mode);
    }
    for (const LockInfo& info : now.waiters) {
      if (info.txn == id) text += std::string(" (waits for ") + to_string(info.mode) + ")";
    }
    return text;
  }
  bool waits(TxnId id) const {
    for (const LockInfo& info : manager.snapshot().waiters) {
      if (info.txn == id) return true;
    }
    return false;
  }

  static constexpr Code kOk{};
  static Code code_of(const Result<void>& result) {
    return result.has_value() ? kOk : result.error().code();
  }
  static bool same(const LockName& a, const LockName& b) {
    return a.level == b.level && a.store == b.store && a.begin == b.begin && a.end == b.end;
  }
};

/// One request, on a thread of its own.
class Asking {
 public:
  Asking(LockFixture& fixture, TxnId id, const LockName& name, LockMode mode,
         uint64_t timeout_ns = kLong)
      : fixture_(fixture), id_(id), name_(name) {
    LockSet& set = fixture[id];
    thread_ = std::thread([this, &set, mode, timeout_ns] {
      result_.emplace(fixture_.manager.acquire(set, name_.view(), mode, timeout_ns));
      done_.store(true);
    });
  }
  ~Asking() {
    if (thread_.joinable()) thread_.join();
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

  /// Returns once it waits. False: it was answered instead.
  bool blocks() {
    os::Backoff backoff;
    while (!done_.load()) {
      if (fixture_.waits(id_)) return true;
      backoff.wait();
    }
    return false;
  }
  Code code() { return LockFixture::code_of(result()); }
  const Result<void>& result() {
    if (thread_.joinable()) thread_.join();
    return *result_;
  }

 private:
  LockFixture& fixture_;
  const TxnId id_;
  const OwnedLockName name_;
  std::optional<Result<void>> result_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

inline LockName key(std::string_view bytes, StoreId store = 1) {
  return LockName::key(store, bytes);
}
inline LockName range(std::string_view begin, std::string_view end, StoreId store = 1) {
  return LockName::range(store, begin, end);
}

}  // namespace aether::txn::testing_support
