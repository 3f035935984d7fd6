#include "lsm/manifest.h"

#include <algorithm>

#include "base/assert.h"

namespace aether::lsm {
namespace {

void append_number(std::string& key, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift));
}

uint64_t number_at(Bytes key, size_t at) noexcept {
  uint64_t number = 0;
  for (size_t i = at; i < at + 8; ++i) number = number << 8 | static_cast<uint8_t>(key[i]);
  return number;
}

std::string key_of(char tag) { return std::string(1, tag); }
std::string key_of(char tag, uint64_t number) {
  std::string key(1, tag);
  append_number(key, number);
  return key;
}
std::string key_of(char tag, uint64_t first, uint64_t second) {
  std::string key = key_of(tag, first);
  append_number(key, second);
  return key;
}

Error wrong(const char* what, uint64_t number) {
  std::string message = "lsm manifest: ";
  message += what;
  message += ' ';
  message += std::to_string(number);
  message += "; `aether verify` tells what else is damaged";
  return {Code::corruption, std::move(message)};
}

size_t key_bytes_of(char tag) noexcept {
  switch (tag) {
    case 's':
    case 'c':
    case 'p': return 1;
    case 'g':
    case 'd':
    case 'f':
    case 'm': return 9;
    case 'r':
    case 'o': return 17;
    default: return 0;
  }
}

}  // namespace

Result<void> Manifest::add_row(Bytes key, Bytes value) {
  if (key.empty() || key.size() != key_bytes_of(key[0])) {
    return Error(Code::corruption, "lsm manifest: a row has a key that none has");
  }
  const char tag = key[0];
  switch (tag) {
    case 's': {
      AETHER_TRY_ASSIGN(numbers_, ManifestNumbers::decode(value));
      return {};
    }
    case 'c':
      if (value.empty())
        return Error(Code::corruption, "lsm manifest: the row of the configuration is empty");
      configuration_.assign(value);
      return {};
    case 'p': {
      AETHER_TRY_ASSIGN(policy_, decode_policy(value));
      return {};
    }
    case 'g':
      if (!value.empty())
        return wrong("a value where none is meant: generation", number_at(key, 1));
      flushed_.insert(number_at(key, 1));
      return {};
    case 'f': given_back_[number_at(key, 1)].assign(value); return {};
    case 'm': {
      AETHER_TRY_ASSIGN(merges_[number_at(key, 1)], ManifestMerge::decode(value));
      return {};
    }
    default: break;
  }
  AETHER_TRY_ASSIGN(ManifestRun row, ManifestRun::decode(value));
  if (tag == 'd') {
    const uint64_t id = row.run.id;
    if (id != number_at(key, 1)) return wrong("a row under another's key: run", id);
    dropped_[id] = std::move(row);
    return {};
  }
  if (row.run.id != number_at(key, 9)) return wrong("a row under another's key: run", row.run.id);
  std::vector<ManifestRun>& runs = (tag == 'r' ? runs_ : parts_)[number_at(key, 1)];
  runs.push_back(std::move(row));
  put_runs_in_order(runs);
  return {};
}

void Manifest::put_runs_in_order(std::vector<ManifestRun>& runs) const {
  std::sort(runs.begin(), runs.end(), [](const ManifestRun& a, const ManifestRun& b) {
    return a.run.smallest_key < b.run.smallest_key;
  });
}

std::string Manifest::key_of_given_back(uint64_t run_id) { return key_of('f', run_id); }

