// Bit rot: one bit of every byte of a small environment is flipped in turn, on the simulated disk, and the environment
// opened and read, all of it.
//
// What must come of each flip: the right answers; or an error `corruption` that names the file and the place. Never a
// wrong answer, never a commit missing that was acknowledged. There is one exception, and it is written down
// (docs/formats/log.md): the last block of a log that was not closed cannot be told from one that was being written when
// the power went, so damage to it, and to nothing else, takes back the commits of that block.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "support/small_env.h"
#include "wal/block.h"
#include "wal/segment.h"

namespace aether::crash {
namespace {

using small::Rows;
using small::SmallEnv;
using small::State;

constexpr uint64_t kUnit = 4096;
constexpr int kShards = 4;

const SmallEnv& environment(State state) {
  static std::array<std::optional<SmallEnv>, small::kStates> made;
  std::optional<SmallEnv>& place = made[static_cast<size_t>(state)];
  if (!place) place.emplace(small::make(state));
  return *place;
}

/// Where the last block of the log begins in this segment file.
uint64_t last_block(const std::string& file) {
  uint64_t last = 0;
  for (uint64_t at = kUnit; at + kUnit <= file.size();) {
    const auto header = base::load<wal::BlockHeader>(file.data() + at);
    if (header.magic != wal::kBlockMagic || header.length == 0) break;
    last = at;
    at += header.length;
  }
  return last;
}

/// Every byte that is not zero and the eight behind it, every 61st of the zeros that pages and blocks are filled up with, and
/// of what nothing was ever written to, one byte a sector. Of a file that opening does not read, every 61st. With
/// AETHER_EVERY_BYTE=1 all of what holds something.
std::vector<uint64_t> offsets_of(const std::string& file, bool is_used) {
  const bool every = std::getenv("AETHER_EVERY_BYTE") != nullptr;
  constexpr uint64_t kZerosStep = 61;
  std::vector<uint64_t> offsets;
  for (uint64_t unit = 0; unit < file.size(); unit += kUnit) {
    const uint64_t end = std::min<uint64_t>(unit + kUnit, file.size());
    const bool used = file.find_first_not_of('\0', unit) < end;
    uint64_t zeros = 8;
    for (uint64_t at = unit; at < end; ++at) {
      zeros = file[at] != '\0' ? 0 : zeros + 1;
      const bool one_by_one = every || (is_used && zeros <= 8);
      const uint64_t step = !used ? sim::kSectorBytes : one_by_one ? 1 : kZerosStep;
      if ((at - unit) % step == 0) offsets.push_back(at);
    }
  }
  return offsets;
}

struct Counts {
  uint64_t flips = 0;
  uint64_t right = 0;    ///< All answers as if nothing were.
  uint64_t refused = 0;  ///< The environment does not open.
  uint64_t
      reported = 0;  ///< It opens; what lies on the damaged page is an error, the rest is right.
  uint64_t last_block = 0;  ///< The commits of the log's last block are gone.
};

class BitRot : public testing::TestWithParam<std::tuple<State, std::string, int>> {
 protected:
  /// The store's rows as they are read; errors must be `corruption` and say where.
  void read_store(DbEnv& env, const std::string& name, Rows& found, bool& all) {
    Result<KvStore> store = env.open_store(name, {.create = false});
    if (!store) return note(store.error(), all);
    const Result<uint64_t> scanned = store->scan({}, [&](Bytes key, Bytes value) {
      found.emplace(key, value);
      return true;
    });
    if (scanned) return;
    note(scanned.error(), all);
    // A scan ends at the damage; single rows are read around it.
    for (const auto& [key, value] : truth_->rows.at(name)) {
      const Result<std::string> got = store->get(key);
      if (got) {
        found.emplace(key, *got);
      } else if (got.error().code() == Code::not_found) {
        ADD_FAILURE() << "a row is missing beside the damage: " << key;
      } else {
        note(got.error(), all);
      }
    }
  }
  void note(const Error& error, bool& all) {
    all = false;
    EXPECT_EQ(error.code(), Code::corruption) << error.message();
    EXPECT_THAT(std::string(error.message()), testing::HasSubstr("page ")) << "it says not where";
  }

  /// What is read is right as far as it goes.
  static bool is_part_of(const std::map<std::string, Rows>& found,
                         const std::map<std::string, Rows>& truth) {
    for (const auto& [name, rows] : found) {
      const auto known = truth.find(name);
      if (known == truth.end()) return false;
      for (const auto& row : rows) {
        const auto right = known->second.find(row.first);
        if (right == known->second.end() || right->second != row.second) return false;
      }
    }
    return true;
  }

