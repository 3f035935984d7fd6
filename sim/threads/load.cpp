#include "sim/threads/load.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace aether::sim {
namespace {

constexpr const char* kRows = "rows";
constexpr const char* kMarks = "marks";
constexpr uint64_t kRowsAtOnce = 50;

std::string key_of(const char* kind, uint64_t number) { return kind + std::to_string(number); }

/// Long keys make the tree deep.
std::string free_key(uint64_t number) {
  std::string key = key_of("k", number);
  if (number % 5 == 0) key.append(200 + number, 'p');
  return key;
}

/// A transaction that meets another one ends so; no other errors are to be seen.
bool is_meeting(Code code) {
  return code == Code::conflict || code == Code::deadlock || code == Code::timed_out ||
         code == Code::busy;
}

}  // namespace

/// One worker's transactions, one after another.
class Worker {
 public:
  Worker(Load& load, uint32_t number)
      : load_(load),
        history_(load.history_),
        number_(number),
        random_(load.options_.seed * 1000 + number) {}

  void run() {
    for (uint32_t i = 0; i < load_.options_.transactions && load_.problem_.empty(); ++i) {
      const uint64_t dice = random_.below(100);
      if (dice < 6) {
        look();
      } else if (random_.percent(load_.options_.checkpoint_percent)) {
        expect(load_.env_.checkpoint(), "checkpoint");
      } else if (dice < 18) {
        write_alone();
      } else {
        transact();
      }
    }
  }

 private:
  KvStore& rows() { return load_.stores_[0]; }
  KvStore& marks() { return load_.stores_[1]; }

  template <typename T>
  bool expect(const Result<T>& result, const char* call) {
    if (result) return true;
    load_.fail(std::string(call) + ": " + to_string(result.error().code()) + ": " +
               std::string(result.error().message()));
    return false;
  }
  /// False: the transaction has met another, or the run is over.
  template <typename T>
  bool goes_on(const Result<T>& result, const char* call) {
    if (result) return true;
    if (is_meeting(result.error().code())) {
      ++load_.conflicts_;
      return false;
    }
    return expect(result, call);
  }

  size_t pick_bytes() {
    const uint64_t dice = random_.below(100);
    if (dice < 70) return 16 + random_.below(150);
    if (dice < 95) return 16 + random_.below(900);
    return 16 + random_.below(14000);
  }

  // --- one transaction ------------------------------------------------------------------------------

  void transact() {
    Result<Transaction> begun = load_.env_.begin({.isolation = load_.options_.isolation});
    if (!goes_on(begun, "begin")) return;
    Transaction txn = *std::move(begun);
    const uint64_t id = history_.begin(number_);
    const bool done = work(txn, id);
    if (done && !random_.percent(12)) return end(txn, id);
    history_.txn(id).fate = Fate::aborted;
    if (txn.active()) expect(txn.abort(), "abort");
  }

  bool work(Transaction& txn, uint64_t id) {
    const uint64_t dice = random_.below(100);
    const uint64_t transfers = load_.options_.isolation == Isolation::serializable ? 20 : 45;
    bool well = dice < transfers ? transfer(txn, id) : dice < 60 ? flip_pair(txn, id) : true;
    if (well && random_.percent(15)) well = touch_dropped(txn);
    const uint64_t changes = dice < 60 ? random_.below(2)
                                       : 1 + random_.below(random_.percent(10) ? 20 : 4);
    for (uint64_t i = 0; i < changes && well; ++i) well = change_row(txn, id);
    if (well && random_.percent(20)) well = try_and_take_back(txn, id);
    if (well && random_.percent(30)) well = change_row(txn, id);
    if (!well || history_.txn(id).writes.empty()) return false;
    const std::string mark = key_of("m", id);
    return goes_on(marks().insert(txn, mark, encode_row(mark, {id, 0}, 16)), "mark");
  }

