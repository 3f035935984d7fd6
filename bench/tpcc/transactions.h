/// New-order and payment (clauses 2.4, 2.5): their inputs, and one attempt of each.
///
/// Threads  One thread an object.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "random.h"
#include "schema.h"
#include "store.h"

namespace aether::bench::tpcc {

enum class Kind : uint8_t { new_order, payment };
inline constexpr size_t kKinds = 2;

struct NewOrderInput {
  struct Line {
    uint32_t item;
    uint16_t supply_warehouse;
    uint8_t quantity;
  };
  uint32_t warehouse;
  uint32_t district;
  uint32_t customer;
  uint32_t count;  ///< Of the lines.
  std::array<Line, kLinesMax> lines;
  bool all_local;
  bool with_unused_item;  ///< The last line names one: the transaction is to roll back.
};

struct PaymentInput {
  uint32_t warehouse;
  uint32_t district;
  uint32_t customer_warehouse;
  uint32_t customer_district;
  bool by_last_name;
  uint32_t customer;  ///< If not by last name.
  Text<16> last;      ///< If by last name.
  int64_t amount;
  uint32_t lane;  ///< With the number, the key of its row of history.
  uint64_t history_number;
};

/// 1 % with an unused item; with more than one warehouse, 1 % of the lines from another one. The lines are in the
/// order of their stock rows, so that lockers meet few deadlocks.
NewOrderInput draw_new_order(Random& random, uint32_t warehouses);
/// 60 % by last name; with more than one warehouse, 15 % for a customer of another one.
PaymentInput draw_payment(Random& random, uint32_t warehouses, uint32_t lane, uint64_t number);

/// One attempt of a transaction on one connection. After anything but `ok` the caller aborts.
class Transactions {
 public:
  explicit Transactions(Connection& connection) : connection_(connection) {}

  /// `not_found`: an unused item, as the input says.
  Status new_order(const NewOrderInput& input);
  Status payment(const PaymentInput& input);

  /// Why the last attempt failed.
  const std::string& error() const noexcept { return error_; }

 private:
  template <typename Row>
  Status read(Table table, const Key& key, Row& row);
  template <typename Row>
  Status read_for_update(Table table, const Key& key, Row& row);
  template <typename Row>
  Status checked(Status status, Table table, Bytes value, Row& row);
  Status written(Status status, Table table);
  Status read_lines(const NewOrderInput& input);
  Status add_line(const NewOrderInput& input, uint32_t order, uint32_t number);
  Status take_stock(const NewOrderInput& input, uint32_t number, Text<24>& info);
  Status find_by_last_name(const PaymentInput& input, uint32_t& customer);
  Status pay_customer(const PaymentInput& input, uint32_t customer);
  Status fail(std::string why);

  Connection& connection_;
  std::string value_;
  std::array<std::string, kLinesMax> items_;  ///< Of the lines, as read.
  std::array<std::string, kLinesMax> stocks_;
  std::string error_;
};

}  // namespace aether::bench::tpcc