  void look(sim::SimOs& os, uint64_t offset) {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(small::kHome, small::options(), os);
    if (!env) {
      ++counts_.refused;
      EXPECT_EQ(env.error().code(), Code::corruption) << env.error().message();
      const std::string message(env.error().message());
      // Another file may be where the loss shows: CONTROL's older slot and the log that is newer.
      const bool says_where = message.find(path_) != std::string::npos ||
                              (path_ == "/env/data" &&
                               message.find(" of the data file") != std::string::npos) ||
                              (path_ == "/env/CONTROL" &&
                               message.find("/env/") != std::string::npos);
      EXPECT_TRUE(says_where) << message;
      return;
    }
    std::map<std::string, Rows> found;
    bool all = true;
    const Result<std::vector<std::string>> stores = (*env)->list_stores();
    if (stores) {
      for (const std::string& name : *stores) {
        ASSERT_TRUE(truth_->rows.count(name)) << name;
        read_store(**env, name, found[name], all);
      }
    } else {
      note(stores.error(), all);
    }
    if (!all) {
      ++counts_.reported;
      EXPECT_TRUE(is_part_of(found, truth_->rows)) << "a wrong answer";
      return;
    }
    if (std::get<0>(GetParam()) == State::in_doubt) {
      const auto prepared = (*env)->prepared();
      EXPECT_TRUE(prepared && prepared->size() == 1 && prepared->front().gid == "gid");
    }
    if (found == truth_->rows) {
      ++counts_.right;
      return;
    }
    EXPECT_TRUE(is_log_ && offset >= last_block_) << "an acknowledged commit is gone";
    EXPECT_TRUE(found == truth_->rows_before_last) << "wrong answers";
    ++counts_.last_block;
  }

  const SmallEnv* truth_ = nullptr;
  std::string path_;
  bool is_log_ = false;
  uint64_t last_block_ = 0;
  Counts counts_;
};

// Goal:   no flipped bit is ever answered wrongly, and none takes an acknowledged commit with it.
// Method: flip, open, read everything; each byte has its turn, with another bit each.
TEST_P(BitRot, EveryFlipIsHarmlessOrReported) {
  const auto& [state, name, shard] = GetParam();
  truth_ = &environment(state);
  path_ = small::kHome + ("/" + name);
  Result<std::string> file = truth_->os->read_file(path_);
  ASSERT_TRUE(file) << path_;
  is_log_ = name.starts_with("log/");
  if (is_log_) last_block_ = last_block(*file);
  const bool closed = state == State::closed;
  const bool is_used = name == "CONTROL" || (name == "data" && !closed) || (is_log_ && !closed) ||
                       (name == "doublewrite" && state == State::crashed);
  const std::vector<uint64_t> offsets = offsets_of(*file, is_used);
  for (size_t i = static_cast<size_t>(shard); i < offsets.size() && !HasFailure(); i += kShards) {
    const uint64_t offset = offsets[i];
    const std::unique_ptr<sim::SimOs> os = truth_->os->copy();
    ASSERT_TRUE(os->flip_bit(path_, offset * 8 + (offset * 5 + offset / 8) % 8));
    SCOPED_TRACE(path_ + ", offset " + std::to_string(offset));
    look(*os, offset);
    ++counts_.flips;
  }
  std::printf(
      "%llu flips: %llu without effect, %llu refused at open, %llu reported when read, %llu in "
      "the log's last block took its commit\n",
      static_cast<unsigned long long>(counts_.flips),
      static_cast<unsigned long long>(counts_.right),
      static_cast<unsigned long long>(counts_.refused),
      static_cast<unsigned long long>(counts_.reported),
      static_cast<unsigned long long>(counts_.last_block));
  EXPECT_GT(counts_.flips, 0u);
}

std::vector<std::tuple<State, std::string, int>> cases() {
  std::vector<std::tuple<State, std::string, int>> all;
  const auto add = [&](State state, const std::string& name) {
    for (int shard = 0; shard < kShards; ++shard) all.emplace_back(state, name, shard);
  };
  for (const State state : {State::closed, State::crashed, State::in_doubt, State::reopened}) {
    for (const std::string& path : environment(state).os->files()) {
      const std::string name = path.substr(std::string(small::kHome).size() + 1);
      // The data file is the same in all of them but for what redo does to it.
      if (name == "LOCK" || (name == "data" && state > State::crashed)) continue;
      if (environment(state).os->read_file(path)->empty()) continue;  // Made, and nothing written.
      add(state, name);
    }
  }
  return all;
}

std::string name_of(const testing::TestParamInfo<BitRot::ParamType>& info) {
  static const std::array<const char*, small::kStates> states = {"Closed", "Crashed", "InDoubt",
                                                                 "Reopened"};
  std::string name = states[static_cast<size_t>(std::get<0>(info.param))];
  for (const char c : "_" + std::get<1>(info.param) + "_" + std::to_string(std::get<2>(info.param)))
    name.push_back(std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, BitRot, testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace aether::crash
