// What src/index/concept promises, of every index that models it; one thread.
//
// Replay of a random case: RC_PARAMS="reproduce=<what the failure prints>".
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "conformance/forms.h"

#ifdef AETHER_HAVE_RAPIDCHECK
#include <rapidcheck/gtest.h>
#endif

namespace aether::index {
namespace {

using Model = std::map<std::string, std::string>;
using Rows = std::vector<std::pair<std::string, std::string>>;

template <typename Form>
class IndexConformance : public testing::Test {};
TYPED_TEST_SUITE(IndexConformance, Forms<true>, FormName);

template <typename T>
Rows rows_of(const T& index, const Range& range = {}) {
  Rows rows;
  const Result<uint64_t> count = scan(index, range, [&](Bytes key, Bytes value) {
    rows.emplace_back(key, value);
    return true;
  });
  EXPECT_TRUE(count.has_value()) << count.error().message();
  EXPECT_EQ(count.has_value() ? *count : 0, rows.size());
  return rows;
}

Code code_of(const Result<void>& result) { return result ? Code{} : result.error().code(); }

TYPED_TEST(IndexConformance, WritesAnswerWhetherTheKeyIsThere) {
  TypeParam form;
  auto& index = form.index();
  std::string value = "untouched";
  EXPECT_EQ(code_of(index.get("k", value)), Code::not_found);
  EXPECT_EQ(value, "untouched");
  EXPECT_EQ(code_of(index.update("k", "1")), Code::not_found);
  EXPECT_EQ(code_of(index.remove("k")), Code::not_found);
  EXPECT_EQ(code_of(index.insert("k", "1")), Code{});
  EXPECT_EQ(code_of(index.insert("k", "2")), Code::exists);
  EXPECT_EQ(code_of(index.get("k", value)), Code{});
  EXPECT_EQ(value, "1");
  EXPECT_EQ(code_of(index.update("k", "a longer value than before")), Code{});
  EXPECT_EQ(code_of(index.get("k", value)), Code{});
  EXPECT_EQ(value, "a longer value than before");
  EXPECT_EQ(code_of(index.put("k", "")), Code{});
  EXPECT_EQ(code_of(index.get("k", value)), Code{});
  EXPECT_EQ(value, "");
  EXPECT_EQ(code_of(index.remove("k")), Code{});
  EXPECT_EQ(code_of(index.remove("k")), Code::not_found);
  EXPECT_EQ(code_of(index.visit("k", [](Bytes) { FAIL(); })), Code::not_found);
  EXPECT_EQ(code_of(index.put("k", "again")), Code{});
  int visits = 0;
  EXPECT_EQ(code_of(index.visit("k",
                                [&](Bytes seen) {
                                  ++visits;
                                  EXPECT_EQ(seen, "again");
                                })),
            Code{});
  EXPECT_EQ(visits, 1);
}

// All strings of up to three bytes of {0x00, 'a', 0xff}: each a neighbour or a prefix of others; the empty one too.
std::vector<std::string> awkward_keys() {
  std::vector<std::string> keys{""};
  for (size_t from = 0, length = 1; length <= 3; ++length) {
    const size_t to = keys.size();
    for (; from < to; ++from) {
      for (const char byte : {'\0', 'a', '\xff'}) keys.push_back(keys[from] + byte);
    }
  }
  return keys;
}

TYPED_TEST(IndexConformance, KeysAreUnsignedBytesInOrder) {
  TypeParam form;
  auto& index = form.index();
  Model model;
  for (const std::string& key : awkward_keys()) {
    ASSERT_TRUE(index.insert(key, "v" + key).has_value());
    model[key] = "v" + key;
    ASSERT_EQ(rows_of(index), Rows(model.begin(), model.end()));
  }
  Rows backwards(model.rbegin(), model.rend());
  EXPECT_EQ(rows_of(index, {.begin = {}, .end = {}, .reverse = true}), backwards);
  // Taken away in another order than they came in.
  std::vector<std::string> keys = awkward_keys();
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string& key = keys[i * 7 % keys.size()];
    ASSERT_TRUE(index.remove(key).has_value());
    model.erase(key);
    ASSERT_EQ(rows_of(index), Rows(model.begin(), model.end()));
  }
}

/// Where `op` goes from `key`, in the model.
Model::const_iterator expected_place(const Model& model, SeekOp op, const std::string& key) {
  const auto before = [&](Model::const_iterator at) {
    return at == model.begin() ? model.end() : std::prev(at);
  };
  switch (op) {
    case SeekOp::equal: return model.find(key);
    case SeekOp::greater: return model.upper_bound(key);
    case SeekOp::at_least: return model.lower_bound(key);
    case SeekOp::less: return before(model.lower_bound(key));
    case SeekOp::at_most: return before(model.upper_bound(key));
    case SeekOp::first: return model.begin();
    case SeekOp::last: return before(model.end());
    case SeekOp::longest_prefix: break;
  }
  for (size_t length = key.size() + 1; length-- > 0;) {
    if (const auto found = model.find(key.substr(0, length)); found != model.end()) return found;
  }
  return model.end();
}

constexpr std::array kOps = {SeekOp::equal, SeekOp::greater,       SeekOp::at_least,
                             SeekOp::less,  SeekOp::at_most,       SeekOp::first,
                             SeekOp::last,  SeekOp::longest_prefix};

template <typename Cursor>
void expect_at(const Model& model, Model::const_iterator place, Cursor& cursor,
               const Result<bool>& moved) {
  ASSERT_TRUE(moved.has_value()) << moved.error().message();
  ASSERT_EQ(*moved, place != model.end());
  ASSERT_EQ(cursor.positioned(), *moved);
  if (!*moved) {
    EXPECT_FALSE(cursor.value().has_value());
    return;
  }
  ASSERT_EQ(cursor.key(), place->first);
  const Result<Bytes> value = cursor.value();
  ASSERT_TRUE(value.has_value()) << value.error().message();
  ASSERT_EQ(*value, place->second);
}

TYPED_TEST(IndexConformance, EverySeekGoesWhereTheModelSays) {
  TypeParam form;
  auto& index = form.index();
  Model model;
  const std::vector<std::string> keys = awkward_keys();
  for (size_t i = 0; i < keys.size(); i += 3) {
    ASSERT_TRUE(index.put(keys[i], std::to_string(i)).has_value());
    model[keys[i]] = std::to_string(i);
  }
  auto cursor = index.cursor();
  EXPECT_FALSE(cursor.positioned());
  for (const std::string& key : keys) {
    for (const SeekOp op : kOps) {
      SCOPED_TRACE("operator " + std::to_string(static_cast<int>(op)) + " at " +
                   testing::PrintToString(key));
      auto place = expected_place(model, op, key);
      ASSERT_NO_FATAL_FAILURE(expect_at(model, place, cursor, seek(cursor, op, key)));
      if (place == model.end()) continue;
      const auto before = place == model.begin() ? model.end() : std::prev(place);
      ASSERT_NO_FATAL_FAILURE(expect_at(model, before, cursor, cursor.prev()));
      if (before ==
          model.end()) {  // Before the first is nowhere, and from nowhere next is the first.
        ASSERT_NO_FATAL_FAILURE(expect_at(model, model.begin(), cursor, cursor.next()));
        continue;
      }
      ASSERT_NO_FATAL_FAILURE(expect_at(model, place, cursor, cursor.next()));
    }
  }
}

TYPED_TEST(IndexConformance, AnEmptyOneHasNoPlace) {
  TypeParam form;
  auto cursor = form.index().cursor();
  for (const SeekOp op : kOps) {
    const Result<bool> found = seek(cursor, op, "k");
    ASSERT_TRUE(found.has_value());
    EXPECT_FALSE(*found);
  }
  EXPECT_FALSE(*cursor.next());
  EXPECT_FALSE(*cursor.prev());
  EXPECT_TRUE(rows_of(form.index()).empty());
}

TYPED_TEST(IndexConformance, RangesAndPrefixesBothWays) {
  TypeParam form;
  auto& index = form.index();
  Model model;
  for (const std::string& key : awkward_keys()) {
    ASSERT_TRUE(index.put(key, key).has_value());
    model[key] = key;
  }
  for (const std::string& begin : awkward_keys()) {
    std::string storage;
    Range prefix = Range::prefix(begin, storage);
    Rows with_prefix;
    for (const auto& row : model) {
      if (row.first.compare(0, begin.size(), begin) == 0) with_prefix.push_back(row);
    }
    ASSERT_EQ(rows_of(index, prefix), with_prefix) << testing::PrintToString(begin);
    prefix.reverse = true;
    ASSERT_EQ(rows_of(index, prefix), Rows(with_prefix.rbegin(), with_prefix.rend()));
    for (const std::string& end : awkward_keys()) {
      Rows inside;
      for (const auto& row : model) {
        if (row.first >= begin && (end.empty() || row.first < end)) inside.push_back(row);
      }
      ASSERT_EQ(rows_of(index, {.begin = begin, .end = end}), inside);
    }
  }
}

TYPED_TEST(IndexConformance, KeysUpToTheBoundAndNotBeyond) {
  TypeParam form;
  auto& index = form.index();
  const std::string longest(TypeParam::kKeyBytesMax, '\xff');
  const std::string shorter = longest.substr(1);
  const std::string large_value(TypeParam::kValueBytes, 'v');
  ASSERT_TRUE(index.put(longest, "longest").has_value());
  ASSERT_TRUE(index.put(shorter, large_value).has_value());
  EXPECT_EQ(rows_of(index), (Rows{{shorter, large_value}, {longest, "longest"}}));
  const Result<void> refused = index.put(std::string((64 << 10) + 1, 'k'), "v");
  ASSERT_EQ(code_of(refused), Code::too_large);
  EXPECT_NE(refused.error().message(), "too_large") << "the message names the bound";
  std::string value;
  ASSERT_TRUE(index.get(shorter, value).has_value());
  EXPECT_EQ(value, large_value);
  ASSERT_TRUE(index.remove(shorter).has_value());
  EXPECT_EQ(rows_of(index), (Rows{{longest, "longest"}}));
}

// A cursor whose row changes or goes under it.
TYPED_TEST(IndexConformance, ACursorStandsWhateverOthersChange) {
  TypeParam form;
  auto& index = form.index();
  for (const char* key : {"a", "c", "e", "g"}) ASSERT_TRUE(index.put(key, key).has_value());
  auto cursor = index.cursor();
  ASSERT_TRUE(*cursor.seek("c"));
  ASSERT_TRUE(index.update("c", "changed").has_value());
  EXPECT_EQ(*cursor.value(), "c");
  ASSERT_TRUE(index.remove("c").has_value());
  EXPECT_EQ(cursor.key(), "c");
  EXPECT_EQ(*cursor.value(), "c");
  // What has come since, right behind it and right before it, is there for the next step.
  ASSERT_TRUE(index.put("d", "d").has_value());
  ASSERT_TRUE(index.put("b", "b").has_value());
  ASSERT_TRUE(*cursor.next());
  EXPECT_EQ(cursor.key(), "d");
  ASSERT_TRUE(index.remove("d").has_value());
  ASSERT_TRUE(index.remove("e").has_value());
  ASSERT_TRUE(*cursor.prev());
  EXPECT_EQ(cursor.key(), "b");
  ASSERT_TRUE(*cursor.next());
  EXPECT_EQ(cursor.key(), "g");
  ASSERT_TRUE(index.remove("g").has_value());
  EXPECT_FALSE(*cursor.next());
  EXPECT_FALSE(cursor.positioned());
  ASSERT_TRUE(*cursor.prev()) << "from nowhere to the last";
  EXPECT_EQ(cursor.key(), "b");
}

TYPED_TEST(IndexConformance, AVisitorMayChangeWhatItScans) {
  TypeParam form;
  auto& index = form.index();
  for (int i = 0; i < 500; ++i)
    ASSERT_TRUE(index.put("k" + std::to_string(1000 + i), "v").has_value());
  uint64_t seen = 0;
  const Result<uint64_t> count = scan(index, {}, [&](Bytes key, Bytes) {
    ++seen;
    EXPECT_TRUE(index.remove(std::string(key)).has_value());
    return true;
  });
  ASSERT_TRUE(count.has_value()) << count.error().message();
  EXPECT_EQ(seen, 500u);
  EXPECT_TRUE(rows_of(index).empty());
}

TYPED_TEST(IndexConformance, AScanEndsWhenItsVisitorSaysSo) {
  TypeParam form;
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(form.index().put(key, key).has_value());
  int calls = 0;
  const Result<uint64_t> count = scan(form.index(), {}, [&](Bytes, Bytes) { return ++calls < 2; });
  EXPECT_EQ(*count, 2u);
  EXPECT_EQ(calls, 2);
}

#ifdef AETHER_HAVE_RAPIDCHECK

/// Short keys of few bytes, so that they meet; now and then a longer one.
rc::Gen<std::string> keys() {
  using namespace rc;
  const auto byte = gen::element('\0', '\x01', 'a', 'b', '\x7f', '\x80', '\xff');
  return gen::weightedOneOf<std::string>(
      {{8, gen::resize(4, gen::container<std::string>(byte))},
       {2, gen::resize(40, gen::container<std::string>(byte))},
       {1, gen::map(gen::inRange<size_t>(1, 700), [](size_t n) { return std::string(n, 'a'); })}});
}

enum class Do : uint8_t { put, insert, update, remove, get, seek, next, prev };
struct Step {
  Do what;
  std::string key;
  std::string value;
  SeekOp op;
};
void showValue(const Step& step, std::ostream& out) {
  out << "{" << static_cast<int>(step.what) << " " << testing::PrintToString(step.key) << " "
      << step.value.size() << " " << static_cast<int>(step.op) << "}";
}

rc::Gen<Step> steps() {
  using namespace rc;
  const auto what = gen::weightedElement<Do>({{6, Do::put},
                                              {2, Do::insert},
                                              {2, Do::update},
                                              {4, Do::remove},
                                              {2, Do::get},
                                              {4, Do::seek},
                                              {4, Do::next},
                                              {3, Do::prev}});
  const auto value = gen::map(gen::inRange<size_t>(0, 100), [](size_t n) {
    return std::string(n % 50 == 7 ? 3000 : n, static_cast<char>('A' + n % 26));
  });
  return gen::map(gen::tuple(what, keys(), value, gen::elementOf(kOps)), [](const auto& t) {
    return Step{std::get<0>(t), std::get<1>(t), std::get<2>(t), std::get<3>(t)};
  });
}

/// An index and its cursor beside a map and a key.
template <typename Form>
class Pair {
 public:
  void run(const Step& step) {
    if (step.what >= Do::seek) return move(step);
    RC_ASSERT(change(step) == expected_change(step));
  }
  void compare() {
    RC_ASSERT(rows_of(form_.index()) == Rows(model_.begin(), model_.end()));
    RC_ASSERT(rows_of(form_.index(), {.begin = {}, .end = {}, .reverse = true}) ==
              Rows(model_.rbegin(), model_.rend()));
  }

