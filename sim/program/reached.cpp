#include "sim/program/reached.h"

#include <string_view>

namespace aether::program {

namespace {

struct Elsewhere {
  std::string_view name;
  std::string_view who;  ///< Comes by there.
};

/// Points that one thread on small machines cannot come by.
constexpr Elsewhere kElsewhere[] = {
    {"base.epoch_commons", "Epochs.MorePinsThanSlots"},
    {"buffer.no_frame_to_evict", "with threads that hold all frames"},
    {"checkpoint.after_a_flush", "LsmLog.*: a background worker"},
    {"checkpoint.for_room_in_the_log",
     "EnvFullDisk.*: a background thread has to find that there is none"},
    {"checkpoint.no_room_in_the_log", "EnvFullDisk.*"},
    {"index.rax_bound_reached", "Rax.MemoryIsBoundedAndComesBack: no store here is bounded"},
    {"index.rax_cursor_seeks_again", "ConcurrentIndex/*: a writer beside a cursor"},
    {"index.skiplist_bound_reached",
     "Skiplist.MemoryIsBoundedAndComesBack: no store here is bounded"},
    {"index.skiplist_removed_while_linked", "SchedulerSkiplist.*: two writers of one key"},
    {"lsm.merge_goes_on_after_restart",
     "LsmStoreTest.AMergeOfSeveralPartsGoesOnAfterACrash: stores here are smaller than a part"},
    {"lsm.merge_part_ended",
     "LsmStoreTest.AMergeOfSeveralPartsGoesOnAfterACrash: stores here are smaller than a part"},
    {"lsm.writer_waits_for_a_flush", "BTreeConcurrent.*: a background worker that falls behind"},
    {"lsm.writer_waits_for_a_value", "BTreeConcurrent.*: two writers of one row"},
    {"recovery.busy_page_given_up", "DeferredRedo.*: threads"},
    {"recovery.waited_for_a_page_being_redone", "DeferredRedo.*: threads"},
    {"space.second_group", "SpaceManager.*: 128 MiB of pages of 4 KiB"},
    {"table.bound_reached", "StoreKinds.TheBoundOnMemoryIsAnErrorThatSaysSo"},
    {"txn.deadlock", "LockManager.*, aether-sim-threads"},
    {"txn.deadlock_of_an_upgrade", "LockManager.*, aether-sim-threads"},
    {"txn.lock_timed_out", "LockManager.*"},
    {"txn.version_merge_failed", "VersionSpill.AFailedMergeLeavesTheRuns"},
    {"wal.leftover_segment_replaced", "Segment.WhatAFailedPreparationCouldNotRemoveIsReplaced"},
    {"wal.ring_full", "ConcurrentLog.*: 4 MiB that nobody has flushed"},
    {"wal.smaller_block_for_want_of_a_segment", "EnvFullDisk.*"},
    {"wal.spare_segment_has_the_name", "Segment.*: an environment begins behind all that is there"},
};

std::string_view who_comes_by(const std::string& name) {
  for (const Elsewhere& each : kElsewhere) {
    if (each.name == name) return each.who;
  }
  return {};
}

std::string circumstances(const oracle::Coverage::Point& point) {
  std::string text;
  for (const auto& [circumstance, times] : point.under) {
    text.append(text.empty() ? "" : ", ").append(circumstance).append(" ");
    text.append(std::to_string(times));
  }
  return text;
}

}  // namespace

ReachedReport report_reached(oracle::Coverage& coverage) {
  ReachedReport report;
  report.table = "| point | in | times | under |\n|---|---|---:|---|\n";
  for (const auto& [name, point] : coverage.points()) {
    ++report.points;
    const std::string_view who = who_comes_by(name);
    std::string under = circumstances(point);
    if (point.times != 0) {
      ++report.reached;
    } else if (!who.empty()) {
      ++report.elsewhere;
      under.append("not here: ").append(who);
    } else {
      report.missed.append(report.missed.empty() ? "" : ", ").append(name);
      under = "NOT REACHED";
    }
    report.table.append("| ").append(name).append(" | ").append(point.file).append(" | ");
    report.table.append(std::to_string(point.times)).append(" | ").append(under).append(" |\n");
  }
  return report;
}

std::string reached_page(const ReachedReport& report, const std::string& command) {
  std::string page =
      "# Rare points\n\nWritten by `" + command +
      "`: the points `AETHER_REACHED(\"name\")` of `src/` (`src/base/reached.h`), how\n"
      "often they were come by, and under which circumstances: a kind of fault that had struck "
      "(`aether-sim --help`), the\n"
      "recovery from a crash (`crash`), or from one in recovery (`nested`), the opening of a disk "
      "that has lied (`after`), or none of these.\n\n";
  page += report.table;
  page += "\n" + std::to_string(report.reached) + " of " + std::to_string(report.points) +
          " reached; " + std::to_string(report.elsewhere) + " can be by others only. Missed: " +
          (report.missed.empty() ? std::string("none") : report.missed) + ".\n";
  return page;
}

}  // namespace aether::program
