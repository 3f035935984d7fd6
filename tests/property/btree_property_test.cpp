// The store against std::map: one thread, random operations, every page size, real files and simulated ones.
//
// Replay: AETHER_SEED=<seed from the failure> btree_property_test --gtest_filter=<name of the test>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "index/btree/btree.h"
#include "property/world.h"
#include "support/edited_value.h"

namespace aether {
namespace {

using testing_support::base_seed;
using testing_support::kSlowdown;
using testing_support::name_of;
using testing_support::World;

using Model = std::map<std::string, std::string, std::less<>>;

class BTreeProperty : public testing::TestWithParam<std::tuple<uint32_t, bool, IndexKind>> {
 protected:
  BTreeProperty()
      : page_bytes_(std::get<0>(GetParam())),
        seed_(base_seed() * 1000 + page_bytes_ / 4096 * 2 + (std::get<1>(GetParam()) ? 1 : 0)),
        random_(seed_),
        kind_(std::get<2>(GetParam())),
        key_max_(index::BTree::key_bytes_max(page_bytes_)),
        world_(page_bytes_, 72, std::get<1>(GetParam()) ? std::optional(seed_) : std::nullopt) {}

  void SetUp() override {
    world_.open();
    if (!HasFatalFailure()) store_.emplace(world_.store("main", kind_));
  }

  uint64_t pick(uint64_t below) { return random_() % below; }
  bool one_in(uint64_t n) { return pick(n) == 0; }

  // --- keys and values ------------------------------------------------------------------------------

  /// Some 2,000 keys in all, so that most operations meet one that is there. They are built to be awkward: prefixes of
  /// each other, all zeros, all ones, empty, as long as can be.
  std::string make_key() {
    static constexpr char kAlphabet[] = {'\0', '\1', 'a', '\xfe', '\xff'};
    switch (pick(12)) {
      case 0: {
        std::string key(pick(5), '\0');
        for (char& c : key) c = kAlphabet[pick(sizeof kAlphabet)];
        return key;
      }
      case 1: return std::string(pick(40), one_in(2) ? '\xff' : '\0');
      case 2: {
        std::string key(key_max_ - pick(3), kAlphabet[pick(sizeof kAlphabet)]);
        key[key.size() - 1 - pick(2)] = static_cast<char>('0' + pick(8));
        return key;
      }
      case 3: return std::string("prefix/of/each/other/and/longer/still").substr(0, pick(38));
      case 4:
      case 5: {
        const uint64_t number = pick(600);
        return {static_cast<char>(number >> 8), static_cast<char>(number)};
      }
      default: return "user:" + std::to_string(pick(1200)) + (one_in(4) ? ":name" : "");
    }
  }

  std::string make_value(size_t key_bytes) {
    const size_t inline_max = index::BTree::inline_value_max(page_bytes_, key_bytes);
    size_t bytes = pick(60);
    switch (pick(40)) {
      case 0: bytes = 0; break;
      case 1:
      case 2: bytes = inline_max - pick(3); break;
      case 3: bytes = inline_max + 1 + pick(3); break;
      case 4: bytes = page_bytes_ + pick(100); break;
      case 5: bytes = one_in(8) ? pick(uint64_t{20} * page_bytes_) : pick(4 * page_bytes_); break;
      default: break;
    }
    constexpr size_t kMemoryRowMax = 15'000;  // Two rows have to fit into a log record.
    if (kind_ != IndexKind::btree && kind_ != IndexKind::rax_paged)
      bytes = std::min(bytes, kMemoryRowMax);
    std::string value(bytes, '\0');
    uint64_t word = random_();
    for (char& c : value) c = static_cast<char>((word = word * 5 + 17) >> 32);
    return value;
  }

  // --- operations -----------------------------------------------------------------------------------

  /// `run` is what happens to the store, alone or in the open transaction.
  template <typename Alone, typename Inside>
  Result<void> either(Alone alone, Inside inside) {
    return txn_ ? inside(*txn_) : alone();
  }

  void remember(const std::string& key) {
    if (!txn_) return;
    const auto found = model_.find(key);
    before_.emplace_back(key, found == model_.end() ? std::nullopt : std::optional(found->second));
  }

  void expect_code(const Result<void>& result, std::optional<Code> code) {
    if (!code) {
      ASSERT_TRUE(result.has_value()) << result.error().message();
    } else {
      ASSERT_FALSE(result.has_value());
      ASSERT_EQ(result.error().code(), *code) << result.error().message();
    }
  }

