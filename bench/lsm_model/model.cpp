#include "lsm_model/model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "base/assert.h"
#include "lsm/pacing.h"

namespace aether::bench {
namespace {

using namespace lsm;

constexpr uint64_t kSlicesPerNursery = 32;

class Model {
 public:
  explicit Model(const ModelOptions& options)
      : options_(options),
        policy_(make_policy(options.policy).value()),
        random_(options.random_sizes) {
    shape_.nursery_bytes = options.nursery_bytes;
    if (options.overwritten_nurseries > 0) add_run(std::numeric_limits<double>::infinity(), 0);
  }

  ModelFigures run() {
    const uint64_t all = options_.warm_up_flushes + options_.flushes;
    for (uint64_t i = 0; i < all; ++i) {
      if (i == options_.warm_up_flushes) start_counting();
      if (options_.changes_policy && i == all / 2) {
        policy_ = std::move(make_policy(options_.second_policy)).value();
      }
      flush();
    }
    while (options_.is_paced && !merges_.empty()) work_on(*pacer_.next());
    note_rest();
    figures_.runs_at_end = shape_.sorted_runs.size();
    return figures();
  }

 private:
  struct Merge {
    MergeParts parts;
    uint64_t left = 0;
    uint64_t deadline = 0;
  };

  void flush() {
    uint64_t bytes = options_.flush_bytes > 0 ? options_.flush_bytes : options_.nursery_bytes;
    if (options_.random_sizes > 0) {
      bytes = bytes / 2 + std::uniform_int_distribution<uint64_t>(0, bytes)(random_);
      smallest_flush_ = std::min(smallest_flush_, bytes);
    }
    if (options_.is_paced) {
      for (uint64_t left = bytes; left > 0;) {
        const uint64_t slice = std::min(left, options_.nursery_bytes / kSlicesPerNursery);
        accept(slice);
        left -= slice;
      }
    }
    accepted_ += bytes;
    add_run(1, bytes);
    do_plans();
    if (!options_.is_paced) note_rest();
    most_bytes_ = std::max(most_bytes_, shape_.bytes());
    figures_.runs_under_way = std::max<uint64_t>(figures_.runs_under_way,
                                                 shape_.sorted_runs.size());
    figures_.space_amplification = std::max(
        figures_.space_amplification,
        static_cast<double>(shape_.bytes()) / static_cast<double>(live_bytes()));
    figures_.rate_max = std::max(figures_.rate_max, pacer_.rate());
    figures_.merges_max = std::max<uint64_t>(figures_.merges_max, merges_.size());
  }

  void accept(uint64_t slice) {
    pacer_.accept(slice);
    uint64_t done = 0;
    while (const auto due = pacer_.due()) {
      done += due->bytes;
      work_on(*due);
    }
    figures_.work_max = std::max(figures_.work_max,
                                 static_cast<double>(done) / static_cast<double>(slice));
    for (const auto& [id, merge] : merges_) {
      if (merge.deadline < pacer_.accepted()) ++figures_.late;
    }
  }

  void work_on(const MergePacer::Due& due) {
    Merge& merge = merges_.at(due.merge);
    pacer_.worked(due.merge, due.bytes);
    merge.left -= std::min(merge.left, due.bytes);
    if (merge.left > 0) return;
    pacer_.finish(due.merge);
    const MergeParts parts = std::move(merge.parts);
    merges_.erase(due.merge);
    finish(parts);
    do_plans();
  }

  void do_plans() {
    for (;;) {
      // The last first: so the places of the others stay.
      std::vector<PlannedMerge> plan = policy_->plan(shape_);
      if (plan.empty()) return;
      std::sort(plan.begin(), plan.end(),
                [](const PlannedMerge& a, const PlannedMerge& b) { return a.first > b.first; });
      bool has_finished_any = false;
      for (const PlannedMerge& merge : plan) {
        MergeParts parts = split_for_merge(shape_, merge);
        uint64_t size = 0;
        for (uint32_t i = 0; i < merge.count; ++i) {
          SortedRun& run = shape_.sorted_runs[merge.first + i];
          AETHER_ASSERT(!run.busy);
          run.busy = true;
          for (const RunDescription& part : run.parts)
            size += is_in(parts.rewritten, part) ? part.bytes : 0;
        }
        if (!options_.is_paced || size == 0) {
          finish(parts);
          has_finished_any = true;
        } else {
          pacer_.start(++last_merge_, size, merge.bytes_until_due);
          merges_[last_merge_] = {std::move(parts), size,
                                  pacer_.accepted() + merge.bytes_until_due};
        }
      }
      if (!has_finished_any) return;
    }
  }