  std::optional<RowValue> decode(const std::string& key, const std::string& bytes) {
    const std::optional<RowValue> value = decode_row(key, bytes);
    if (!value) load_.fail("row " + key.substr(0, 12) + " is damaged while running");
    return value;
  }
  /// The row that must be there. Nothing: the transaction does not go on.
  std::optional<RowValue> get(Transaction& txn, uint64_t id, const std::string& key) {
    const bool locks = load_.options_.locks && random_.percent(40);
    const Result<std::string> found = locks ? rows().lock_for_update(txn, key)
                                            : rows().get(txn, key);
    if (!goes_on(found, "get")) return std::nullopt;
    const std::optional<RowValue> value = decode(key, *found);
    if (value) history_.read(id, *value);
    return value;
  }
  bool put(Transaction& txn, uint64_t id, const std::string& key, uint64_t amount) {
    const uint64_t called = history_.tick();
    const std::string bytes = encode_row(key, {id, amount}, pick_bytes());
    if (!goes_on(rows().put(txn, key, bytes), "put")) return false;
    history_.wrote(id, key, false, amount, called);
    return true;
  }

  bool transfer(Transaction& txn, uint64_t id) {
    const uint64_t from = random_.below(kAccounts);
    const std::string source = key_of("a", from);
    const std::string target = key_of("a", (from + 1 + random_.below(kAccounts - 1)) % kAccounts);
    const std::optional<RowValue> has = get(txn, id, source);
    if (!has) return false;
    const std::optional<RowValue> gets = get(txn, id, target);
    if (!gets) return false;
    const uint64_t amount = random_.below(has->amount + 1);
    return put(txn, id, source, has->amount - amount) &&
           put(txn, id, target, gets->amount + amount);
  }

  /// Takes one of two away only while both are there: right alone, wrong beside another that does the same.
  bool flip_pair(Transaction& txn, uint64_t id) {
    const std::string pair = key_of("p", random_.below(kPairs));
    const std::optional<RowValue> left = get(txn, id, pair + "l");
    if (!left) return false;
    const std::optional<RowValue> right = get(txn, id, pair + "r");
    if (!right) return false;
    if (left->amount == 0) return put(txn, id, pair + "l", 1);
    if (right->amount == 0) return put(txn, id, pair + "r", 1);
    return put(txn, id, pair + (random_.percent(50) ? "l" : "r"), 0);
  }

  bool change_row(Transaction& txn, uint64_t id) {
    const std::string key = free_key(random_.below(load_.options_.keys));
    if (random_.percent(70)) return put(txn, id, key, random_.below(1000));
    const uint64_t called = history_.tick();
    const Result<void> removed = rows().remove(txn, key);
    if (!removed && removed.error().code() == Code::not_found) return true;
    if (!goes_on(removed, "remove")) return false;
    history_.wrote(id, key, true, 0, called);
    return true;
  }

  /// Rows that nobody looks at: their store is dropped.
  bool touch_dropped(Transaction& txn) {
    const std::string key = key_of("d", random_.below(50));
    return goes_on(load_.stores_[2].put(txn, key, std::string(pick_bytes(), 'd')), "put");
  }

  bool try_and_take_back(Transaction& txn, uint64_t id) {
    const auto before = history_.txn(id).writes;
    const Result<Savepoint> savepoint = txn.savepoint();
    if (!expect(savepoint, "savepoint")) return false;
    bool well = true;
    for (uint64_t i = 1 + random_.below(3); i > 0 && well; --i) well = change_row(txn, id);
    if (!well && random_.percent(50)) return false;
    if (!load_.problem_.empty()) return false;
    const Result<void> back = txn.rollback_to(*savepoint);
    if (!expect(back, "rollback_to")) return false;
    history_.txn(id).writes = before;
    return true;
  }

  // --- its end --------------------------------------------------------------------------------------

