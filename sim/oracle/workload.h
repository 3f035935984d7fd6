/// A seeded run of an environment: rows put and removed alone, in batches and in transactions, savepoints, two-phase
/// commit, stores made, loaded and dropped, checkpoints, clean closes. Keeps the model up to date, and compares every
/// answer with it.
///
/// Calls come from three threads, one at a time, so that every log stream is used and the order is still the
/// seed's. Up to three transactions are open beside each other; rows of an open or prepared one are locked: whoever else
/// wants them must get `conflict`.
///
/// Every operation has dice of its own, from the seed and its number: one that is left out changes those after it only by
/// what it would have done.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aether/env.h"
#include "os/os.h"
#include "sim/alloc_faults.h"
#include "sim/oracle/model.h"
#include "sim/oracle/profile.h"
#include "sim/random.h"

namespace aether::oracle {

class Workload {
 public:
  Workload(const Profile& profile, Model& model, os::Os& os);
  ~Workload() { let_go(); }
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  /// False: the environment does not open. `problem` says why.
  bool open();
  void run(size_t operations);
  /// The one of that number. Nothing, once there was a problem.
  void run_one(uint64_t number);

  /// Drops the environment as it is; open transactions are taken back. After a crash was taken.
  void let_go();

  DbEnv& env() { return *env_; }
  bool is_open() const { return env_ != nullptr; }
  /// Empty: every answer was as the model says.
  const std::string& problem() const { return problem_; }
  const std::set<Code>& errors_seen() const { return errors_; }
  /// A write has failed for good.
  bool failed() const { return failed_; }
  /// What the last operation was, for messages.
  Operation last() const { return last_; }
  uint64_t last_number() const { return last_number_; }
  /// From now on calls may fail.
  void expect_faults() { faults_ = true; }
  /// And what is read may be damaged.
  void expect_damage() { faults_ = damage_ = true; }
  /// Of the allocations that the engine makes in the calls from now on, or from the next operation `in` on, that one fails;
  /// `sticky`: with all after it, until the operation that it strikes is over.
  void fail_allocation(uint64_t number, bool sticky, std::optional<Operation> in = {});
  /// It has struck the last operation.
  bool allocation_failed() const { return alloc_struck_; }
  uint64_t transactions() const { return transactions_; }
  /// Tells what is done, line by line, to who replays a run.
  void tell(std::function<void(const std::string&)> listener) { listener_ = std::move(listener); }

 private:
  struct Mark {
    Savepoint savepoint;
    Writes writes;
  };
  struct Open {
    std::optional<Transaction> txn;
    Isolation isolation = Isolation::snapshot;
    Writes writes;
    std::vector<Mark> marks;
    std::optional<State> seen;      ///< What its snapshot shows; none: read committed.
    std::set<Place> changed;        ///< By others, since its snapshot.
    bool others_committed = false;  ///< Since it began.
  };

  // Dice.
  std::string pick_key();
  std::string key_of(uint64_t number) const;
  uint64_t next_stamp() { return ++stamp_ << 20 | (profile_.seed & 0xfffff); }
  /// `old`: what the row holds now, if there is one. Half of the updates change its stamp only.
  IndexKind kind_of(const std::string& store) const;
  /// How it is made: of a store of runs, small ones, by the seed's policy, codec and filter.
  StoreOptions options_of(const std::string& store) const;
  Value pick_value(const Value* old, const std::string& store);
  const Value* row_of(const Writes& own, const Place& place) const;
  std::string pick_store();
  Operation pick_operation();
  Open* pick_open(bool active);

  void say(const std::string& line) const {
    if (listener_) listener_(line);
  }
  std::string name_of(const Open& open) const;

  /// A call of the engine: allocations that are to fail are those in here.
  template <typename Engine>
  static auto ask(Engine engine) {
    const sim::alloc_faults::Call call;
    return engine();
  }

  // Answers.
  void expect(bool right, const std::string& what);
  template <typename T>
  bool went_well(const Result<T>& result, const char* call);
  template <typename T>
  void answered(const Result<T>& result, const char* call, Fate fate, const Writes& writes);
  bool is_fair_conflict(const Open& open, const Error& error) const;
  Fate fate_of(Durability durability) const;
  void note_failure();

  // Operations.
  void operate();
  void write_alone();
  void write_batch();
  struct Victims {
    std::string begin = {};
    std::string end = {};
    Writes writes = {};          ///< What their removal leaves.
    bool any_of_others = false;  ///< One is another transaction's: conflict.
  };
  Victims pick_range(const std::string& store, const Open* open);
  void remove_range();
  void remove_range_alone(KvStore& store, const Victims& victims);
  void remove_range_inside(KvStore& store, Open& open, const Victims& victims);
  Result<void> put(KvStore& store, Transaction* txn, const std::string& key, const Value& value,
                   bool present);
  void begin();
  void note_changed(const Writes& writes);
  void write_inside();
  bool write_row(Open& open);
  /// The log has grown by log_bytes_max since the transaction's first write.
  template <typename T>
  bool is_too_long(const Result<T>& answer) const {
    return profile_.outgrows_log && !answer && answer.error().code() == Code::too_large;
  }
  void savepoint();
  void rollback_to();
  void release();
  void end();
  void commit(Open& open);
  void commit_async(Open& open);
  void take_back(Open& open, bool says_so);
  void forget(Open& open);
  bool any_open() const;
  void prepare();
  void decide();
  void commit_prepared(const std::string& gid);
  void roll_back_prepared(const std::string& gid);
  void settle(const std::string& gid);
  void make_store();
  void bulk_load(const std::string& name);
  void drop_store();
  void checkpoint();
  void close();

  // Reading.
  void read();
  void read_range();
  void check_row(const Place& place, const Result<std::string>& got, const Rows& rows);
  void compare();
  void compare_doubts();

  const Profile profile_;
  Model& model_;
  os::Os& os_;
  sim::Random random_;
  std::unique_ptr<DbEnv> env_;
  State live_;
  std::array<Open, 3> open_;
  std::map<std::string, Writes> prepared_;
  std::map<Place, const void*> locked_;  ///< By an Open or by the writes of a prepared one.
  std::set<Code> errors_;
  uint64_t stamp_ = 0;
  uint64_t transactions_ = 0;
  Operation last_ = Operation::read;
  uint64_t last_number_ = 0;
  bool faults_ = false;
  bool damage_ = false;
  bool memory_ = false;  ///< Allocations may fail.
  bool alloc_armed_ = false;
  bool alloc_struck_ = false;
  std::optional<Operation> alloc_in_;
  sim::alloc_faults::Fault alloc_fault_;  ///< To be armed when `alloc_in_` begins.
  bool failed_ = false;
  std::string problem_;
  std::function<void(const std::string&)> listener_;
};

}  // namespace aether::oracle