Result<void> Manifest::check() const {
  std::set<uint64_t> ids;
  for (const auto* each : {&runs_, &parts_}) {
    for (const auto& [number, runs] : *each) {
      for (size_t i = 0; i < runs.size(); ++i) {
        const RunDescription& run = runs[i].run;
        if (!ids.insert(run.id).second) return wrong("twice in the store: run", run.id);
        if (run.id >= numbers_.next_run_id) return wrong("not given yet: run", run.id);
        // A range tombstone of one may end where the next begins.
        if (i > 0 && run.smallest_key < runs[i - 1].run.largest_key) {
          return wrong("keys of another part of its sorted run: run", run.id);
        }
      }
    }
  }
  for (const auto& [id, run] : dropped_) {
    if (!ids.insert(id).second) return wrong("dropped, and still in the store: run", id);
    if (id >= numbers_.next_run_id) return wrong("not given yet: run", id);
  }
  for (const auto& [age, runs] : runs_) {
    if (age == 0 || age >= numbers_.next_age) return wrong("not given yet: age", age);
  }
  std::set<uint64_t> inputs;
  for (const auto& [number, merge] : merges_) {
    if (number == 0 || number >= numbers_.next_merge) return wrong("not given yet: merge", number);
    std::set<uint64_t> run_ids;
    auto neighbour = runs_.find(merge.inputs.front());
    for (const uint64_t age : merge.inputs) {
      if (neighbour == runs_.end() || neighbour->first != age) {
        return wrong("it reads runs that are not there or no neighbours: merge", number);
      }
      if (!inputs.insert(age).second)
        return wrong("it reads what another one reads: merge", number);
      for (const ManifestRun& run : neighbour->second) run_ids.insert(run.run.id);
      ++neighbour;
    }
    for (const uint64_t id : merge.rewritten) {
      if (run_ids.erase(id) == 0) return wrong("it rewrites what it does not read: merge", number);
    }
    if (!merge.has_parts && parts_.contains(number)) {
      return wrong("its parts are not those that it says: merge", number);
    }
  }
  for (const auto& [number, parts] : parts_) {
    if (!merges_.contains(number)) return wrong("parts of none: merge", number);
  }
  if (!flushed_.empty() && *flushed_.begin() <= numbers_.flushed_below) {
    return wrong("counted twice: generation", *flushed_.begin());
  }
  return {};
}

ManifestChanges Manifest::all_rows() const {
  ManifestChanges rows;
  put_numbers(rows);
  rows.push_back({key_of('p'), encode(policy_)});
  if (!configuration_.empty()) rows.push_back({key_of('c'), configuration_});
  for (const auto& [id, key] : given_back_) rows.push_back({key_of('f', id), key});
  for (const auto& [id, run] : dropped_) rows.push_back({key_of('d', id), run.encode()});
  for (const uint64_t generation : flushed_) rows.push_back({key_of('g', generation), ""});
  for (const auto& [age, runs] : runs_) {
    for (const ManifestRun& run : runs)
      rows.push_back({key_of('r', age, run.run.id), run.encode()});
  }
  for (const auto& [number, merge] : merges_) rows.push_back({key_of('m', number), merge.encode()});
  for (const auto& [number, parts] : parts_) {
    for (const ManifestRun& part : parts) {
      rows.push_back({key_of('o', number, part.run.id), part.encode()});
    }
  }
  return rows;
}

void Manifest::put_numbers(ManifestChanges& changes) const {
  changes.push_back({key_of('s'), numbers_.encode()});
}

const std::vector<ManifestRun>& Manifest::parts_of(uint64_t merge) const {
  static const std::vector<ManifestRun> none;
  const auto parts = parts_.find(merge);
  return parts == parts_.end() ? none : parts->second;
}

bool Manifest::is_flushed(uint64_t generation) const noexcept {
  return generation < numbers_.flushed_below || flushed_.contains(generation);
}

Shape Manifest::shape(uint64_t nursery_bytes, uint64_t now_ms) const {
  std::set<uint64_t> busy;
  for (const auto& [number, merge] : merges_) {
    busy.insert(merge.inputs.begin(), merge.inputs.end());
  }
  Shape shape;
  shape.nursery_bytes = nursery_bytes;
  shape.now_ms = now_ms;
  for (const auto& [age, runs] : runs_) {
    SortedRun& sorted = shape.sorted_runs.emplace_back();
    sorted.busy = busy.contains(age);
    for (const ManifestRun& run : runs) sorted.parts.push_back(run.run);
  }
  return shape;
}

void Manifest::set_rewrite_times(FunctionRef<uint64_t(uint64_t run_id)> rewrite_at_ms) {
  for (auto* const each : {&runs_, &parts_}) {
    for (auto& [number, runs] : *each) {
      for (ManifestRun& run : runs) run.run.rewrite_at_ms = rewrite_at_ms(run.run.id);
    }
  }
}

