/// What was measured, as a report asks for it: runs of the same kind together, their medians and spread.
///
/// Everything is taken from the results themselves, so that a report can be made from a file of them, and from several.
///
/// Threads  Values; no shared state. The results must outlive what is made of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json.h"

namespace aether::bench {

struct DataSize {
  uint64_t records = 0;
  uint64_t value_bytes = 0;
  bool operator==(const DataSize&) const = default;
  /// "2000000 records of 16 + 100 bytes"
  std::string text() const;
};

/// The runs of one engine in one workload with one number of threads on data of one size.
struct Cell {
  std::vector<const JsonObject*> runs;

  bool empty() const { return runs.empty(); }
  /// The median of a field.
  double of(const char* field) const;
  double rate() const { return of("ops_per_s"); }
  /// Half the distance between the best and the worst run, in percent of the median.
  double spread() const;
  /// Rate, latencies and spread; "-" if empty.
  std::string text() const;
};

/// Which cells of a workload there are: all but the engine.
struct Row {
  DataSize size;
  std::string workload;
  unsigned threads = 1;
  bool operator==(const Row&) const = default;
};

class Results {
 public:
  explicit Results(const std::vector<JsonObject>& all);

  const std::vector<JsonObject>& all() const { return all_; }
  /// In the order in which they first appear, as are the next three; without devices.
  const std::vector<std::string>& engines() const { return engines_; }
  const std::vector<DataSize>& sizes() const { return sizes_; }
  /// Without devices.
  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Row>& device_rows() const { return device_rows_; }

  Cell cell(const Row& row, const std::string& engine) const;
  /// The engine that the others are compared to: the first one.
  const std::string& subject() const { return engines_.front(); }
  /// The best rate of an engine that is not ours, with its name; 0 and empty if there is none. `among`: these alone.
  struct Best {
    double rate = 0;
    std::string engine;
  };
  Best best_peer(const Row& row, const std::vector<std::string>& among = {}) const;
  /// The best form of a device workload. `threads` of `row` may be more than the device was asked with.
  Best best_device(const Row& row) const;

 private:
  const std::vector<JsonObject>& all_;
  std::vector<std::string> engines_;
  std::vector<DataSize> sizes_;
  std::vector<Row> rows_;
  std::vector<Row> device_rows_;
};

/// Aether in any form.
bool is_ours(const std::string& engine);

}  // namespace aether::bench
