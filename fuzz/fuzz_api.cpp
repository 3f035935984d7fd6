// The public interface against std::map: a stream of bytes is a stream of calls. Puts, removes, reads, scans and cursors
// both ways, transactions with savepoints, batches, checkpoints, closes, and power cuts of the simulated disk; every
// answer is the model's. Commits wait for the disk: after a power cut all that was acknowledged is there, and no more.
//
// Opening costs a hundred times what most calls do: one environment lives across inputs, and so does its store with what they
// have left in it, until it is emptied or, every so many inputs, dropped. Reopenings, crashes and checkpoints have to be earned:
// the first ones happen, later ones once in so many inputs.
// An input that fails and passes alone needed those before it: it is replayed with them, in order, as files of one process
// (AETHER_FUZZ_SEQUENCE=DIR keeps those since the environment was new).
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <vector>

#include "aether/batch.h"
#include "aether/env.h"
#include "fuzz/support/input.h"
#include "fuzz/support/target.h"
#include "sim/sim_os.h"

namespace aether::fuzz {
namespace {

constexpr const char* kHome = "/env";
using Rows = std::map<std::string, std::string>;

const EnvOptions kOptions{.pool_bytes = 288 * KiB,
                          .page_bytes = 4 * KiB,
                          .log_streams = 2,
                          .log_segment_bytes = 256 * KiB,
                          .log_bytes_max = 1 * MiB,
                          .io_mode = IoMode::threads,
                          .background_threads = false};

constexpr uint32_t kInputsPerReopening = 64;
constexpr uint32_t kInputsPerCheckpoint = 8;
constexpr uint32_t kReopeningsSaved = 4;
constexpr uint32_t kInputsPerVerify = 32;
constexpr uint32_t kInputsPerStore = 16;
constexpr size_t kRowsKept = 64;  // For the next input; every input compares all of them.
constexpr uint32_t kInputsPerEnvironment = 4096;

/// The environment that lives across inputs.
struct World {
  std::unique_ptr<sim::SimOs> os;
  std::unique_ptr<DbEnv> env;
  Rows committed;       ///< The model: what the store holds.
  uint32_t inputs = 0;  ///< Since it was new.
  uint32_t credit = kReopeningsSaved * kInputsPerReopening;

  void open() {
    auto opened = DbEnv::open(kHome, kOptions, *os);
    FUZZ_REQUIRE_SAYING(opened, std::string(opened.error().message()));
    env = *std::move(opened);
  }
  /// Ready for an input: a new environment now and then, so that what a finding depends on is never more than so many inputs.
  void begin_input() {
    if (env == nullptr || inputs == kInputsPerEnvironment) {
      env.reset();
      os = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 3});
      committed.clear();
      inputs = 0;
      open();
    }
    ++inputs;
    credit = std::min(credit + 1, kReopeningsSaved * kInputsPerReopening);
  }
  bool may_spend(uint32_t cost) {
    if (credit < cost) return false;
    credit -= cost;
    return true;
  }
};

/// Ends with the program: whoever looks for leaks does not see through the words of a RAX.
World& world() {
  static World only;
  return only;
}

class Driver {
 public:
  explicit Driver(Input input) : input_(input) {
    world_.begin_input();
    open_store();
  }
  ~Driver() { end_transaction(); }

  void run() {
    for (int calls = 0; calls < 300 && !input_.empty(); ++calls) step();
    if (txn_) compare();
    end_transaction();
    committed_is_there();
    if (world_.inputs % kInputsPerVerify == 1) {
      const Result<VerifyReport> verified = env()->verify();
      FUZZ_REQUIRE(verified && verified->ok());
    }
    if (world_.inputs % kInputsPerStore == 0) return drop_store();
    if (committed_.size() > kRowsKept) empty_store();
  }

 private:
  Rows& rows() { return txn_ ? inside_ : committed_; }
  DbEnv* env() { return world_.env.get(); }

