#include "transactions.h"

#include <algorithm>
#include <cstdio>

#include "peers/process.h"

/// Returns what is not ok from the enclosing function.
#define TPCC_TRY(expression)                                                        \
  do {                                                                              \
    if (const Status status_ = (expression); status_ != Status::ok) return status_; \
  } while (false)

namespace aether::bench::tpcc {
namespace {

constexpr uint32_t kUnusedItem = kItems + 1;
constexpr size_t
    kSameNamesMax = 256;  // Three customers share a name; the likeliest name has some fifty.

uint32_t other_warehouse(Random& random, uint32_t home, uint32_t warehouses) {
  const uint32_t other = random.between(1, warehouses - 1);
  return other < home ? other : other + 1;
}

/// What a customer with bad credit has in its data: the payment, and the older data behind it.
void note_payment(const PaymentInput& input, uint32_t customer, Text<500>& data) {
  char note[64];
  const int length = std::snprintf(note, sizeof note, "%u %u %u %u %u %lld|", customer,
                                   input.customer_district, input.customer_warehouse,
                                   input.district, input.warehouse,
                                   static_cast<long long>(input.amount));
  const auto size = static_cast<size_t>(length);
  std::memmove(data.data() + size, data.data(), data.size() - size);
  std::memcpy(data.data(), note, size);
}

}  // namespace

NewOrderInput draw_new_order(Random& random, uint32_t warehouses) {
  NewOrderInput input{};
  input.warehouse = random.between(1, warehouses);
  input.district = random.between(1, kDistricts);
  input.customer = random.customer();
  input.count = random.between(kLinesMin, kLinesMax);
  input.all_local = true;
  for (uint32_t i = 0; i < input.count; ++i) {
    NewOrderInput::Line& line = input.lines[i];
    line.item = random.item();
    line.quantity = static_cast<uint8_t>(random.between(1, 10));
    const bool remote = warehouses > 1 && random.percent(1);
    line.supply_warehouse = static_cast<uint16_t>(
        remote ? other_warehouse(random, input.warehouse, warehouses) : input.warehouse);
    input.all_local = input.all_local && !remote;
  }
  input.with_unused_item = random.percent(1);
  const auto end = input.lines.begin() + input.count;
  if (input.with_unused_item) (end - 1)->item = kUnusedItem;
  std::sort(input.lines.begin(), input.with_unused_item ? end - 1 : end,
            [](const NewOrderInput::Line& a, const NewOrderInput::Line& b) {
              return a.supply_warehouse != b.supply_warehouse
                         ? a.supply_warehouse < b.supply_warehouse
                         : a.item < b.item;
            });
  return input;
}

PaymentInput draw_payment(Random& random, uint32_t warehouses, uint32_t lane, uint64_t number) {
  PaymentInput input{};
  input.warehouse = input.customer_warehouse = random.between(1, warehouses);
  input.district = input.customer_district = random.between(1, kDistricts);
  if (warehouses > 1 && random.percent(15)) {
    input.customer_warehouse = other_warehouse(random, input.warehouse, warehouses);
    input.customer_district = random.between(1, kDistricts);
  }
  input.by_last_name = random.percent(60);
  if (input.by_last_name) {
    input.last = last_name(random.last_name_for_run());
  } else {
    input.customer = random.customer();
  }
  input.amount = random.between(100, 500000);
  input.lane = lane;
  input.history_number = number;
  return input;
}

Status Transactions::fail(std::string why) {
  error_ = std::move(why);
  return Status::failed;
}

template <typename Row>
Status Transactions::checked(Status status, Table table, Bytes value, Row& row) {
  if (status == Status::ok && read_row(value, row)) return status;
  if (asks_for_retry(status)) return status;
  return fail(std::string("a row of ") + table_name(index_of(table)) + ": " + to_word(status) +
              " " + connection_.error());
}

template <typename Row>
Status Transactions::read(Table table, const Key& key, Row& row) {
  const Status status = connection_.get(table, key, value_);
  return checked(status, table, value_, row);
}

template <typename Row>
Status Transactions::read_for_update(Table table, const Key& key, Row& row) {
  const Status status = connection_.get_for_update(table, key, value_);
  return checked(status, table, value_, row);
}

Status Transactions::written(Status status, Table table) {
  if (status == Status::ok || asks_for_retry(status)) return status;
  return fail(std::string("writing ") + table_name(index_of(table)) + ": " + to_word(status) + " " +
              connection_.error());
}

Status Transactions::new_order(const NewOrderInput& input) {
  const uint32_t w = input.warehouse;
  const uint32_t d = input.district;
  TPCC_TRY(written(connection_.begin(), Table::warehouse));

  // First the row that others change too: who waits for it has read nothing yet that could grow old.
  District district;
  const Key at_district = district_key(w, d);
  TPCC_TRY(read_for_update(Table::district, at_district, district));
  Warehouse warehouse;
  TPCC_TRY(read(Table::warehouse, warehouse_key(w), warehouse));
  const uint32_t order = district.next_order++;
  TPCC_TRY(written(connection_.update(Table::district, at_district, row_bytes(district)),
                   Table::district));
  Customer customer;
  TPCC_TRY(read(Table::customer, customer_key(w, d, input.customer), customer));

  Order row{};
  row.entered = clock_ns();
  row.customer = input.customer;
  row.lines = static_cast<uint8_t>(input.count);
  row.all_local = input.all_local ? 1 : 0;
  const Key at_order = order_key(w, d, order);
  TPCC_TRY(written(connection_.insert(Table::order, at_order, row_bytes(row)), Table::order));
  TPCC_TRY(written(connection_.insert(Table::new_order, at_order, row_bytes(NewOrder{order})),
                   Table::new_order));
  TPCC_TRY(read_lines(input));
  for (uint32_t n = 0; n < input.count; ++n) TPCC_TRY(add_line(input, order, n));
  return written(connection_.commit(), Table::order);
}

/// The items and their stock, which all are known before.
Status Transactions::read_lines(const NewOrderInput& input) {
  const size_t count = input.count - (input.with_unused_item ? 1u : 0u);
  std::array<Key, kLinesMax> places;
  std::array<Bytes, kLinesMax> keys;
  for (size_t n = 0; n < count; ++n) keys[n] = places[n] = item_key(input.lines[n].item);
  const std::span<const Bytes> asked(keys.data(), count);
  TPCC_TRY(written(connection_.get_many(Table::item, asked, false, items_), Table::item));
  for (size_t n = 0; n < count; ++n) {
    const NewOrderInput::Line& line = input.lines[n];
    keys[n] = places[n] = stock_key(line.supply_warehouse, line.item);
  }
  return written(connection_.get_many(Table::stock, asked, true, stocks_), Table::stock);
}

Status Transactions::add_line(const NewOrderInput& input, uint32_t order, uint32_t number) {
  const NewOrderInput::Line& line = input.lines[number];
  if (line.item == kUnusedItem) {
    // Looked up all the same: that it is not there is what the user is told.
    const Status status = connection_.get(Table::item, item_key(line.item), value_);
    return status == Status::ok ? fail("the unused item is there") : status;
  }
  Item item;
  TPCC_TRY(checked(Status::ok, Table::item, items_[number], item));
  OrderLine row{};
  TPCC_TRY(take_stock(input, number, row.dist_info));
  row.amount = line.quantity * item.price;
  row.item = line.item;
  row.supply_warehouse = line.supply_warehouse;
  row.quantity = line.quantity;
  const Key key = order_line_key(input.warehouse, input.district, order, number + 1);
  return written(connection_.insert(Table::order_line, key, row_bytes(row)), Table::order_line);
}

Status Transactions::take_stock(const NewOrderInput& input, uint32_t number, Text<24>& info) {
  const NewOrderInput::Line& line = input.lines[number];
  Stock stock;
  const Key key = stock_key(line.supply_warehouse, line.item);
  TPCC_TRY(checked(Status::ok, Table::stock, stocks_[number], stock));
  stock.quantity -= line.quantity;
  if (stock.quantity < 10) stock.quantity += 91;
  stock.ytd += line.quantity;
  ++stock.orders;
  if (line.supply_warehouse != input.warehouse) ++stock.remote_orders;
  info = stock.dist_info[input.district - 1];
  const Bytes bytes = row_bytes(stock);
  // The lines are in the order of their stock rows: the next one may be of the same.
  if (number + 1 < input.count && input.lines[number + 1].item == line.item &&
      input.lines[number + 1].supply_warehouse == line.supply_warehouse)
    stocks_[number + 1] = bytes;
  return written(connection_.update(Table::stock, key, bytes), Table::stock);
}

Status Transactions::payment(const PaymentInput& input) {
  TPCC_TRY(written(connection_.begin(), Table::warehouse));

  Warehouse warehouse;
  const Key at_warehouse = warehouse_key(input.warehouse);
  TPCC_TRY(read_for_update(Table::warehouse, at_warehouse, warehouse));
  warehouse.ytd += input.amount;
  TPCC_TRY(written(connection_.update(Table::warehouse, at_warehouse, row_bytes(warehouse)),
                   Table::warehouse));
  District district;
  const Key at_district = district_key(input.warehouse, input.district);
  TPCC_TRY(read_for_update(Table::district, at_district, district));
  district.ytd += input.amount;
  TPCC_TRY(written(connection_.update(Table::district, at_district, row_bytes(district)),
                   Table::district));

  uint32_t customer = input.customer;
  if (input.by_last_name) TPCC_TRY(find_by_last_name(input, customer));
  TPCC_TRY(pay_customer(input, customer));

  History row{};
  row.amount = input.amount;
  row.date = clock_ns();
  row.customer = customer;
  row.customer_warehouse = static_cast<uint16_t>(input.customer_warehouse);
  row.customer_district = static_cast<uint8_t>(input.customer_district);
  row.warehouse = static_cast<uint16_t>(input.warehouse);
  row.district = static_cast<uint8_t>(input.district);
  std::memcpy(row.data.data(), warehouse.name.data(), warehouse.name.size());
  std::memcpy(row.data.data() + 14, district.name.data(), district.name.size());
  const Key key = history_key(input.lane, input.history_number);
  TPCC_TRY(written(connection_.insert(Table::history, key, row_bytes(row)), Table::history));
  return written(connection_.commit(), Table::history);
}

/// The customer in the middle, rounded up, of those with this last name by first name.
Status Transactions::find_by_last_name(const PaymentInput& input, uint32_t& customer) {
  const Key begin = last_name_key(input.customer_warehouse, input.customer_district, input.last);
  Key end = begin;
  end.u8(0xff);  // Above every first name: they are ASCII.
  std::array<uint32_t, kSameNamesMax> found;
  size_t count = 0;
  const Status status = connection_.scan(
      Table::customer_name, begin, end, [&found, &count](Bytes key, Bytes) {
        found[count++] = static_cast<uint32_t>(key_number(key, key.size() - 4, 4));
        return count < kSameNamesMax;
      });
  TPCC_TRY(written(status, Table::customer_name));
  if (count == 0) return fail("no customer of the name " + std::string(text_of(input.last)));
  customer = found[(count - 1) / 2];
  return Status::ok;
}

Status Transactions::pay_customer(const PaymentInput& input, uint32_t customer) {
  Customer row;
  const Key key = customer_key(input.customer_warehouse, input.customer_district, customer);
  TPCC_TRY(read_for_update(Table::customer, key, row));
  row.balance -= input.amount;
  row.ytd_payment += input.amount;
  ++row.payments;
  if (row.credit[0] == 'B') note_payment(input, customer, row.data);
  return written(connection_.update(Table::customer, key, row_bytes(row)), Table::customer);
}

}  // namespace aether::bench::tpcc