  static bool is_in(const std::vector<uint64_t>& ids, const RunDescription& run) {
    return std::find(ids.begin(), ids.end(), run.id) != ids.end();
  }

  /// Puts the output in the place of the inputs.
  void finish(const MergeParts& parts) {
    SortedRun output;
    double covered = 0;
    uint64_t bytes = 0;
    size_t place = shape_.sorted_runs.size();
    for (size_t i = shape_.sorted_runs.size(); i-- > 0;) {
      SortedRun& run = shape_.sorted_runs[i];
      const bool is_input = std::any_of(run.parts.begin(), run.parts.end(), [&](const auto& part) {
        return is_in(parts.rewritten, part) || is_in(parts.moved, part);
      });
      if (!is_input) continue;
      for (RunDescription& part : run.parts) {
        if (is_in(parts.rewritten, part)) {
          covered += covers_[part.id];
          bytes += part.bytes;
          covers_.erase(part.id);
        } else {
          moved_ += part.bytes;
          output.parts.push_back(std::move(part));
        }
      }
      shape_.sorted_runs.erase(shape_.sorted_runs.begin() + static_cast<ptrdiff_t>(i));
      place = i;
    }
    if (!parts.rewritten.empty()) {
      output.parts.push_back(describe(covered, bytes));
      rewritten_ += output.parts.back().bytes;
    }
    shape_.sorted_runs.insert(shape_.sorted_runs.begin() + static_cast<ptrdiff_t>(place),
                              std::move(output));
  }

  /// A run of what `covered` nurseries wrote; of `bytes` where no key is written twice.
  RunDescription describe(double covered, uint64_t bytes) {
    RunDescription run;
    run.id = ++last_run_;
    run.bytes = bytes;
    if (options_.overwritten_nurseries > 0) {
      const auto keys = static_cast<double>(options_.overwritten_nurseries);
      run.bytes = static_cast<uint64_t>(std::lround(static_cast<double>(options_.nursery_bytes) *
                                                    keys * (1 - std::pow(1 - 1 / keys, covered))));
    }
    run.entries = run.bytes;
    run.smallest_key = options_.are_keys_in_order ? ordered_key(last_run_) : "a";
    run.largest_key = options_.are_keys_in_order ? run.smallest_key : "z";
    covers_[run.id] = covered;
    return run;
  }

  static std::string ordered_key(uint64_t number) {
    std::string key = std::to_string(number);
    return std::string(20 - key.size(), '0') + key;
  }

  void add_run(double covered, uint64_t bytes) {
    SortedRun run;
    run.parts.push_back(describe(covered, bytes));
    if (covered == 1) flushed_ += run.parts[0].bytes;
    shape_.sorted_runs.push_back(std::move(run));
  }

  uint64_t live_bytes() const {
    return options_.overwritten_nurseries > 0
               ? options_.overwritten_nurseries * options_.nursery_bytes
               : shape_.bytes();
  }

  void note_rest() {
    figures_.runs_at_rest = std::max<uint64_t>(figures_.runs_at_rest, shape_.sorted_runs.size());
  }

  void start_counting() {
    accepted_ = flushed_ = rewritten_ = moved_ = 0;
    figures_ = {};
  }

  ModelFigures figures() {
    const auto accepted = static_cast<double>(accepted_);
    figures_.rewritten = static_cast<double>(rewritten_) / accepted;
    figures_.moved = static_cast<double>(moved_) / accepted;
    figures_.write_amplification = 1 + static_cast<double>(flushed_) / accepted +
                                   figures_.rewritten;
    figures_.bounds = policy_->bounds(most_bytes_, smallest_flush_);
    return figures_;
  }

  const ModelOptions& options_;
  std::unique_ptr<MergePolicy> policy_;
  MergePacer pacer_;
  Shape shape_;
  std::map<uint64_t, Merge> merges_;
  std::map<uint64_t, double> covers_;  // Run id -> how many flushes' keys are in it.
  std::mt19937_64 random_;
  uint64_t smallest_flush_ = options_.nursery_bytes;
  uint64_t last_run_ = 0;
  uint64_t last_merge_ = 0;
  uint64_t accepted_ = 0;
  uint64_t flushed_ = 0;
  uint64_t rewritten_ = 0;
  uint64_t moved_ = 0;
  uint64_t most_bytes_ = 0;
  ModelFigures figures_;
};

}  // namespace

ModelFigures run_model(const ModelOptions& options) { return Model(options).run(); }

}  // namespace aether::bench