  void open_store() {
    auto store = env()->open_store("s");
    FUZZ_REQUIRE_SAYING(store, std::string(store.error().message()));
    store_.emplace(*store);
  }

  void empty_store() {
    const Result<uint64_t> removed = store_->remove_range({});
    FUZZ_REQUIRE(removed && *removed == committed_.size());
    committed_.clear();
  }
  void drop_store() {
    store_.reset();
    require(env()->drop_store("s"));
    committed_.clear();
  }

  std::string key() {
    const uint8_t number = input_.byte();
    std::string key(1, static_cast<char>('a' + number % 16));
    if (number % 7 == 0) key.append(300 + number, 'k');
    if (number % 5 != 0) key.push_back(static_cast<char>(input_.byte()));
    return number == 255 ? std::string() : key;
  }
  std::string value() {
    const uint8_t form = input_.byte();
    const size_t bytes = form < 250 ? form * size_t{3} : (form - 249) * size_t{2500};
    return std::string(bytes, static_cast<char>(input_.byte()));
  }

  void step() {
    const uint8_t what = input_.byte() % 20;
    switch (what) {
      case 0:
      case 1:
      case 2: return put();
      case 3: return insert_or_update();
      case 4:
      case 5: return remove();
      case 6: return get();
      case 7: return begin();
      case 8: return commit();
      case 9: return abort();
      case 10: return savepoint();
      case 11: return rollback_to();
      case 12: return scan();
      case 13:
      case 14: return move_cursor();
      case 15: return batch();
      case 16: return fill();
      case 17: return checkpoint();
      case 18: return reopen();
      default: return crash();
    }
  }

  void require(const Result<void>& result) {
    FUZZ_REQUIRE_SAYING(result, std::string(result.error().message()));
  }

  void put() {
    const std::string k = key();
    const std::string v = value();
    require(txn_ ? store_->put(*txn_, k, v) : store_->put(k, v));
    rows()[k] = v;
  }
  void insert_or_update() {
    const std::string k = key();
    const std::string v = value();
    const bool there = rows().count(k) != 0;
    const Result<void> inserted = txn_ ? store_->insert(*txn_, k, v) : store_->insert(k, v);
    FUZZ_REQUIRE(there ? !inserted && inserted.error().code() == Code::exists : bool{inserted});
    if (there) require(txn_ ? store_->update(*txn_, k, v) : store_->update(k, v));
    rows()[k] = v;
  }
  void remove() {
    std::string k = key();
    const auto near = rows().lower_bound(k);
    if (near != rows().end()) k = near->first;
    const bool there = rows().erase(k) != 0;
    const Result<void> removed = txn_ ? store_->remove(*txn_, k) : store_->remove(k);
    FUZZ_REQUIRE(there ? bool{removed} : !removed && removed.error().code() == Code::not_found);
  }
  void get() {
    const std::string k = key();
    const Result<std::string> got = txn_ ? store_->get(*txn_, k) : store_->get(k);
    const auto row = rows().find(k);
    if (row == rows().end()) {
      FUZZ_REQUIRE(!got && got.error().code() == Code::not_found);
    } else {
      FUZZ_REQUIRE(got && *got == row->second);
    }
    if (txn_) {  // Others see what was committed.
      const Result<std::string> outside = store_->get(k);
      const auto before = committed_.find(k);
      FUZZ_REQUIRE(outside ? before != committed_.end() && *outside == before->second
                           : before == committed_.end());
    }
  }