uint64_t Manifest::next_rewrite_ms() const noexcept {
  uint64_t next = kNeverMs;
  for (const auto& [age, runs] : runs_) {
    const auto reads = [age = age](const auto& merge) {
      const std::vector<uint64_t>& inputs = merge.second.inputs;
      return std::find(inputs.begin(), inputs.end(), age) != inputs.end();
    };
    if (std::any_of(merges_.begin(), merges_.end(), reads)) continue;
    for (const ManifestRun& run : runs) next = std::min(next, run.run.rewrite_at_ms);
  }
  return next;
}

uint64_t Manifest::take_run_id(ManifestChanges& changes) {
  const uint64_t id = numbers_.next_run_id++;
  put_numbers(changes);
  return id;
}

void Manifest::flush(uint64_t generation, Gsn fence, std::optional<ManifestRun> run,
                     uint64_t accepted_bytes, ManifestChanges& changes) {
  AETHER_ASSERT(!is_flushed(generation));
  numbers_.flushed_gsn = std::max(numbers_.flushed_gsn, fence);
  if (generation > numbers_.flushed_below) {
    flushed_.insert(generation);
    changes.push_back({key_of('g', generation), ""});
  } else {
    ++numbers_.flushed_below;
    while (!flushed_.empty() && *flushed_.begin() == numbers_.flushed_below) {
      changes.push_back({key_of('g', numbers_.flushed_below), std::nullopt});
      flushed_.erase(flushed_.begin());
      ++numbers_.flushed_below;
    }
  }
  numbers_.accepted_bytes = accepted_bytes;
  if (run) {
    AETHER_ASSERT(run->run.id != 0 && run->run.id < numbers_.next_run_id);
    run->oldest_generation = run->newest_generation = generation;
    const uint64_t age = numbers_.next_age++;
    changes.push_back({key_of('r', age, run->run.id), run->encode()});
    runs_[age].push_back(std::move(*run));
  }
  put_numbers(changes);
}

void Manifest::ingest(std::vector<ManifestRun> runs, uint64_t accepted_bytes,
                      ManifestChanges& changes) {
  numbers_.accepted_bytes = accepted_bytes;
  if (!runs.empty()) {
    const uint64_t age = numbers_.next_age++;
    for (ManifestRun& run : runs) {
      AETHER_ASSERT(run.run.id != 0 && run.run.id < numbers_.next_run_id);
      run.oldest_generation = run.newest_generation = numbers_.flushed_below;
      changes.push_back({key_of('r', age, run.run.id), run.encode()});
    }
    put_runs_in_order(runs);
    runs_[age] = std::move(runs);
  }
  put_numbers(changes);
}

uint64_t Manifest::begin_merge(const PlannedMerge& planned, const Shape& before,
                               ManifestChanges& changes) {
  const MergeParts split = split_for_merge(before, planned);
  ManifestMerge merge;
  merge.due = numbers_.accepted_bytes + planned.bytes_until_due;
  merge.rewritten = split.rewritten;
  auto input = std::next(runs_.begin(), planned.first);
  for (uint32_t i = 0; i < planned.count; ++i, ++input) {
    AETHER_ASSERT(!before.sorted_runs[planned.first + i].busy);
    merge.inputs.push_back(input->first);
    for (const ManifestRun& run : input->second) {
      const bool is_rewritten = std::find(split.rewritten.begin(), split.rewritten.end(),
                                          run.run.id) != split.rewritten.end();
      if (is_rewritten) merge.bytes += run.run.bytes;
    }
  }
  merge.output_age = merge.inputs.front();
  AETHER_ASSERT(planned.count > 1 || !merge.rewritten.empty());
  const uint64_t number = numbers_.next_merge++;
  put_numbers(changes);
  if (merge.rewritten.empty()) {
    merges_[number] = std::move(merge);
    end_merge(number, changes);  // Nothing is dropped, so the last change is that of its row,
    changes.pop_back();          // which was never put.
    return 0;
  }
  changes.push_back({key_of('m', number), merge.encode()});
  merges_[number] = std::move(merge);
  return number;
}

