#include "isolation/findings.h"

#include <algorithm>

namespace aether::isolation {
namespace {

constexpr size_t kListTold = 10;  // Of a longer list only this many are written out,
constexpr size_t kOpsTold = 16;   // and of a longer transaction only so many operations.

std::string describe_op(const Op& op) {
  switch (op.kind) {
    case OpKind::append:
      return "append k" + std::to_string(op.key) + " " + std::to_string(op.value());
    case OpKind::write: return "write " + describe_value(op.key, op.value());
    case OpKind::read: return "read " + describe_value(op.key, op.value());
    case OpKind::read_list:
      return "read k" + std::to_string(op.key) + " = " + describe_list(op.data);
    case OpKind::scan: break;
  }
  std::string text = "scan k" + std::to_string(op.key) + "..k" + std::to_string(op.last) + " = {";
  for (size_t i = 0; i < op.data.size() && i < 2 * kListTold; i += 2) {
    text += (i == 0 ? "" : ", ") + describe_value(op.data[i], op.data[i + 1]);
  }
  return text + (op.data.size() > 2 * kListTold ? ", ...}" : "}");
}

}  // namespace

void Findings::add(Anomaly anomaly, std::vector<TxnId> transactions,
                   const std::function<std::string()>& text) {
  const size_t before = report_.counts[static_cast<size_t>(anomaly)]++;
  if (before >= told_max()) return;
  Finding finding{anomaly, std::move(transactions), text()};
  for (const TxnId txn : finding.transactions) {
    finding.text += "\n      " + describe_txn(index_, txn);
  }
  (forbids(options_.level, anomaly) ? report_.violations : report_.allowed)
      .push_back(std::move(finding));
}

std::string describe_value(Key key, Value value) {
  return "k" + std::to_string(key) + " = " +
         (value == kNoValue ? "nothing" : std::to_string(value));
}

std::string describe_list(std::span<const Value> list) {
  std::string text = list.size() > kListTold ? "[... " : "[";
  const size_t from = list.size() > kListTold ? list.size() - kListTold : 0;
  for (size_t i = from; i < list.size(); ++i) {
    text += (i == from ? "" : " ") + std::to_string(list[i]);
  }
  return text + "]";
}

std::string describe_txn(const VersionIndex& index, TxnId txn) {
  constexpr std::string_view kOutcomes[] = {"committed", "aborted", "unknown"};
  const TxnRecord& record = index.txn(txn);
  std::string text = "T" + std::to_string(txn) + " (session " +
                     std::to_string(index.session_of(txn)) + ", " +
                     std::string(name_of(record.level)) + ", " +
                     std::string(kOutcomes[static_cast<size_t>(record.outcome)]) + ", time " +
                     std::to_string(record.begin) + ".." + std::to_string(record.end) + "):";
  size_t told = 0;
  Op op;
  for (OpReader ops(record); ops.next(op);) {
    if (++told > kOpsTold) return text + " ...";
    text += (told == 1 ? " " : "; ") + describe_op(op);
  }
  return text;
}

}  // namespace aether::isolation