  void begin() {
    if (txn_) return;
    const uint8_t form = input_.byte();
    auto txn = env()->begin({.isolation = static_cast<Isolation>(form % 3)});
    FUZZ_REQUIRE(txn);
    cursor_.reset();
    txn_.emplace(*std::move(txn));
    inside_ = committed_;
    savepoints_.clear();
  }
  void commit() {
    if (!txn_) return;
    cursor_.reset();
    require(txn_->commit());
    txn_.reset();
    committed_ = inside_;
  }
  void abort() {
    if (!txn_) return;
    cursor_.reset();
    require(txn_->abort());
    txn_.reset();
  }
  void end_transaction() {
    cursor_.reset();
    txn_.reset();
  }
  void savepoint() {
    if (!txn_ || savepoints_.size() > 20) return;
    auto made = txn_->savepoint();
    FUZZ_REQUIRE(made);
    savepoints_.emplace_back(*made, inside_);
  }
  void rollback_to() {
    if (!txn_ || savepoints_.empty()) return;
    const size_t index = input_.byte() % savepoints_.size();
    require(txn_->rollback_to(savepoints_[index].first));
    inside_ = savepoints_[index].second;
    savepoints_.resize(index + 1);
    if (input_.byte() % 2 == 1) {
      require(txn_->release(savepoints_[index].first));
      savepoints_.resize(index);
    }
  }

  void scan() {
    std::string begin = key();
    std::string end = key();
    const uint8_t form = input_.byte();
    if ((form & 1) != 0) end.clear();
    const Range range{.begin = begin, .end = end, .reverse = (form & 2) != 0};
    std::vector<std::pair<std::string, std::string>> expected;
    for (auto row = rows().lower_bound(begin); row != rows().end(); ++row) {
      if (!end.empty() && row->first >= end) break;
      expected.push_back(*row);
    }
    if (range.reverse) expected = {expected.rbegin(), expected.rend()};
    size_t at = 0;
    const auto visitor = [&](Bytes k, Bytes v) {
      FUZZ_REQUIRE(at < expected.size() && expected[at].first == k && expected[at].second == v);
      ++at;
      return true;
    };
    const Result<uint64_t> visited = txn_ ? store_->scan(*txn_, range, visitor)
                                          : store_->scan(range, visitor);
    FUZZ_REQUIRE(visited && *visited == expected.size() && at == expected.size());
  }

  /// Where the cursor stands must be where the model's would.
  void require_place(const Result<bool>& moved, Rows::const_iterator expected) {
    FUZZ_REQUIRE(moved && *moved == (expected != rows().cend()));
    if (!*moved) {
      place_.reset();
      FUZZ_REQUIRE(!cursor_->positioned());
      return;
    }
    place_ = expected->first;
    FUZZ_REQUIRE(cursor_->positioned() && cursor_->key() == expected->first);
    const Result<Bytes> got = cursor_->value();
    FUZZ_REQUIRE(got && *got == expected->second);
  }
  Rows::const_iterator last() { return rows().empty() ? rows().cend() : std::prev(rows().cend()); }
  Rows::const_iterator before(Rows::const_iterator at) {
    return at == rows().cbegin() ? rows().cend() : std::prev(at);
  }

  void move_cursor() {
    if (!cursor_) {
      cursor_.emplace(txn_ ? store_->cursor(*txn_) : store_->cursor());
      place_.reset();
    }
    const uint8_t form = input_.byte();
    switch (form % 6) {
      case 0: return require_place(cursor_->first(), rows().cbegin());
      case 1: return require_place(cursor_->last(), last());
      case 2: {
        const std::string k = key();
        return require_place(cursor_->seek(k), rows().lower_bound(k));
      }
      case 3: {
        const std::string k = key();
        return require_place(cursor_->seek_for_prev(k), before(rows().upper_bound(k)));
      }
      case 4:
        for (int i = form / 32; i >= 0; --i)
          require_place(cursor_->next(), place_ ? rows().upper_bound(*place_) : rows().cbegin());
        return;
      default:
        for (int i = form / 32; i >= 0; --i)
          require_place(cursor_->prev(), place_ ? before(rows().lower_bound(*place_)) : last());
        return;
    }
  }