  void write_one() {
    const std::string key = make_key();
    const auto row = model_.find(key);
    const bool there = row != model_.end();
    const std::string value = there && one_in(2) ? testing_support::edited(row->second, random_)
                                                 : make_value(key.size());
    const uint64_t kind = pick(10);
    std::optional<Code> expected;
    Result<void> result;
    if (kind < 6) {
      result = either([&] { return store_->put(key, value); },
                      [&](Transaction& txn) { return store_->put(txn, key, value); });
    } else if (kind < 8) {
      if (there) expected = Code::exists;
      result = either([&] { return store_->insert(key, value); },
                      [&](Transaction& txn) { return store_->insert(txn, key, value); });
    } else {
      if (!there) expected = Code::not_found;
      result = either([&] { return store_->update(key, value); },
                      [&](Transaction& txn) { return store_->update(txn, key, value); });
    }
    ASSERT_NO_FATAL_FAILURE(expect_code(result, expected));
    if (expected) return;
    remember(key);
    model_[key] = value;
  }

  void remove_one() {
    const std::string key = make_key();
    const bool there = model_.contains(key);
    const Result<void> result = either([&] { return store_->remove(key); },
                                       [&](Transaction& txn) { return store_->remove(txn, key); });
    ASSERT_NO_FATAL_FAILURE(
        expect_code(result, there ? std::nullopt : std::optional(Code::not_found)));
    if (!there) return;
    remember(key);
    model_.erase(key);
  }

  void read_one() {
    const std::string key = make_key();
    const auto found = model_.find(key);
    std::string got = "untouched";
    const Result<void> result = either(
        [&] { return store_->get(key, got); },
        [&](Transaction& txn) { return store_->get(txn, key, got); });
    std::string seen;
    const auto visitor = [&](Bytes value) { seen = value; };
    const Result<void> visited = either(
        [&] { return store_->visit(key, visitor); },
        [&](Transaction& txn) { return store_->visit(txn, key, visitor); });
    ASSERT_EQ(result.has_value(), found != model_.end());
    ASSERT_EQ(visited.has_value(), found != model_.end());
    if (found == model_.end()) {
      ASSERT_EQ(result.error().code(), Code::not_found) << result.error().message();
      ASSERT_EQ(got, "untouched");
    } else {
      ASSERT_TRUE(got == found->second) << "key of " << key.size() << " bytes";
      ASSERT_TRUE(seen == found->second) << "key of " << key.size() << " bytes";
    }
  }

  void begin_or_end() {
    if (!txn_) {
      Result<Transaction> begun = world_.env->begin();
      ASSERT_TRUE(begun.has_value()) << begun.error().message();
      close_cursor();
      txn_.emplace(*std::move(begun));
      return;
    }
    close_cursor();
    // Whoever is outside may not touch a row that the transaction has written.
    if (!before_.empty()) {
      const Result<void> outside = store_->put(before_[pick(before_.size())].first, "outside");
      ASSERT_FALSE(outside.has_value());
      ASSERT_EQ(outside.error().code(), Code::conflict) << outside.error().message();
    }
    const uint64_t how = pick(4);
    if (how < 2) {
      const Result<void> committed = how == 0 ? txn_->commit() : commit_async();
      ASSERT_TRUE(committed.has_value()) << committed.error().message();
    } else {
      if (how == 2) {
        const Result<void> aborted = txn_->abort();
        ASSERT_TRUE(aborted.has_value()) << aborted.error().message();
      }
      for (; !before_.empty(); before_.pop_back()) {
        auto& [key, value] = before_.back();
        if (value) {
          model_[key] = *std::move(value);
        } else {
          model_.erase(key);
        }
      }
    }
    txn_.reset();
    before_.clear();
  }

  Result<void> commit_async() {
    AETHER_TRY_ASSIGN(const CommitTicket ticket, txn_->commit_async());
    return ticket.wait();
  }

  // --- cursors --------------------------------------------------------------------------------------

  void expect_at(const Result<bool>& moved, Model::const_iterator expected) {
    ASSERT_TRUE(moved.has_value()) << moved.error().message();
    ASSERT_EQ(*moved, expected != model_.end());
    ASSERT_EQ(cursor_->positioned(), *moved);
    at_.reset();
    if (!*moved) return;
    at_ = expected->first;
    ASSERT_TRUE(cursor_->key() == expected->first)
        << "a key of " << cursor_->key().size() << " bytes, not " << expected->first.size();
    const Result<Bytes> value = cursor_->value();
    ASSERT_TRUE(value.has_value()) << value.error().message();
    ASSERT_TRUE(*value == expected->second) << "key of " << expected->first.size() << " bytes";
  }