 private:
  Code change(const Step& step) {
    auto& index = form_.index();
    switch (step.what) {
      case Do::put: return code_of(index.put(step.key, step.value));
      case Do::insert: return code_of(index.insert(step.key, step.value));
      case Do::update: return code_of(index.update(step.key, step.value));
      case Do::remove: return code_of(index.remove(step.key));
      default: break;
    }
    std::string value;
    const Result<void> found = index.get(step.key, value);
    if (found) RC_ASSERT(value == model_.at(step.key));
    return code_of(found);
  }
  Code expected_change(const Step& step) {
    const auto at = model_.find(step.key);
    const bool is_there = at != model_.end();
    if (step.what == Do::insert && is_there) return Code::exists;
    if (step.what != Do::insert && step.what != Do::put && !is_there) return Code::not_found;
    if (step.what == Do::remove) {
      model_.erase(at);
    } else if (step.what != Do::get) {
      model_[step.key] = step.value;
    }
    return Code{};
  }
  void move(const Step& step) {
    Result<bool> moved = false;
    auto place = model_.cend();
    if (step.what == Do::seek || !at_) {
      const SeekOp op = step.what == Do::seek   ? step.op
                        : step.what == Do::next ? SeekOp::first
                                                : SeekOp::last;
      place = expected_place(model_, op, step.key);
      moved = step.what == Do::seek   ? seek(cursor_, op, step.key)
              : step.what == Do::next ? cursor_.next()
                                      : cursor_.prev();
    } else {
      const bool on = step.what == Do::next;
      place = expected_place(model_, on ? SeekOp::greater : SeekOp::less, *at_);
      moved = on ? cursor_.next() : cursor_.prev();
    }
    RC_ASSERT(moved.has_value());
    RC_ASSERT(*moved == (place != model_.cend()));
    RC_ASSERT(cursor_.positioned() == *moved);
    at_.reset();
    if (!*moved) return;
    at_ = place->first;
    RC_ASSERT(std::string(cursor_.key()) == place->first);
    RC_ASSERT(std::string(*cursor_.value()) == place->second);
  }

  Form form_;
  decltype(std::declval<Form&>().index().cursor()) cursor_ = form_.index().cursor();
  Model model_;
  std::optional<std::string> at_;
};

TYPED_TEST(IndexConformance, AnswersAsAMapDoes) {
  const bool holds = rc::check("an index and a map answer alike", [] {
    const auto list = *rc::gen::scale(4.0, rc::gen::container<std::vector<Step>>(steps()));
    Pair<TypeParam> pair;
    for (const Step& step : list) pair.run(step);
    pair.compare();
  });
  EXPECT_TRUE(holds);
}

#endif

}  // namespace
}  // namespace aether::index