void Manifest::add_part(uint64_t merge, ManifestRun part, Bytes last_key, uint64_t bytes_read,
                        ManifestChanges& changes) {
  ManifestMerge& row = merges_.at(merge);
  part.oldest_generation = runs_.at(row.inputs.front()).front().oldest_generation;
  for (const uint64_t age : row.inputs) {
    for (const ManifestRun& run : runs_.at(age)) {
      part.oldest_generation = std::min(part.oldest_generation, run.oldest_generation);
      part.newest_generation = std::max(part.newest_generation, run.newest_generation);
    }
  }
  row.has_parts = true;
  row.last_key = last_key;
  row.bytes_read = bytes_read;
  put_numbers(changes);
  changes.push_back({key_of('m', merge), row.encode()});
  changes.push_back({key_of('o', merge, part.run.id), part.encode()});
  std::vector<ManifestRun>& parts = parts_[merge];
  parts.push_back(std::move(part));
  put_runs_in_order(parts);
}

void Manifest::note_progress(uint64_t merge, Bytes last_key, uint64_t bytes_read,
                             ManifestChanges& changes) {
  ManifestMerge& row = merges_.at(merge);
  row.has_parts = true;
  row.last_key = last_key;
  row.bytes_read = bytes_read;
  changes.push_back({key_of('m', merge), row.encode()});
}

std::vector<ManifestRun> Manifest::end_merge(uint64_t merge, ManifestChanges& changes) {
  const ManifestMerge row = std::move(merges_.at(merge));
  merges_.erase(merge);
  std::vector<ManifestRun> output = std::move(parts_[merge]);
  parts_.erase(merge);
  for (const ManifestRun& part : output) {
    changes.push_back({key_of('o', merge, part.run.id), std::nullopt});
    changes.push_back({key_of('r', row.output_age, part.run.id), part.encode()});
  }
  std::vector<ManifestRun> gone;
  for (const uint64_t age : row.inputs) {
    for (ManifestRun& run : runs_.at(age)) {
      const bool is_rewritten = std::find(row.rewritten.begin(), row.rewritten.end(), run.run.id) !=
                                row.rewritten.end();
      if (is_rewritten || age != row.output_age) {
        changes.push_back({key_of('r', age, run.run.id), std::nullopt});
      }
      if (is_rewritten) {
        gone.push_back(std::move(run));
        continue;
      }
      if (age != row.output_age) {
        changes.push_back({key_of('r', row.output_age, run.run.id), run.encode()});
      }
      output.push_back(std::move(run));
    }
    runs_.erase(age);
  }
  put_runs_in_order(output);
  if (!output.empty()) runs_[row.output_age] = std::move(output);
  changes.push_back({key_of('m', merge), std::nullopt});
  drop(gone, changes);
  return gone;
}

void Manifest::drop(const std::vector<ManifestRun>& gone, ManifestChanges& changes) {
  for (const ManifestRun& run : gone) {
    changes.push_back({key_of('d', run.run.id), run.encode()});
    dropped_[run.run.id] = run;
  }
}

void Manifest::forget(uint64_t run_id, ManifestChanges& changes) {
  changes.push_back({key_of('d', run_id), std::nullopt});
  dropped_.erase(run_id);
}

std::vector<ManifestRun> Manifest::give_up_merge(uint64_t merge, ManifestChanges& changes) {
  std::vector<ManifestRun> gone = std::move(parts_[merge]);
  for (const ManifestRun& part : gone) {
    changes.push_back({key_of('o', merge, part.run.id), std::nullopt});
  }
  parts_.erase(merge);
  merges_.erase(merge);
  changes.push_back({key_of('m', merge), std::nullopt});
  drop(gone, changes);
  return gone;
}

void Manifest::set_configuration(std::string configuration, ManifestChanges& changes) {
  configuration_ = std::move(configuration);
  changes.push_back({key_of('c'), configuration_});
}

void Manifest::set_policy(const PolicyOptions& policy, ManifestChanges& changes) {
  policy_ = policy;
  changes.push_back({key_of('p'), encode(policy_)});
}

}  // namespace aether::lsm
