#include "ycsb_workers.h"

#include <utility>

#include "engine_worker.h"

namespace aether::bench {
namespace {

constexpr uint32_t kScanLengthMax = 100;

enum class Action : uint8_t { get, update, insert, scan, rewrite };

/// Every mix has one more frequent action and one other.
struct Mix {
  unsigned often_percent = 100;
  Action often = Action::get;
  Action other = Action::get;
  bool latest = false;
};

Mix mix_of(Task task) {
  switch (task) {
    case Task::ycsb_a: return {50, Action::get, Action::update};
    case Task::ycsb_b: return {95, Action::get, Action::update};
    case Task::ycsb_d: return {95, Action::get, Action::insert, true};
    case Task::ycsb_e: return {95, Action::scan, Action::insert};
    case Task::ycsb_f: return {50, Action::get, Action::rewrite};
    default: return {};  // C.
  }
}

class YcsbWorker final : public EngineWorker {
 public:
  YcsbWorker(const Mix& mix, std::unique_ptr<Session> session, const RunOptions& options,
             uint64_t lane, const Zipf& zipf, Inserted& inserted)
      : EngineWorker(std::move(session), options, lane),
        mix_(mix),
        zipf_(zipf),
        inserted_(inserted) {}

  bool step() override {
    switch (rng().below(100) < mix_.often_percent ? mix_.often : mix_.other) {
      case Action::get: return get_and_check(choose());
      case Action::update: return put(choose(), next_version());
      case Action::insert: return insert();
      case Action::scan:
        return scan_from(choose(), false, 1 + static_cast<uint32_t>(rng().below(kScanLengthMax)));
      case Action::rewrite: return rewrite(choose());
    }
    return fail("no such action");
  }

 private:
  uint64_t choose() {
    return mix_.latest ? inserted_.newest(zipf_.draw_rank(rng())) : zipf_.draw(rng());
  }

  bool insert() {
    if (!put(inserted_.next(lane()), 0)) return false;
    inserted_.acknowledge(lane());
    return true;
  }

  bool rewrite(uint64_t record) { return get_and_check(record) && put(record, next_version()); }

  const Mix mix_;
  const Zipf& zipf_;
  Inserted& inserted_;
};

}  // namespace

std::unique_ptr<Worker> make_ycsb_worker(Task task, std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane, const Zipf& zipf,
                                         Inserted& inserted) {
  return std::make_unique<YcsbWorker>(mix_of(task), std::move(session), options, lane, zipf,
                                      inserted);
}

}  // namespace aether::bench
