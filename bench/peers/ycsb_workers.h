/// The core workloads A to F of YCSB over this harness's records: one value a record, no fields.
///
/// Threads  The factory: one. A worker belongs to one thread; see drive.h.
/// Source   Cooper, Silberstein, Tam, Ramakrishnan, Sears: "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010,
///          table 2 and section 4. As there: Zipf 0.99 with the hot records spread over all (A, B, C, E, F), or counted
///          from the newest (D); scans of 1 to 100 records, uniform; F puts what it has got, without a transaction.
#pragma once

#include <memory>

#include "data.h"
#include "drive.h"
#include "engine.h"
#include "inserted.h"
#include "workload.h"

namespace aether::bench {

/// `task` is one of ycsb_a to ycsb_f; `zipf` is over the loaded records. Both must live as long as the worker.
std::unique_ptr<Worker> make_ycsb_worker(Task task, std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane, const Zipf& zipf,
                                         Inserted& inserted);

}  // namespace aether::bench
