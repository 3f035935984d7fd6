#include "recovery/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aether/version.h"
#include "base/checksum.h"
#include "sim/sim_os.h"

namespace aether::recovery {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSlotBytes = 16 * KiB;
constexpr const char* kPath = "/env/CONTROL";

ControlState first_state() {
  ControlState state;
  state.environment_id = 77;
  state.page_bytes = 4096;
  state.streams = 2;
  state.segment_bytes = 256 * KiB;
  state.next_txn = 1;
  return state;
}

struct ControlFixture {
  sim::SimOs os;
  ControlFixture() {
    EXPECT_TRUE(os.create_directory("/env").has_value());
    EXPECT_TRUE(os.sync_directory("/").has_value());
    EXPECT_TRUE(Control::create("/env", first_state(), os).has_value());
  }
  /// Writes states with next_txn 2 .. `last`.
  void write_to(TxnId last) {
    auto control = *Control::open("/env", true, os);
    for (TxnId txn = 2; txn <= last; ++txn) {
      ControlState state = control->state();
      state.next_txn = txn;
      ASSERT_TRUE(control->write(state).has_value());
    }
  }
  void flip(uint64_t slot, uint64_t byte) {
    ASSERT_TRUE(os.flip_bit(kPath, (slot * kSlotBytes + byte) * 8).has_value());
  }
  /// Changes a 4-byte field of both slots, with the right checksum.
  void set_in_both(uint64_t offset, uint32_t value) {
    std::string bytes = *os.read_file(kPath);
    for (uint64_t slot = 0; slot < 2; ++slot) {
      char* at = bytes.data() + slot * kSlotBytes;
      std::copy_n(reinterpret_cast<const char*>(&value), sizeof value, at + offset);
      uint64_t magic = 0;
      std::copy_n(at + 8, sizeof magic, reinterpret_cast<char*>(&magic));
      const uint64_t sum = base::checksum(at + 8, kSlotBytes - 8, magic);
      std::copy_n(reinterpret_cast<const char*>(&sum), sizeof sum, at);
    }
    ASSERT_TRUE(os.write_file(kPath, bytes).has_value());
  }
};

TEST(Control, KeepsEverythingAcrossReopen) {
  ControlFixture t;
  ControlState state = first_state();
  state.redo_position = 5000;
  state.start_position = 4000;
  state.known_durable = 6000;
  state.next_txn = 99;
  state.clean = true;
  state.epoch = 4;
  state.epoch_begin = 3000;
  state.lsn.at[1] = 123;
  state.fences.push_back({.epoch = 3, .begin = 100, .end = 200, .cut = state.lsn});
  ASSERT_TRUE((*Control::open("/env", true, t.os))->write(state).has_value());

  const auto control = Control::open("/env", false, t.os);
  ASSERT_TRUE(control.has_value());
  const ControlState& read = (*control)->state();
  EXPECT_EQ(read.environment_id, 77u);
  EXPECT_EQ(read.redo_position, 5000u);
  EXPECT_EQ(read.start_position, 4000u);
  EXPECT_EQ(read.known_durable, 6000u);
  EXPECT_EQ(read.next_txn, 99u);
  EXPECT_TRUE(read.clean);
  EXPECT_EQ(read.epoch, 4u);
  EXPECT_EQ(read.epoch_begin, 3000u);
  EXPECT_EQ(read.lsn, state.lsn);
  ASSERT_EQ(read.fences.size(), 1u);
  EXPECT_EQ(read.fences[0].end, 200u);
  EXPECT_EQ(read.fences[0].cut, state.lsn);
}

// Goal:   a slot that is torn while it is written costs only itself.
// Method: crash in the middle of each of twenty writes: what is found is the state before or after.
TEST(Control, ATornWriteLeavesTheOldOrTheNewState) {
  ControlFixture t;
  t.write_to(3);
  for (TxnId txn = 4; txn < 24; ++txn) {
    std::vector<std::unique_ptr<sim::SimOs>> crashed;
    t.os.on_step([&](const sim::Step& step) {
      if (!step.changes_disk) return;
      for (uint64_t seed = 1; seed <= 5; ++seed)
        crashed.push_back(t.os.crash({.seed = txn * 100 + seed, .garbage_percent = 50}));
    });
    auto control = *Control::open("/env", true, t.os);
    ControlState state = control->state();
    state.next_txn = txn;
    ASSERT_TRUE(control->write(state).has_value());
    t.os.on_step({});
    EXPECT_GE(crashed.size(), 10u);
    for (const std::unique_ptr<sim::SimOs>& os : crashed) {
      const auto found = Control::open("/env", true, *os);
      ASSERT_TRUE(found.has_value()) << found.error().message();
      EXPECT_TRUE((*found)->state().next_txn == txn || (*found)->state().next_txn == txn - 1);
    }
  }
}

TEST(Control, OneDamagedSlotLeavesTheOther) {
  for (const uint64_t slot : {uint64_t{0}, uint64_t{1}}) {
    ControlFixture t;
    t.write_to(5);
    t.flip(slot, 100);
    const auto control = Control::open("/env", true, t.os);
    ASSERT_TRUE(control.has_value()) << control.error().message();
    EXPECT_TRUE((*control)->state().next_txn == 5 || (*control)->state().next_txn == 4);
    // The next write goes to the damaged slot, or makes a newer one: either way it counts.
    ControlState state = (*control)->state();
    state.next_txn = 50;
    ASSERT_TRUE((*control)->write(state).has_value());
    EXPECT_EQ((*Control::open("/env", true, t.os))->state().next_txn, 50u);
  }
}

TEST(Control, TwoDamagedSlotsAreCorruption) {
  ControlFixture t;
  t.write_to(5);
  t.flip(0, 0);
  t.flip(1, kSlotBytes - 1);
  const auto control = Control::open("/env", true, t.os);
  ASSERT_FALSE(control.has_value());
  EXPECT_EQ(control.error().code(), Code::corruption);
  EXPECT_THAT(std::string(control.error().message()), HasSubstr("CONTROL"));
}

TEST(Control, ACutFileIsRefusedOrServedByTheSlotThatIsThere) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{80}, kSlotBytes}) {
    ControlFixture t;
    t.write_to(5);
    const std::string all = *t.os.read_file(kPath);
    ASSERT_TRUE(t.os.write_file(kPath, all.substr(0, bytes)).has_value());
    const auto control = Control::open("/env", true, t.os);
    EXPECT_EQ(control.has_value(), bytes == kSlotBytes) << bytes;
    if (control) continue;
    EXPECT_EQ(control.error().code(), Code::corruption);
  }
}