  void end(Transaction& txn, uint64_t id) {
    if (load_.options_.prepares && random_.percent(25)) return prepare(txn, id);
    History::Txn& entry = history_.txn(id);
    entry.commit_call = history_.tick();
    entry.fate = Fate::calling;
    if (random_.percent(15)) {
      const Result<CommitTicket> ticket = txn.commit_async();
      answer(id, ticket, Fate::committed);
      if (ticket) history_.txn(id).ticket = *ticket;
    } else if (random_.percent(10)) {
      History& history = history_;
      const Result<void> called = txn.commit_async([&history, id](Result<void> done) {
        if (done) history.became_durable(id);
      });
      const bool is_durable = called && history_.txn(id).fate == Fate::durable;
      answer(id, called, is_durable ? Fate::durable : Fate::committed);
    } else {
      const bool waits = load_.options_.durability != Durability::none;
      answer(id, txn.commit(), waits ? Fate::durable : Fate::committed);
    }
  }

  template <typename T>
  void answer(uint64_t id, const Result<T>& result, Fate fate) {
    History::Txn& entry = history_.txn(id);
    entry.commit_return = history_.tick();
    entry.fate = goes_on(result, "commit") ? fate : Fate::aborted;
    load_.commits_ += result ? 1 : 0;
  }

  void prepare(Transaction& txn, uint64_t id) {
    const std::string gid = key_of("g", id);
    history_.txn(id).fate = Fate::preparing;
    const Result<PrepareVote> vote = txn.prepare(gid);
    if (!goes_on(vote, "prepare")) {
      history_.txn(id).fate = Fate::aborted;
      if (txn.active()) expect(txn.abort(), "abort");
      return;
    }
    history_.txn(id).fate = Fate::prepared;
    if (random_.percent(40)) look();
    if (random_.percent(30)) {
      history_.txn(id).fate = Fate::rolling_back;
      expect(load_.env_.rollback_prepared(gid), "rollback_prepared");
      history_.txn(id).fate = Fate::aborted;
      return;
    }
    history_.txn(id).commit_call = history_.tick();
    history_.txn(id).fate = Fate::calling;
    answer(id, load_.env_.commit_prepared(gid), Fate::durable);
  }

  // --- alone ----------------------------------------------------------------------------------------

  /// A write without a transaction.
  void write_alone() {
    const std::string key = free_key(random_.below(load_.options_.keys));
    const uint64_t id = history_.begin(number_, false);
    const uint64_t called = history_.tick();
    const bool removes = random_.percent(30);
    const uint64_t amount = random_.below(1000);
    // In the history before it has happened: a crash may come at any step of the call.
    history_.wrote(id, key, removes, amount, called);
    History::Txn& entry = history_.txn(id);
    entry.writes.at(key).last_return = ~uint64_t{0};
    entry.commit_call = called;
    entry.fate = Fate::calling;
    const Result<void> done = removes
                                  ? rows().remove(key)
                                  : rows().put(key, encode_row(key, {id, amount}, pick_bytes()));
    entry.commit_return = history_.tick();
    entry.writes.at(key).last_return = entry.commit_return;
    const bool nothing = !done && removes && done.error().code() == Code::not_found;
    const bool waits = load_.options_.durability != Durability::none;
    entry.fate = nothing || !goes_on(done, "a single write") ? Fate::aborted
                 : waits                                     ? Fate::durable
                                                             : Fate::committed;
  }

  /// A snapshot, read twice.
  void look() {
    History::Moment moment{.before = history_.tick()};
    Result<Transaction> txn = load_.env_.begin(
        {.isolation = load_.options_.isolation, .read_only = random_.percent(60)});
    moment.after = history_.tick();
    if (!goes_on(txn, "begin")) return;
    const Result<FoundState> found = read_found(load_.env_, &*txn);
    if (!goes_on(found, "reading a snapshot")) return;
    if (const std::string problem = history_.check(*found, moment); !problem.empty())
      return load_.fail("while running: " + problem);
    if (random_.percent(50)) {
      const Result<FoundState> again = read_found(load_.env_, &*txn);
      if (goes_on(again, "reading a snapshot again") &&
          (again->rows != found->rows || again->marks != found->marks)) {
        load_.fail("a snapshot shows other rows when it is read again");
      }
    }
    static_cast<void>(goes_on(txn->commit(), "the end of a snapshot"));
  }