  void batch() {
    WriteBatch batch;
    Rows after = rows();
    for (int i = input_.byte() % 6; i >= 0; --i) {
      const std::string k = key();
      const std::string v = value();
      batch.put(*store_, k, v);
      after[k] = v;
    }
    require(txn_ ? txn_->write(batch) : env()->write(batch));
    rows() = after;
  }
  /// Enough rows for splits, or the ghosts for merges: by a batch.
  void fill() {
    const uint8_t form = input_.byte();
    constexpr int kRows = 12;
    const std::string v(form * size_t{2}, 'f');
    WriteBatch batch;
    Rows after = rows();
    for (int i = 0; i < kRows; ++i) {
      const std::string k = std::string(1, static_cast<char>('a' + form % 16)) + "f" +
                            std::to_string(i);
      if ((form & 16) == 0) {
        batch.put(*store_, k, v);
        after[k] = v;
      } else if (after.erase(k) != 0) {
        require(txn_ ? store_->remove(*txn_, k) : store_->remove(k));
      }
    }
    if (!batch.empty()) require(txn_ ? txn_->write(batch) : env()->write(batch));
    rows() = after;
  }

  void checkpoint() {
    if (world_.may_spend(kInputsPerCheckpoint)) require(env()->checkpoint());
  }
  void reopen() {
    if (!world_.may_spend(kInputsPerReopening)) return;
    end_transaction();
    store_.reset();
    require(env()->close());
    world_.env.reset();
    world_.open();
    open_store();
    committed_is_there();
  }
  void crash() {
    const uint8_t form = input_.byte();
    if (!world_.may_spend(kInputsPerReopening)) return;
    auto after = world_.os->crash(
        {.policy = static_cast<sim::CrashPolicy>(form % 4), .seed = form});
    end_transaction();
    store_.reset();
    world_.env.reset();
    world_.os = std::move(after);
    world_.open();
    open_store();
    committed_is_there();
  }

  void compare() {
    size_t at = 0;
    auto row = rows().begin();
    const auto visitor = [&](Bytes k, Bytes v) {
      FUZZ_REQUIRE(row != rows().end() && row->first == k && row->second == v);
      ++row;
      ++at;
      return true;
    };
    const Result<uint64_t> visited = txn_ ? store_->scan(*txn_, {}, visitor)
                                          : store_->scan({}, visitor);
    FUZZ_REQUIRE(visited && at == rows().size());
  }
  void committed_is_there() {
    FUZZ_REQUIRE(!txn_);
    compare();
  }

  Input input_;
  World& world_ = world();
  std::optional<KvStore> store_;
  std::optional<Transaction> txn_;
  std::optional<Cursor> cursor_;
  std::optional<std::string> place_;  ///< The cursor's key.
  Rows& committed_ = world_.committed;
  Rows inside_;  ///< What the open transaction sees.
  std::vector<std::pair<Savepoint, Rows>> savepoints_;
};

/// Keeps the inputs since the environment was new in the directory that AETHER_FUZZ_SEQUENCE names, numbered in order.
void keep(const uint8_t* data, size_t size) {
  static const char* const directory = std::getenv("AETHER_FUZZ_SEQUENCE");
  if (directory == nullptr) return;
  const uint32_t number = world().inputs % kInputsPerEnvironment;
  const std::string path = std::string(directory) + "/" + std::to_string(100'000 + number);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    sim::Random random(seed);
    InputWriter to;
    for (unsigned i = 0; i < 40 * seed; ++i) to.byte(static_cast<unsigned>(random.below(256)));
    all.push_back(to.bytes());
  }
  // begin, savepoint, put, rollback to it, put, commit, crash, reopen.
  all.push_back({7, 1, 10, 0, 1, 2, 9, 3, 11, 0, 0, 0, 2, 1, 100, 5, 8, 19, 2, 18});
  // Rows for a few leaves, a cursor there and back, the rows again removed.
  all.push_back({16, 100, 16, 101, 16, 102, 13, 0, 13, (char)228, 13, (char)229,
                 16, 116, 16, 117, 13, 1,   12, 1, 1,  1,         1,  3});
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether::fuzz;
  keep(data, size);
  Driver(Input(data, size)).run();
  return 0;
}
