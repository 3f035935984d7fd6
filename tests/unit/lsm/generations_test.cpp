// Who frees a generation: its memory takes a tenth of a second and more to give back.
#include <gtest/gtest.h>

#include <memory>

#include "index/skiplist/skiplist.h"
#include "lsm/lsm_tree.h"

namespace aether::lsm {
namespace {

class Counted : public index::Skiplist {
 public:
  explicit Counted(int& freed) noexcept : freed_(freed) {}
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { ++freed_; }

 private:
  int& freed_;
};

struct Generations {
  int freed = 0;
  LsmTree tree{[this] { return index::AnyIndex(std::make_unique<Counted>(freed)); }};

  void seal() {
    ASSERT_TRUE(tree.active("key").put("key", "row"));
    ASSERT_TRUE(tree.seal(1, 1));
  }
};

TEST(LsmGenerations, AreFreedByWhoCollectsNotByWhoSealsTheNext) {
  Generations g;
  g.seal();
  {
    const auto pinned = g.tree.memory();  // So that the drop itself cannot.
    g.tree.drop_oldest();
  }
  for (int i = 0; i < 4; ++i) g.seal();
  EXPECT_EQ(g.freed, 0);
  g.tree.collect();
  EXPECT_EQ(g.freed, 1);
}

TEST(LsmGenerations, AreNotFreedByTheReaderThatHadThemLast) {
  Generations g;
  g.seal();
  {
    const LsmTree::MemoryRef reader = g.tree.memory();
    g.tree.drop_oldest();
    g.tree.collect();
    EXPECT_EQ(g.freed, 0) << "while it is read";
    std::string row;
    EXPECT_TRUE(reader->newest_first.back()->rows.get("key", row));
  }
  EXPECT_EQ(g.freed, 0);
  g.tree.collect();
  EXPECT_EQ(g.freed, 1);
}

TEST(LsmGenerations, GoWithTheTree) {
  int freed = 0;
  {
    LsmTree tree([&freed] { return index::AnyIndex(std::make_unique<Counted>(freed)); });
    ASSERT_TRUE(tree.seal(1, 1));
    tree.drop_oldest();
  }
  EXPECT_EQ(freed, 2);
}

}  // namespace
}  // namespace aether::lsm
