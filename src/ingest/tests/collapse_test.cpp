// Goal: the net effect of a piece of changes is what applying them one by one gives. Method: random
// changes against a naive multiset of rows; the key index against a map.
#include "ingest/apply/collapse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "base/testing/seed.h"
#include "ingest/apply/key_index.h"

namespace minato::ingest {
namespace {

TableSchemaPtr table(bool keyed) {
  auto schema = std::make_shared<TableSchema>();
  schema->name = {"shop", "orders"};
  schema->columns = {{"id", {TypeKind::int64}}, {"name", {TypeKind::varchar}}};
  if (keyed) schema->key = {0};
  return schema;
}

void add(TableChanges& changes, Op op, std::int64_t id, const std::string& name) {
  changes.rows.columns[0].append(id);
  changes.rows.columns[1].append_string(name, *changes.rows.arena);
  changes.ops.push_back(op);
}

using Rows = std::multimap<std::int64_t, std::string>;

Rows net_effect(const Rows& before, const TableChanges& changes, const Collapsed& net) {
  Rows after = before;
  for (const Key& key : net.removes) {
    const auto found = std::find_if(after.begin(), after.end(), [&](const auto& row) {
      TableChanges one(changes.rows.schema);
      add(one, Op::insert, row.first, row.second);
      std::vector<Key> keys;
      append_keys(key_columns(one.rows), keys);
      return keys[0] == key;
    });
    EXPECT_NE(found, after.end()) << "removes a row that is not there";
    if (found != after.end()) after.erase(found);
  }
  for (const std::uint32_t row : net.inserts) {
    after.emplace(changes.rows.columns[0].get<std::int64_t>(row),
                  changes.rows.columns[1].string(row));
  }
  return after;
}

void random_changes(bool keyed, std::uint32_t seed) {
  std::mt19937 random(seed);
  Rows lake;
  for (std::int64_t id = 0; id < 8; ++id) lake.emplace(id, "a");
  Rows now = lake;
  TableChanges changes(table(keyed));
  for (int step = 0; step < 60; ++step) {
    const std::int64_t id = random() % 12;
    const std::string name(1 + random() % 2, static_cast<char>('a' + random() % 2));
    const auto found = now.find(id);
    if (found == now.end() || (!keyed && random() % 3 == 0)) {
      add(changes, Op::insert, id, name);
      now.emplace(id, name);
    } else if (random() % 2 == 0) {
      add(changes, Op::remove, id, found->second);
      now.erase(found);
    } else {
      std::int64_t new_id = random() % 3 == 0 ? static_cast<std::int64_t>(random() % 12) : id;
      if (keyed && new_id != id && now.contains(new_id)) new_id = id;
      add(changes, Op::update_before, id, found->second);
      add(changes, Op::update_after, new_id, name);
      now.erase(found);
      now.emplace(new_id, name);
    }
  }
  const auto net = collapse(changes, true);
  ASSERT_TRUE(net) << describe(net.error());
  const auto sorted = [](const Rows& rows) {
    std::vector<std::pair<std::int64_t, std::string>> out(rows.begin(), rows.end());
    std::ranges::sort(out);
    return out;
  };
  EXPECT_EQ(sorted(net_effect(lake, changes, *net)), sorted(now)) << "seed " << seed;
  EXPECT_EQ(net->insert_keys.size(), net->inserts.size());
}

TEST(Collapse, EqualsRowByRow) {
  const std::uint32_t seed = test_seed();
  for (std::uint32_t run = 0; run < 300; ++run) {
    random_changes(true, seed + run);
    random_changes(false, seed + run);
  }
}

TEST(Collapse, ContradictionsAreErrors) {
  TableChanges twice(table(true));
  add(twice, Op::insert, 1, "a");
  add(twice, Op::remove, 1, "a");
  add(twice, Op::remove, 1, "a");
  EXPECT_EQ(collapse(twice, true).error().code, Code::conflict);
}

TEST(Key, WideningChangesNoKey) {
  ColumnData narrow({TypeKind::int32});
  ColumnData wide({TypeKind::int64});
  ColumnData text({TypeKind::varchar});
  StringArena arena;
  std::vector<Key> narrow_keys;
  std::vector<Key> wide_keys;
  for (const std::int32_t value : {0, -1, 5, INT32_MAX, INT32_MIN}) {
    narrow.append(value);
    wide.append(std::int64_t{value});
    text.append_string("注文" + std::to_string(value), arena);
  }
  const std::vector<ColumnView> single_narrow{narrow};
  const std::vector<ColumnView> single_wide{wide};
  append_keys(single_narrow, narrow_keys);
  append_keys(single_wide, wide_keys);
  EXPECT_EQ(narrow_keys, wide_keys);
  const std::vector<ColumnView> double_narrow{narrow, text};
  const std::vector<ColumnView> double_wide{wide, text};
  append_keys(double_narrow, narrow_keys);
  append_keys(double_wide, wide_keys);
  EXPECT_EQ(narrow_keys, wide_keys);
}

TEST(KeyIndex, MultisetKeepsCounts) {
  KeyIndex index(true);
  const Key key{7, 1};
  for (std::uint32_t row = 0; row < 100; ++row) EXPECT_TRUE(index.insert(key, {0, row}));
  EXPECT_TRUE(index.move(key, {0, 40}, {9, 9}));
  std::set<std::pair<std::uint32_t, std::uint32_t>> places;
  for (int n = 0; n < 100; ++n) {
    const auto place = index.take(key);
    ASSERT_TRUE(place);
    places.emplace(place->slot, place->row);
  }
  EXPECT_EQ(places.size(), 100U);
  EXPECT_TRUE(places.contains({9, 9}));
  EXPECT_FALSE(index.take(key));
}

}  // namespace
}  // namespace minato::ingest