TEST(Control, ANewerFormatIsRefusedWithTheReason) {
  ControlFixture t;
  t.write_to(3);
  t.set_in_both(16, kFormatVersion + 1);
  const auto control = Control::open("/env", true, t.os);
  ASSERT_FALSE(control.has_value());
  EXPECT_EQ(control.error().code(), Code::unsupported);
  EXPECT_THAT(std::string(control.error().message()), HasSubstr("newer"));
}

TEST(Control, ImplausibleNumbersAreRefused) {
  ControlFixture t;
  t.write_to(3);
  t.set_in_both(20, 5000);  // page_bytes
  EXPECT_EQ(Control::open("/env", true, t.os).error().code(), Code::corruption);
}

TEST(Control, TooManyFencesAreRefusedNotCut) {
  ControlFixture t;
  ControlState state = first_state();
  state.fences.resize(200);
  EXPECT_EQ((*Control::open("/env", true, t.os))->write(state).error().code(), Code::too_large);
}

TEST(Control, ExtentsLeaveOutWhatLiesBeforeTheStart) {
  ControlState state = first_state();
  state.start_position = 150;
  state.epoch = 3;
  state.epoch_begin = 400;
  state.fences = {{.epoch = 1, .begin = 0, .end = 100, .cut = {}},
                  {.epoch = 2, .begin = 100, .end = 300, .cut = {}}};
  const std::vector<wal::EpochExtent> extents = log_extents(state);
  ASSERT_EQ(extents.size(), 2u);
  EXPECT_EQ(extents[0].epoch, 2u);
  EXPECT_EQ(extents[0].begin, 150u);
  EXPECT_EQ(extents[0].end, 300u);
  EXPECT_EQ(extents[1].begin, 400u);
  EXPECT_FALSE(extents[1].end.has_value());
}

}  // namespace
}  // namespace aether::recovery