  Load& load_;
  History& history_;
  const uint32_t number_;
  Random random_;
};

Result<void> Load::open() {
  for (const char* name : {kRows, kMarks, kDroppedStore}) {
    AETHER_TRY_ASSIGN(const KvStore store, env_.open_store(name));
    stores_.push_back(store);
  }
  const Result<std::string> there = stores_[0].get("a0");
  if (there) return {};
  AETHER_TRY_ASSIGN(Transaction txn,
                    env_.begin({.durability = Durability::group, .env_durability = false}));
  const uint64_t id = history_.begin(~uint32_t{0}, false);
  const auto put = [&](const std::string& key, uint64_t amount) -> Result<void> {
    const uint64_t called = history_.tick();
    AETHER_TRY(stores_[0].put(txn, key, encode_row(key, {id, amount}, 40)));
    history_.wrote(id, key, false, amount, called);
    return {};
  };
  for (uint64_t i = 0; i < kAccounts; ++i)
    AETHER_TRY(put(key_of("a", i), kAccountsSum / kAccounts));
  for (uint64_t i = 0; i < kPairs; ++i) {
    AETHER_TRY(put(key_of("p", i) + "l", 1));
    AETHER_TRY(put(key_of("p", i) + "r", 1));
  }
  AETHER_TRY(txn.commit());
  history_.txn(id).fate = Fate::durable;
  for (uint64_t done = 0; done < options_.rows_at_start; done += kRowsAtOnce)
    AETHER_TRY(fill(done));
  return {};
}

/// Rows of some hundred bytes, in one transaction.
Result<void> Load::fill(uint64_t from) {
  AETHER_TRY_ASSIGN(Transaction txn,
                    env_.begin({.durability = Durability::group, .env_durability = false}));
  const uint64_t id = history_.begin(~uint32_t{0}, false);
  for (uint64_t i = from; i < from + kRowsAtOnce; ++i) {
    const uint64_t called = history_.tick();
    const std::string key = free_key(i);
    AETHER_TRY(stores_[0].put(txn, key, encode_row(key, {id, i}, 300 + i % 300)));
    history_.wrote(id, key, false, i, called);
  }
  AETHER_TRY(txn.commit());
  history_.txn(id).fate = Fate::durable;
  return {};
}

Result<void> Load::check_unlocked() {
  AETHER_TRY_ASSIGN(Transaction txn, env_.begin({.lock_timeout_ms = 0}));
  for (uint64_t i = 0; i < kAccounts; ++i)
    AETHER_TRY(stores_[0].lock(txn, key_of("a", i), LockMode::exclusive));
  return txn.abort();
}

void Load::run_worker(uint32_t worker) { Worker(*this, worker).run(); }

Result<FoundState> read_found(DbEnv& env, Transaction* txn) {
  FoundState found;
  std::optional<Transaction> own;
  if (txn == nullptr) {
    AETHER_TRY_ASSIGN(own, env.begin({.read_only = true}));
    txn = &*own;
  }
  std::string damaged;
  for (const char* name : {kRows, kMarks}) {
    AETHER_TRY_ASSIGN(KvStore store, env.open_store(name));
    const bool is_marks = std::string_view(name) == kMarks;
    AETHER_TRY(store.scan(*txn, {}, [&](Bytes key, Bytes bytes) {
      const std::optional<RowValue> value = decode_row(key, bytes);
      if (!value) damaged = "row " + std::string(key.substr(0, 12)) + " holds bytes nobody wrote";
      if (value && is_marks) found.marks.insert(value->writer);
      if (value && !is_marks) found.rows[std::string(key)] = *value;
      return value.has_value();
    }));
  }
  if (!damaged.empty()) return Error(Code::corruption, damaged);
  return found;
}

}  // namespace aether::sim
