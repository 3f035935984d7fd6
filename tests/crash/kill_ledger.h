// What the writers of a process that is about to be killed leave to those who look afterwards: shared memory, which
// survives the process, says for each group of rows which write was acknowledged last and which was tried last.
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

#include "support/killed_child.h"
#include "support/stamped_value.h"

namespace aether::crash {

inline constexpr uint64_t kWriters = 4;
inline constexpr uint64_t kGroups = 96;  ///< A writer's own; each is written by one transaction.
inline constexpr uint64_t kRowsOfGroup = 6;
inline constexpr uint64_t kSingles = 160;  ///< Rows that are written alone.
inline constexpr uint64_t kRelaxed = 24;   ///< Rows written in turn, without waiting for the disk.
inline constexpr uint64_t kAccounts = 12;  ///< Shared by all writers.
inline constexpr uint64_t kOpeningBalance = 1000;
inline constexpr std::array<const char*, 3> kStores = {"alpha", "beta", "gamma"};

/// A row, or rows that are written together. Stamps of a writer only grow.
struct Entry {
  std::atomic<uint64_t> acknowledged{0};  ///< The last write whose commit returned. 0: none yet.
  std::atomic<uint64_t> tried{0};         ///< The last write whose commit was called.
};

struct WriterLedger {
  std::array<Entry, kGroups> groups;
  std::array<Entry, kSingles> singles;
  Entry relaxed;  ///< One sequence over all relaxed rows: number n went to row n % kRelaxed.
  std::atomic<uint64_t> next_stamp{1};
};

struct Ledger {
  std::array<WriterLedger, kWriters> writers;
  std::array<std::atomic<uint64_t>, kAccounts> account_moves{};  ///< Acknowledged, per account.
  std::atomic<uint64_t> acknowledgements{0};
  std::atomic<uint64_t> aborts{0};
  std::atomic<uint64_t> resident_pages{0};  ///< Of the child, as of a moment ago.
  std::atomic<uint64_t> backups_begun{
      0};  ///< Numbers are given one by one, also over several lives.
  std::atomic<uint64_t> backups_done{0};  ///< The last number whose backup was answered.
  testing_support::LastWords error{};     ///< Why a child ended by itself.
};

/// Memory that a forked child shares with its parent.
class SharedLedger {
 public:
  SharedLedger() {
    memory_ = ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0);
    ledger_ = memory_ == MAP_FAILED ? nullptr : new (memory_) Ledger();
  }
  ~SharedLedger() {
    if (ledger_ != nullptr) ::munmap(memory_, sizeof(Ledger));
  }
  SharedLedger(const SharedLedger&) = delete;
  SharedLedger& operator=(const SharedLedger&) = delete;
  Ledger* get() const noexcept { return ledger_; }

 private:
  void* memory_ = nullptr;
  Ledger* ledger_ = nullptr;
};

// --- what a stamp means --------------------------------------------------------------------------------

/// Every ninth write of a group or a single row removes it.
inline bool is_removal(uint64_t stamp) noexcept {
  return stamp == 0 || testing_support::scramble(stamp) % 9 == 0;
}

/// One value in 50 is too large for its page.
inline std::string value_of(std::string_view key, uint64_t stamp) {
  const uint64_t chance = testing_support::scramble(stamp ^ 0x5bd1e995);
  const size_t bytes = chance % 50 == 0 ? 5000 + chance / 64 % 30000 : 16 + chance / 64 % 400;
  return testing_support::stamped_value(key, stamp, bytes);
}

inline std::string group_key(uint64_t writer, uint64_t group, uint64_t row) {
  // Groups of all writers lie mixed, so that they meet in pages.
  return "group/" + std::to_string(testing_support::scramble(group * 8 + row) % 1000) + "/" +
         std::to_string(writer) + "/" + std::to_string(group) + "/" + std::to_string(row);
}
inline std::string single_key(uint64_t writer, uint64_t row) {
  return "single/" + std::to_string(row) + "/" + std::to_string(writer);
}
inline std::string relaxed_key(uint64_t writer, uint64_t row) {
  return "relaxed/" + std::to_string(row) + "/" + std::to_string(writer);
}
inline std::string account_key(uint64_t account) { return "account/" + std::to_string(account); }
inline std::string lock_key(uint64_t account) { return "lock/" + std::to_string(account); }

/// Balance, and how often it was moved.
struct Account {
  uint64_t balance = 0;
  uint64_t moves = 0;
};

inline std::string account_value(Account account) {
  return {reinterpret_cast<const char*>(&account), sizeof account};
}
inline bool parse_account(std::string_view value, Account& account) noexcept {
  if (value.size() != sizeof account) return false;
  std::memcpy(&account, value.data(), sizeof account);
  return true;
}

}  // namespace aether::crash