  void close_cursor() {
    cursor_.reset();
    at_.reset();
  }

  Model::const_iterator before(Model::const_iterator it) const {
    return it == model_.begin() ? model_.end() : std::prev(it);
  }

  /// One movement of a cursor that stays while rows come and go around it.
  void move_cursor() {
    if (!cursor_) cursor_.emplace(txn_ ? store_->cursor(*txn_) : store_->cursor());
    const Model& model = model_;
    switch (pick(12)) {
      case 0: {
        const std::string key = make_key();
        return expect_at(cursor_->seek(key), model.lower_bound(key));
      }
      case 1: {
        const std::string key = make_key();
        return expect_at(cursor_->seek_for_prev(key), before(model.upper_bound(key)));
      }
      case 2: return expect_at(cursor_->first(), model.begin());
      case 3: return expect_at(cursor_->last(), before(model.end()));
      case 4:
      case 5:
      case 6:
      case 7: return expect_at(cursor_->next(), at_ ? model.upper_bound(*at_) : model.begin());
      default:
        return expect_at(cursor_->prev(), before(at_ ? model.lower_bound(*at_) : model.end()));
    }
  }

  void scan_range() {
    std::string begin = make_key();
    std::string end = make_key();
    if (end < begin) std::swap(begin, end);
    std::string storage;
    Range range{.begin = begin, .end = end, .reverse = one_in(2)};
    if (one_in(4)) {
      const bool reverse = range.reverse;
      range = Range::prefix(begin, storage);
      range.reverse = reverse;
    }
    auto from = model_.lower_bound(range.begin);
    auto to = range.end.empty() ? model_.end() : model_.lower_bound(range.end);
    std::vector<Model::const_iterator> expected;
    for (auto it = from; it != to && expected.size() < 300; ++it) expected.push_back(it);
    if (range.reverse) {
      expected.clear();
      for (auto it = to; it != from && expected.size() < 300;) expected.push_back(--it);
    }
    const size_t limit = pick(expected.size() + 1);
    size_t seen = 0;
    bool same = true;
    const auto visitor = [&](Bytes key, Bytes value) {
      same = same && seen < expected.size() && key == expected[seen]->first &&
             value == expected[seen]->second;
      return ++seen < limit && same;
    };
    if (limit == 0) return;
    const Result<uint64_t> visited = txn_ ? store_->scan(*txn_, range, visitor)
                                          : store_->scan(range, visitor);
    ASSERT_TRUE(visited.has_value()) << visited.error().message();
    ASSERT_TRUE(same) << "row " << seen << " of the scan differs";
    ASSERT_EQ(*visited, limit);
  }

  // --- the whole ------------------------------------------------------------------------------------

  void end_all() {
    cursor_.reset();
    at_.reset();
    while (txn_ && !HasFatalFailure()) begin_or_end();
  }

  void reopen() {
    end_all();
    store_.reset();
    ASSERT_NO_FATAL_FAILURE(world_.close());
    ASSERT_NO_FATAL_FAILURE(world_.open());
    store_.emplace(world_.store("main", kind_));
  }

  void step(uint64_t removes_of_100) {
    const uint64_t what = pick(1000);
    if (what < 600) return pick(100) < removes_of_100 ? remove_one() : write_one();
    if (what < 720) return read_one();
    if (what < 900) return move_cursor();
    if (what < 940) return begin_or_end();
    if (what < 990) return scan_range();
    if (what < 998) {
      const Result<void> done = world_.env->checkpoint();
      ASSERT_TRUE(done.has_value()) << done.error().message();
      return;
    }
    reopen();
  }

  void expect_content() {
    auto expected = model_.cbegin();
    bool same = true;
    std::string last;
    const Result<uint64_t> rows = store_->scan({}, [&](Bytes key, Bytes value) {
      last = key.substr(0, 64);
      same = same && expected != model_.cend() && key == expected->first &&
             value == expected->second;
      if (same) ++expected;
      return same;
    });
    ASSERT_TRUE(rows.has_value()) << rows.error().message();
    ASSERT_TRUE(same) << "row " << *rows << " differs: '" << last << "'";
    ASSERT_EQ(*rows, model_.size());
  }

