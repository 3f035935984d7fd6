/// The work budget: how much merging is due after so many accepted bytes, and which merge is next.
///
/// A merge of `size` bytes to read that must have ended `until_due` accepted bytes from now reserves size / until_due bytes of work for each
/// byte that comes in before its deadline. What is owed is the sum of the reservations; it is paid to the merge whose
/// deadline is nearest. Who pays does not matter: the insert itself, or a thread that runs ahead.
///
///     accepted ->  0        100       200       300       400
///     merge A      |---- 100 read in 200 ----|                       reserves 0.5 a byte
///     merge B                |---------- 600 read in 300 ----------| reserves 2 a byte
///     owed a byte    0.5     |   2.5          |       2            |
///
/// Every merge ends in time: if each got its own reservation they all would, and work that is paid to the nearest deadline
/// first is never later (Liu, Layland 1973, for one processor whose speed varies). So no write waits for a merge, and the work for
/// one of b bytes is at most b times `rate()` rounded up, and one slice.
///
/// What is ended before its deadline keeps its reservation until then, because others may count on that work; only when
/// nothing is left to do are all of them dropped.
///
/// Threads   One at a time: the store's merge latch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace aether::lsm {

class MergePacer {
 public:
  struct Due {
    uint64_t merge = 0;
    uint64_t bytes = 0;  ///< To read, at least; above 0.
  };

  /// Registers a merge. `size` may be 0; `until_due` is above 0.
  void start(uint64_t merge, uint64_t size, uint64_t until_due);
  /// It has been registered, and not ended.
  bool has(uint64_t merge) const noexcept;
  /// So many bytes have been accepted.
  void accept(uint64_t bytes);
  /// What has to be worked off before the next write; empty: nothing.
  std::optional<Due> due() const;
  /// The merge whose deadline is nearest, with all that is left of it: for who works ahead. Empty: there is none.
  std::optional<Due> next() const;
  /// `merge` has read so many bytes more: what was due, more (a step ends with an entry) or less (then it is still due).
  void worked(uint64_t merge, uint64_t bytes);
  /// It has ended, with or without all of its bytes read.
  void finish(uint64_t merge);

  uint64_t accepted() const noexcept { return accepted_; }
  uint64_t under_way() const noexcept { return tasks_.size() - ended_; }
  /// Of what is registered, bytes that are still to be read: the merge debt.
  uint64_t debt() const noexcept;
  /// Bytes of work reserved for each byte accepted now.
  double rate() const noexcept;
  /// True: some merge is past its deadline. A defect, unless work that was due was not done.
  bool is_late() const noexcept;

 private:
  struct Task {
    uint64_t merge = 0;
    uint64_t size = 0;
    uint64_t done = 0;
    uint64_t start = 0;     // Accepted bytes.
    uint64_t deadline = 0;  // Accepted bytes.
    bool has_ended = false;

    uint64_t reserved_until(uint64_t accepted) const noexcept;
  };
  const Task* nearest() const noexcept;
  Task& find(uint64_t merge);
  void drop_what_is_over();

  std::vector<Task> tasks_;  // Some tens. In the order of their deadlines.
  uint64_t ended_ = 0;       // Of those.
  uint64_t accepted_ = 0;
  int64_t owed_ = 0;  // Below 0: somebody has worked ahead.
};

}  // namespace aether::lsm
