// Rows: every call of KvStore, alone and inside transactions, with the keys and values a hostile user would choose.
// Cursors and scans are in cursor_test.cpp; what many threads do at once is in tests/property.
#include <sys/mman.h>

#include <functional>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "index/btree/btree.h"
#include "integration/contract_fixture.h"
#include "page/overflow_page.h"

namespace aether::contract {
namespace {

class Kv : public testing::TestWithParam<uint32_t>, public Place {
 protected:
  void SetUp() override {
    options = small_options(GetParam());
    ASSERT_TRUE(ok(open()));
  }
  size_t longest_key() const { return GetParam() / 4; }
};

INSTANTIATE_TEST_SUITE_P(Pages, Kv, testing::Values(4096u, 16384u),
                         testing::PrintToStringParamName());

/// The calls with and without a transaction look the same from here.
struct Calls {
  KvStore store;
  Transaction* txn = nullptr;

  Result<void> put(Bytes k, Bytes v) { return txn ? store.put(*txn, k, v) : store.put(k, v); }
  Result<void> insert(Bytes k, Bytes v) {
    return txn ? store.insert(*txn, k, v) : store.insert(k, v);
  }
  Result<void> update(Bytes k, Bytes v) {
    return txn ? store.update(*txn, k, v) : store.update(k, v);
  }
  Result<void> remove(Bytes k) { return txn ? store.remove(*txn, k) : store.remove(k); }
  Result<std::string> get(Bytes k) { return txn ? store.get(*txn, k) : store.get(k); }
  Result<void> visit(Bytes k, FunctionRef<void(Bytes)> f) {
    return txn ? store.visit(*txn, k, f) : store.visit(k, f);
  }
};

// --- single rows -----------------------------------------------------------------------------------------

/// Values of every size class, through all calls: in the page and outside.
void check_all_calls(Calls rows, const std::string& first, const std::string& second) {
  EXPECT_TRUE(fails(rows.get("k"), Code::not_found));
  EXPECT_TRUE(fails(rows.visit("k", [](Bytes) { FAIL(); }), Code::not_found));
  EXPECT_TRUE(fails(rows.update("k", first), Code::not_found));
  EXPECT_TRUE(fails(rows.remove("k"), Code::not_found));
  ASSERT_TRUE(ok(rows.insert("k", first)));
  EXPECT_TRUE(fails(rows.insert("k", second), Code::exists));
  EXPECT_EQ(rows.get("k").value(), first);
  ASSERT_TRUE(ok(rows.update("k", second)));
  EXPECT_EQ(rows.get("k").value(), second);
  ASSERT_TRUE(ok(rows.put("k", first)));
  int visits = 0;
  ASSERT_TRUE(ok(rows.visit("k", [&](Bytes value) { visits += value == first ? 1 : 100; })));
  EXPECT_EQ(visits, 1);
  ASSERT_TRUE(ok(rows.remove("k")));
  EXPECT_TRUE(fails(rows.remove("k"), Code::not_found));
  EXPECT_TRUE(fails(rows.update("k", first), Code::not_found));
  EXPECT_TRUE(fails(rows.get("k"), Code::not_found));
  ASSERT_TRUE(ok(rows.insert("k", second)));
  ASSERT_TRUE(ok(rows.remove("k")));
  ASSERT_TRUE(ok(rows.put("k", second)));
  EXPECT_EQ(rows.get("k").value(), second);
  ASSERT_TRUE(ok(rows.remove("k")));
}

TEST_P(Kv, EachCallAnswersAsItSays) {
  const std::string small = "small";
  const std::string large(5 * GetParam(), 'L');
  const std::string* pairs[][2] = {
      {&small, &small}, {&small, &large}, {&large, &small}, {&large, &large}};
  for (const auto& pair : pairs) {
    check_all_calls({store()}, *pair[0], *pair[1]);
    Transaction txn = begin();
    check_all_calls({store(), &txn}, *pair[0], *pair[1]);
    ASSERT_TRUE(ok(txn.commit()));
  }
  EXPECT_TRUE(whole());
}

TEST_P(Kv, GetIntoABufferReplacesItAndAMissChangesNothing) {
  ASSERT_TRUE(ok(store().put("k", "v")));
  ASSERT_TRUE(ok(store().put("large", std::string(100000, 'L'))));
  std::string buffer = "before";
  EXPECT_TRUE(fails(store().get("absent", buffer), Code::not_found));
  EXPECT_EQ(buffer, "before");
  EXPECT_TRUE(ok(store().get("large", buffer)));
  EXPECT_EQ(buffer, std::string(100000, 'L'));
  EXPECT_TRUE(ok(store().get("k", buffer)));
  EXPECT_EQ(buffer, "v");
}

// --- keys ------------------------------------------------------------------------------------------------

TEST_P(Kv, TheEmptyKeyIsAKeyAndTheFirst) {
  check_all_calls({store()}, "a", "b");
  ASSERT_TRUE(ok(store().insert("", "empty")));
  EXPECT_TRUE(fails(store().insert("", "again"), Code::exists));
  ASSERT_TRUE(ok(store().put(std::string(1, '\0'), "zero")));
  EXPECT_EQ(store().get("").value(), "empty");
  Cursor cursor = store().cursor();
  ASSERT_TRUE(answers(cursor.first(), true));
  EXPECT_EQ(cursor.key(), "");
  ASSERT_TRUE(answers(cursor.next(), true));
  EXPECT_EQ(cursor.key(), Bytes("\0", 1));
  ASSERT_TRUE(ok(store().remove("")));
  EXPECT_TRUE(fails(store().get(""), Code::not_found));
}

TEST_P(Kv, KeysAreAnyBytesInUnsignedOrder) {
  std::vector<std::string> keys;  // In order.
  for (int byte = 0; byte < 256; byte += 3) {
    const std::string one(1, static_cast<char>(byte));
    keys.push_back(one);
    keys.push_back(one + std::string(1, '\0'));
    keys.push_back(one + std::string(2, '\0'));
    keys.push_back(one + "\xff");
    keys.push_back(one + std::string(longest_key() - 1, '\xff'));
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string&
        key = keys[i * 7 % keys.size()];  // 7 and their number have no common divisor.
    ASSERT_TRUE(ok(store().insert(key, "value of " + key)));
  }
  size_t at = 0;
  ASSERT_TRUE(ok(store().scan({}, [&](Bytes key, Bytes value) {
    EXPECT_EQ(key, keys[at]);
    EXPECT_EQ(value, "value of " + keys[at]);
    return ++at < keys.size();
  })));
  EXPECT_EQ(at, keys.size());
  for (const std::string& key : keys) ASSERT_EQ(store().get(key).value(), "value of " + key);
  EXPECT_TRUE(whole());
}

TEST_P(Kv, AKeyOneByteTooLongIsRefusedByWritesAndFoundByNobody) {
  const std::string longest(longest_key(), 'k');
  const std::string over(longest_key() + 1, 'k');
  ASSERT_TRUE(ok(store().put(longest, "v")));
  const std::string says = "the longest is " + std::to_string(longest_key());
  EXPECT_TRUE(fails(store().put(over, "v"), Code::too_large, says));
  EXPECT_TRUE(fails(store().insert(over, "v"), Code::too_large, says));
  EXPECT_TRUE(fails(store().update(over, "v"), Code::too_large, says));
  EXPECT_TRUE(fails(store().remove(over), Code::too_large, says));
  EXPECT_TRUE(fails(store().get(over), Code::not_found));
  EXPECT_TRUE(fails(store().visit(over, [](Bytes) { FAIL(); }), Code::not_found));
  Transaction txn = begin();
  EXPECT_TRUE(fails(store().put(txn, over, "v"), Code::too_large, says));
  EXPECT_TRUE(ok(store().put(txn, longest, "w")));
  ASSERT_TRUE(ok(txn.commit()));
  EXPECT_EQ(store().get(longest).value(), "w");
  // As a place to look it is as good as any.
  const std::string huge(10 * GetParam(), 'k');
  Cursor cursor = store().cursor();
  EXPECT_TRUE(answers(cursor.seek(huge), false));
  ASSERT_TRUE(answers(cursor.seek_for_prev(huge), true));
  EXPECT_EQ(cursor.key(), longest);
}

// --- values ----------------------------------------------------------------------------------------------

/// Sizes on both sides of each border: none, in the page, one page outside, several, one extent, several.
std::vector<uint64_t> border_sizes(uint32_t page_bytes, size_t key_bytes) {
  const uint64_t inline_max = index::BTree::inline_value_max(page_bytes, key_bytes);
  const uint64_t payload = page::overflow_payload_bytes(page_bytes);
  const uint64_t extent = MiB / page_bytes * payload;
  std::vector<uint64_t> sizes;
  for (const uint64_t border : {uint64_t{8}, inline_max, payload, 2 * payload, extent, 2 * extent})
    for (uint64_t size = border - 1; size <= border + 1; ++size) sizes.push_back(size);
  sizes.insert(sizes.end(), {0, 1, 64 * KiB, 64 * KiB + 1});
  return sizes;
}

/// No two positions of it look alike.
std::string pattern(uint64_t size, uint64_t seed) {
  std::string value(size, '\0');
  for (uint64_t i = 0; i < size; ++i)
    value[i] = static_cast<char>((i * 0x9e3779b97f4a7c15 + seed) >> 56);
  return value;
}

TEST_P(Kv, ValuesOfEverySizeAroundEveryBorder) {
  for (const size_t key_bytes : {size_t{3}, longest_key()}) {
    const std::string key(key_bytes, 'k');
    for (const uint64_t size : border_sizes(GetParam(), key_bytes)) {
      SCOPED_TRACE("value of " + std::to_string(size) + ", key of " + std::to_string(key_bytes));
      const std::string value = pattern(size, key_bytes);
      ASSERT_TRUE(ok(store().put(key, value)));
      EXPECT_TRUE(store().get(key).value() == value);
      Transaction txn = begin();
      ASSERT_TRUE(ok(store().put(txn, "in a transaction", value)));
      EXPECT_TRUE(store().get(txn, "in a transaction").value() == value);
      ASSERT_TRUE(ok(txn.commit()));
    }
  }
  ASSERT_TRUE(ok(env->close()));
  ASSERT_TRUE(ok(open()));
  EXPECT_TRUE(store().get("in a transaction").value() == pattern(64 * KiB + 1, longest_key()));
  EXPECT_TRUE(whole());
}

// Goal:   a row goes from the page to the outside and back, committed or taken back, and leaks no page.
TEST_P(Kv, AnUpdateMayCrossTheBorderBothWays) {
  const std::string values[] = {"", "small", pattern(GetParam() / 3, 1), pattern(3 * GetParam(), 2),
                                pattern(2 * MiB + 5, 3)};
  ASSERT_TRUE(ok(store().put("k", values[0])));
  const std::string* current = &values[0];
  for (const std::string& before : values) {
    for (const std::string& after : values) {
      ASSERT_TRUE(ok(store().update("k", before)));
      current = &before;
      for (const bool commits : {false, true}) {
        Transaction txn = begin();
        ASSERT_TRUE(ok(store().update(txn, "k", after)));
        EXPECT_TRUE(store().get(txn, "k").value() == after);
        ASSERT_TRUE(ok(commits ? txn.commit() : txn.abort()));
        if (commits) current = &after;
        EXPECT_TRUE(store().get("k").value() == *current);
      }
    }
  }
  ASSERT_TRUE(ok(store().remove("k")));
  EXPECT_TRUE(whole());
}

TEST_P(Kv, AValueOf64MiBGoesInAndOut) {
  options.log_bytes_max = 64 * MiB;
  const std::string value = pattern(64 * MiB, 5);
  ASSERT_TRUE(ok(store().put("large", value)));
  EXPECT_TRUE(store().get("large").value() == value);
  ASSERT_TRUE(ok(env->close()));
  ASSERT_TRUE(ok(open()));
  EXPECT_TRUE(store().get("large").value() == value);
  ASSERT_TRUE(ok(store().update("large", "small now")));
  EXPECT_EQ(store().get("large").value(), "small now");
  EXPECT_TRUE(whole());
  EXPECT_GT(env->stats().data_pages_free, 60 * MiB / GetParam());
}

TEST_P(Kv, AValueBeyond1GiBIsTooLarge) {
  constexpr size_t kBytes = kMaxValueBytes + 1;
  void* memory = ::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                        0);
  ASSERT_NE(memory, MAP_FAILED);
  const Bytes value(static_cast<const char*>(memory), kBytes);
  EXPECT_TRUE(fails(store().put("k", value), Code::too_large, "1 GiB"));
  EXPECT_TRUE(fails(store().get("k"), Code::not_found));
  ::munmap(memory, kBytes);
}

// --- transactions ----------------------------------------------------------------------------------------

TEST_P(Kv, ATransactionSeesItsOwnWrites) {
  ASSERT_TRUE(ok(store().put("changed", "before")));
  ASSERT_TRUE(ok(store().put("removed", "before")));
  Transaction txn = begin();
  ASSERT_TRUE(ok(store().put(txn, "changed", "after")));
  ASSERT_TRUE(ok(store().remove(txn, "removed")));
  ASSERT_TRUE(ok(store().insert(txn, "added", "after")));
  EXPECT_EQ(store().get(txn, "changed").value(), "after");
  EXPECT_TRUE(fails(store().get(txn, "removed"), Code::not_found));
  EXPECT_EQ(store().get(txn, "added").value(), "after");
  EXPECT_TRUE(fails(store().insert(txn, "added", "x"), Code::exists));
  EXPECT_TRUE(fails(store().update(txn, "removed", "x"), Code::not_found));
  std::string keys;
  ASSERT_TRUE(ok(store().scan(txn, {}, [&](Bytes key, Bytes) {
    keys.append(key).append(" ");
    return true;
  })));
  EXPECT_EQ(keys, "added changed ");
  ASSERT_TRUE(ok(txn.abort()));
  EXPECT_EQ(store().get("changed").value(), "before");
  EXPECT_EQ(store().get("removed").value(), "before");
  EXPECT_TRUE(fails(store().get("added"), Code::not_found));
}

TEST_P(Kv, TwoTransactionsOnOneRowConflictUntilTheFirstEnds) {
  ASSERT_TRUE(ok(store().put("row", "0")));
  for (const bool commits : {true, false}) {
    Transaction first = begin();
    Result<Transaction> lenient = env->begin({.isolation = Isolation::read_committed});
    ASSERT_TRUE(ok(lenient));
    Transaction second = *std::move(lenient);
    ASSERT_TRUE(ok(store().put(first, "row", "1")));
    ASSERT_TRUE(ok(store().insert(first, "new", "1")));
    ASSERT_TRUE(ok(store().put(second, "elsewhere", commits ? "1" : "0")));
    EXPECT_TRUE(fails(store().put(second, "row", "2"), Code::conflict, "abort and retry"));
    EXPECT_TRUE(fails(store().update(second, "row", "2"), Code::conflict));
    EXPECT_TRUE(fails(store().remove(second, "row"), Code::conflict));
    EXPECT_TRUE(fails(store().insert(second, "new", "2"), Code::conflict));
    EXPECT_TRUE(fails(store().put("row", "3"), Code::conflict));
    EXPECT_TRUE(fails(store().put("row", std::string(100000, '3')), Code::conflict));
    EXPECT_TRUE(second.active()) << "a conflict ends the call, not the transaction";
    ASSERT_TRUE(ok(commits ? first.commit() : first.abort()));
    EXPECT_TRUE(ok(store().put(second, "row", "2")));
    EXPECT_TRUE(ok(store().put(second, "new", "2")));
    ASSERT_TRUE(ok(second.commit()));
    EXPECT_EQ(store().get("row").value(), "2");
    ASSERT_TRUE(ok(store().remove("new")));
  }
  EXPECT_EQ(store().get("elsewhere").value(), "0");
  EXPECT_TRUE(whole());
}

// Goal:   a row that an open transaction removed is still its own: nobody else can make it again.
TEST_P(Kv, ARemovedRowStaysLockedUntilTheEnd) {
  ASSERT_TRUE(ok(store().put("row", "v")));
  Transaction first = begin();
  ASSERT_TRUE(ok(store().remove(first, "row")));
  EXPECT_TRUE(fails(store().insert("row", "w"), Code::conflict));
  EXPECT_TRUE(fails(store().remove("row"), Code::conflict));
  ASSERT_TRUE(ok(store().insert(first, "row", "mine")));
  ASSERT_TRUE(ok(store().remove(first, "row")));
  ASSERT_TRUE(ok(first.commit()));
  EXPECT_TRUE(ok(store().insert("row", "w")));
}

TEST_P(Kv, AfterItsEndATransactionIsClosed) {
  ASSERT_TRUE(ok(store().put("k", "v")));
  for (const bool commits : {true, false}) {
    Transaction txn = begin();
    ASSERT_TRUE(ok(store().put(txn, "k", "v")));
    EXPECT_TRUE(txn.active());
    ASSERT_TRUE(ok(commits ? txn.commit() : txn.abort()));
    EXPECT_FALSE(txn.active());
    EXPECT_TRUE(fails(txn.commit(), Code::closed, "begin another"));
    EXPECT_TRUE(fails(txn.abort(), Code::closed));
    EXPECT_TRUE(fails(txn.commit_async(), Code::closed));
    Calls rows{store(), &txn};
    EXPECT_TRUE(fails(rows.put("k", "w"), Code::closed));
    EXPECT_TRUE(fails(rows.insert("n", "w"), Code::closed));
    EXPECT_TRUE(fails(rows.update("k", "w"), Code::closed));
    EXPECT_TRUE(fails(rows.remove("k"), Code::closed));
    EXPECT_TRUE(fails(rows.get("k"), Code::closed));
    EXPECT_TRUE(fails(rows.visit("k", [](Bytes) { FAIL(); }), Code::closed));
    EXPECT_TRUE(fails(store().scan(txn, {}, [](Bytes, Bytes) { return true; }), Code::closed));
    EXPECT_TRUE(fails(store().cursor(txn).first(), Code::closed));
  }
  EXPECT_EQ(store().get("k").value(), "v");
}

TEST_P(Kv, ADroppedTransactionIsAbortedAlsoByAssignment) {
  ASSERT_TRUE(ok(store().put("k", "v")));
  {
    Transaction dropped = begin();
    ASSERT_TRUE(ok(store().put(dropped, "k", "w")));
  }
  EXPECT_EQ(store().get("k").value(), "v");
  Transaction txn = begin();
  ASSERT_TRUE(ok(store().put(txn, "k", "w")));
  txn = begin();
  EXPECT_EQ(store().get("k").value(), "v");
  EXPECT_TRUE(ok(store().put(txn, "k", "x")));
  EXPECT_TRUE(ok(txn.commit()));
  EXPECT_EQ(store().get("k").value(), "x");
}

// Goal:   what has been moved away is closed. Above all, a write through it is not made a transaction of its own.
TEST_P(Kv, AMovedFromTransactionIsClosed) {
  Transaction txn = begin();
  ASSERT_TRUE(ok(store().put(txn, "k", "v")));
  Transaction there = std::move(txn);
  EXPECT_FALSE(txn.active());  // NOLINT(bugprone-use-after-move): that is what is tested.
  EXPECT_EQ(txn.id(), 0u);
  EXPECT_TRUE(fails(store().put(txn, "other", "v"), Code::closed));
  EXPECT_TRUE(fails(store().remove(txn, "k"), Code::closed));
  EXPECT_TRUE(fails(store().get(txn, "k"), Code::closed));
  EXPECT_TRUE(fails(store().cursor(txn).first(), Code::closed));
  EXPECT_TRUE(fails(txn.commit(), Code::closed));
  EXPECT_TRUE(fails(txn.commit_async(), Code::closed));
  EXPECT_TRUE(fails(txn.abort(), Code::closed));
  EXPECT_TRUE(fails(store().get("other"), Code::not_found));
  ASSERT_TRUE(ok(there.commit()));
  EXPECT_EQ(store().get("k").value(), "v");
}

TEST_P(Kv, ATransactionOfAnotherEnvironmentIsRefused) {
  Place other;
  ASSERT_TRUE(ok(other.open()));
  Transaction foreign = other.begin();
  Calls rows{store(), &foreign};
  constexpr Code kNo = Code::invalid_argument;
  EXPECT_TRUE(fails(rows.put("k", "v"), kNo, other.home));
  EXPECT_TRUE(fails(rows.remove("k"), kNo, home));
  EXPECT_TRUE(fails(rows.get("k"), kNo));
  EXPECT_TRUE(fails(store().scan(foreign, {}, [](Bytes, Bytes) { return true; }), kNo));
  EXPECT_TRUE(fails(store().cursor(foreign).first(), kNo));
  EXPECT_TRUE(ok(other.store().put(foreign, "k", "v")));
  EXPECT_TRUE(ok(foreign.commit()));
  EXPECT_TRUE(fails(store().get("k"), Code::not_found));
}

TEST_P(Kv, AReadOnlyTransactionDoesNotWrite) {
  ASSERT_TRUE(ok(store().put("k", "v")));
  Transaction txn = begin({.read_only = true});
  Calls rows{store(), &txn};
  EXPECT_TRUE(fails(rows.put("k", "w"), Code::invalid_argument, "read-only"));
  EXPECT_TRUE(fails(rows.insert("n", "w"), Code::invalid_argument));
  EXPECT_TRUE(fails(rows.update("k", "w"), Code::invalid_argument));
  EXPECT_TRUE(fails(rows.remove("k"), Code::invalid_argument));
  EXPECT_EQ(rows.get("k").value(), "v");
  EXPECT_TRUE(ok(txn.commit()));
  EXPECT_EQ(store().get("k").value(), "v");
}

TEST_P(Kv, OneTransactionSpansStores) {
  KvStore a = store("a");
  KvStore b = store("b");
  for (const bool commits : {false, true}) {
    Transaction txn = begin();
    ASSERT_TRUE(ok(a.put(txn, "k", "of a")));
    ASSERT_TRUE(ok(b.put(txn, "k", std::string(50000, 'b'))));
    ASSERT_TRUE(ok(commits ? txn.commit() : txn.abort()));
    EXPECT_EQ(a.get("k").has_value(), commits);
    EXPECT_EQ(b.get("k").has_value(), commits);
  }
}

TEST_P(Kv, ATransactionMayGoFromThreadToThread) {
  Transaction txn = begin();
  for (int i = 0; i < 4; ++i) {
    std::thread([&] { EXPECT_TRUE(ok(store().put(txn, key_of(i), "v"))); }).join();
  }
  std::thread([&] { EXPECT_TRUE(ok(txn.commit())); }).join();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(store().get(key_of(i)).value(), "v");
}

// Goal:   a transaction that outgrows its bound fails alone: it can still be aborted, or commit what it has.
TEST_P(Kv, BeyondTransactionBytesMaxItFailsAlone) {
  options.transaction_bytes_max = 64 * KiB;
  ASSERT_TRUE(ok(open()));
  const std::string before(500, 'b');
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(ok(store().put(key_of(i), before)));
  for (const bool commits : {false, true}) {
    Transaction txn = begin();
    Transaction neighbour = begin();
    int written = 0;
    Result<void> put;
    while (written < 1000 && (put = store().put(txn, key_of(written), "a"))) ++written;
    EXPECT_TRUE(fails(put, Code::too_large, "transaction_bytes_max (65536 bytes)"));
    EXPECT_GT(written, 50);
    EXPECT_TRUE(txn.active());
    EXPECT_TRUE(fails(store().put(txn, key_of(written), std::string(50000, 'L')), Code::too_large));
    EXPECT_TRUE(ok(store().put(neighbour, "neighbour", "v")));
    EXPECT_TRUE(ok(store().put("alone", "v")));
    ASSERT_TRUE(ok(commits ? txn.commit() : txn.abort()));
    EXPECT_TRUE(ok(neighbour.commit()));
    EXPECT_EQ(store().get(key_of(0)).value(), commits ? "a" : before);
    EXPECT_EQ(store().get(key_of(written)).value(), before);
  }
  EXPECT_EQ(env->stats().state, "open");
  EXPECT_TRUE(whole());
}

TEST_P(Kv, TooManyOpenTransactionsAreBusyUntilOneEnds) {
  KvStore rows = store();
  std::vector<Transaction> open_ones;
  Result<Transaction> begun = env->begin();
  uint64_t last = 0;
  for (; begun && open_ones.size() < 100000; begun = env->begin()) {
    EXPECT_GT(begun->id(), last);
    last = begun->id();
    open_ones.push_back(*std::move(begun));
  }
  EXPECT_TRUE(fails(begun, Code::busy, "end some"));
  EXPECT_GE(open_ones.size(), 4000u);
  EXPECT_TRUE(ok(rows.put("alone", "v"))) << "a single small row needs no place among them";
  EXPECT_TRUE(ok(rows.put(open_ones[0], "k", "v")));
  ASSERT_TRUE(ok(open_ones[0].commit()));
  EXPECT_TRUE(ok(env->begin()));
  EXPECT_EQ(rows.get("k").value(), "v");
}

}  // namespace
}  // namespace aether::contract