  const uint32_t page_bytes_;
  const uint64_t seed_;
  std::mt19937_64 random_;
  const IndexKind kind_;
  const uint32_t key_max_;
  World world_;
  std::optional<KvStore> store_;
  std::optional<Transaction> txn_;  // Ends before its environment, as do store_ and cursor_.
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
  std::optional<Cursor> cursor_;
  std::optional<std::string> at_;  // Where the cursor stands.
  Model model_;
};

// Goal:   whatever is done, the store holds what a map would hold; growing, shrinking and growing again.
// Method: phases with many and with few removes; every result is compared; verify and compare all at the end.
TEST_P(BTreeProperty, MatchesAMap) {
  SCOPED_TRACE("AETHER_SEED=" + std::to_string(base_seed()));
  const uint64_t steps = 2500 / kSlowdown;
  for (const uint64_t removes : {15u, 75u, 30u}) {
    for (uint64_t i = 0; i < steps; ++i) {
      ASSERT_NO_FATAL_FAILURE(step(removes)) << "step " << i << " with " << removes << " removes";
    }
  }
  end_all();
  ASSERT_NO_FATAL_FAILURE(expect_content());
  world_.verify();
  ASSERT_NO_FATAL_FAILURE(reopen());
  ASSERT_NO_FATAL_FAILURE(expect_content());
  world_.verify();
}

// Goal:   a tree that was filled and emptied gives its pages back, in every order of filling.
// Method: ascending, descending, shuffled; emptied in another order; then the tree is small and the space is free.
TEST_P(BTreeProperty, AnEmptiedTreeGivesItsPagesBack) {
  SCOPED_TRACE("AETHER_SEED=" + std::to_string(base_seed()));
  const uint64_t rows = (page_bytes_ <= 8 * KiB ? 6000 : 12000) / kSlowdown;
  std::vector<uint64_t> order(rows);
  for (uint64_t round = 0; round < 4; ++round) {
    for (uint64_t i = 0; i < rows; ++i) order[i] = round == 1 ? rows - i : i;
    if (round > 1) std::shuffle(order.begin(), order.end(), random_);
    for (const uint64_t i : order) {
      const Result<void> put = store_->put("row" + std::to_string(i * 7919),
                                           std::string(i % 90, 'v'));
      ASSERT_TRUE(put.has_value()) << put.error().message();
    }
    world_.verify();
    if (round != 2) std::shuffle(order.begin(), order.end(), random_);
    for (const uint64_t i : order) {
      const Result<void> removed = store_->remove("row" + std::to_string(i * 7919));
      ASSERT_TRUE(removed.has_value()) << removed.error().message();
    }
    ASSERT_NO_FATAL_FAILURE(expect_content());
    world_.verify();
  }
  const EnvStats stats = world_.env->stats();
  ASSERT_EQ(stats.stores.size(), 1u);
  EXPECT_LE(stats.stores[0].leaf_pages + stats.stores[0].inner_pages, 8u);
}

// Goal:   the longest key goes in, one byte more is refused and changes nothing; so with every page size.
TEST_P(BTreeProperty, TheLongestKeyAndOneByteMore) {
  for (const char fill : {'\0', 'k', '\xff'}) {
    const std::string longest(key_max_, fill);
    const std::string too_long = longest + fill;
    ASSERT_TRUE(store_->put(longest, "there").has_value());
    EXPECT_EQ(store_->put(too_long, "not").error().code(), Code::too_large);
    EXPECT_EQ(store_->get(longest).value(), "there");
    EXPECT_EQ(store_->get(too_long).error().code(), Code::not_found);
  }
  EXPECT_EQ(*store_->scan({}, [](Bytes, Bytes) { return true; }), 3u);
  world_.verify();
}

std::string name_of_case(const testing::TestParamInfo<BTreeProperty::ParamType>& tested) {
  std::string name = std::to_string(std::get<0>(tested.param) / 1024);
  name.append("KiB").append(std::get<1>(tested.param) ? "Simulated" : "Files");
  return name.append(name_of(std::get<2>(tested.param)));
}

INSTANTIATE_TEST_SUITE_P(Pages, BTreeProperty,
                         testing::Combine(testing::Values(4096u, 8192u, 16384u, 32768u, 65536u),
                                          testing::Bool(), testing::Values(IndexKind::btree)),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(RadixPages, BTreeProperty,
                         testing::Combine(testing::Values(4096u), testing::Values(true),
                                          testing::Values(IndexKind::rax_paged)),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(InMemory, BTreeProperty,
                         testing::Combine(testing::Values(4096u), testing::Bool(),
                                          testing::Values(IndexKind::skiplist, IndexKind::rax,
                                                          IndexKind::lsm)),
                         name_of_case);

}  // namespace
}  // namespace aether
