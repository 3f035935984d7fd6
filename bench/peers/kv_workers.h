/// Workers of the workloads over single keys, batches and scans.
///
/// Threads  The factories: one. A worker belongs to one thread; see drive.h.
#pragma once

#include <memory>
#include <span>

#include "data.h"
#include "drive.h"
#include "engine.h"
#include "workload.h"

namespace aether::bench {

/// Puts the lane's share of the records, by number (random key order) or along `sorted` hashes, which must live as long.
std::unique_ptr<Worker> make_load_worker(std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane,
                                         std::span<const uint64_t> sorted);
/// Gets the lane's share of the records once each, so that a run begins with all of them in memory.
std::unique_ptr<Worker> make_warm_worker(std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane);
/// `zipf` null: uniform.
std::unique_ptr<Worker> make_get_worker(std::unique_ptr<Session> session, const RunOptions& options,
                                        uint64_t lane, const Zipf* zipf);
/// `keys` random records a step; each counts as one operation.
std::unique_ptr<Worker> make_batch_worker(std::unique_ptr<Session> session,
                                          const RunOptions& options, uint64_t lane, size_t keys);
std::unique_ptr<Worker> make_miss_worker(std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane);
std::unique_ptr<Worker> make_visit_worker(std::unique_ptr<Session> session,
                                          const RunOptions& options, uint64_t lane);
/// 100 records from a random one.
std::unique_ptr<Worker> make_scan_worker(std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane, bool reverse);
/// Ranges at random places, so small that next to none has a key; one that has is counted as any other.
std::unique_ptr<Worker> make_empty_scan_worker(std::unique_ptr<Session> session,
                                               const RunOptions& options, uint64_t lane);
std::unique_ptr<Worker> make_update_worker(std::unique_ptr<Session> session,
                                           const RunOptions& options, uint64_t lane);
/// New records, in the gaps between the keys that are there.
std::unique_ptr<Worker> make_insert_worker(std::unique_ptr<Session> session,
                                           const RunOptions& options, uint64_t lane);

}  // namespace aether::bench
