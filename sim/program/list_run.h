/// Short lists of operations on a small environment, and every state that a crash can leave of them: before each step, every
/// subset of the sectors, sizes and names that are not durable (of at most 8 groups of them).
///
/// Source    Mohan et al.: "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI 2018: nearly all
///           known bugs of file systems need at most three operations.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aether/env.h"
#include "sim/oracle/checker.h"
#include "sim/oracle/model.h"
#include "sim/sim_os.h"

namespace aether::program {

enum class ListOperation : uint8_t {
  put,
  replace_large,  ///< A large value by another.
  remove,
  split,  ///< Rows enough for a second leaf.
  merge,  ///< And gone again.
  savepoint,
  rollback_to,
  commit,
  abort,
  checkpoint,
  make_store,
  drop_store,
  prepare,
  commit_prepared,
  rollback_prepared,
};
inline constexpr size_t kListOperations = static_cast<size_t>(ListOperation::rollback_prepared) + 1;
const char* to_string(ListOperation operation) noexcept;

struct ListPlan {
  std::vector<ListOperation> operations;
  bool alone =
      false;  ///< Each write is its own transaction; else they share one, which is committed at the end.
  uint32_t streams = 1;
};
std::string to_text(const ListPlan& plan);

struct ListCounts {
  uint64_t lists = 0;
  uint64_t moments = 0;
  uint64_t states = 0;       ///< Subsets that were made.
  uint64_t recoveries = 0;   ///< Of these, such as no other was like.
  uint64_t in_recovery = 0;  ///< Of these, left by a crash in a recovery.
};

class ListRun {
 public:
  /// `base`: a machine with the environment that every list starts from; make_base makes it.
  /// `in_recovery`: each recovery is crashed too, before each of its steps, with nothing and with all of what is unsynced.
  ListRun(const ListPlan& plan, sim::SimOs& base, const oracle::State& rows, ListCounts& counts,
          bool in_recovery = false);
  static std::unique_ptr<sim::SimOs> make_base(uint32_t streams, oracle::State& rows);
  /// Empty: no breach.
  std::string run();

 private:
  void act(ListOperation operation);
  void write(oracle::Writes writes);
  void apply(const oracle::Writes& writes, Transaction* txn);
  Transaction* current();
  void end(bool commits);
  void at_moment(const sim::Step& step);
  bool is_new(sim::SimOs& os);
  std::string check(sim::SimOs& os, bool crashes_it);
  std::string crash_recovery(sim::SimOs& os, const sim::Step& step);
  void expect(const Result<void>& result, const char* call);

  const ListPlan plan_;
  ListCounts& counts_;
  const bool in_recovery_;
  std::unique_ptr<sim::SimOs> os_;
  oracle::Model model_;
  oracle::State live_;
  std::unique_ptr<DbEnv> env_;
  std::optional<Transaction> txn_;
  std::optional<Savepoint> savepoint_;
  oracle::Writes writes_, at_savepoint_;
  std::string gid_;
  oracle::Writes prepared_;
  uint64_t stamp_ = 1000;
  uint64_t acknowledged_ = 0;
  std::set<std::pair<uint64_t, uint64_t>> seen_;
  std::string problem_;
};

}  // namespace aether::program
