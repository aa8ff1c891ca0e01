// How the heads of a multi-head loss are cut into tiles for the blocks of a GPU: by their sizes and strides alone, never
// by the GPU, so that sums have the same bits on every one that computes alike.
//
// Shapes: n = samples, C = classes or values, P = positions. A *row* is the classes of one position. A *run* is a
// sample, or a part of one: positions of a loss over classes, else elements in the order [C, P]. A *tile* is some runs
// of one head, and what one block does before it looks for more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "cuda/warp.h"
#include "multi_head_loss.h"

namespace cotrain {

constexpr int loss_threads = 256;        // of a block
constexpr std::size_t table_heads = 12;  // that fit, with what else a kernel is given, into the 4 KiB of older drivers

// How many of a row's classes a thread keeps in registers, as far as they fit: 128 bytes.
constexpr int held_classes(std::size_t sum_bytes) { return static_cast<int>(128 / sum_bytes); }

struct PlannedHead : LossHead {
  int row_width = 1;              // threads that share a row: a power of 2 up to a warp, or the block
  bool is_held = false;           // in registers, row by row
  int run_width = 1;              // threads that share a run, of the same kind; row_width and more
  std::int64_t n_parts = 1;       // runs of a sample
  std::int64_t part_length = 1;   // positions, or elements, of a run; the last of a sample may have fewer
  std::int64_t runs_per_tile = 1;
  std::int64_t first_tile = 0, n_tiles = 1;
  std::int64_t first_part = 0;    // where the runs are kept, where a sample has several
  double known_share = -1;        // sum of weights, where it is known without a look at them
  double weight = 1;              // in the total

};

COTRAIN_HD std::int64_t n_runs_of(const PlannedHead& head) { return head.n_samples * head.n_parts; }

// Sums that blocks leave for one another.
struct Workspace {
  double* shares = nullptr;    // [tiles] of weights
  double* weighted = nullptr;  // [tiles] of weight * loss
  double* losses = nullptr;    // [H] head weight * head loss
  double* parts = nullptr;     // [parts, 2] loss and count of the runs of divided samples
};

// What one launch is given.
struct LossTable {
  PlannedHead heads[table_heads];
  int n_heads = 0;
  int first_head = 0, n_heads_in_all = 0;
  std::int64_t n_tiles = 0;
  bool weighs = false;  // whether a head's weights have to be summed first
  Workspace workspace;
  Incoming incoming;
  void* per_head = nullptr;  // [H] Sum
  void* total = nullptr;     // [] Sum; null = later heads are still to come
};

inline int power_of_two_from(std::int64_t n) {
  int power = 1;
  while (power < n) power *= 2;
  return power;
}

// Lanes next to one another read what lies next to one another: classes, or else rows.
inline int row_width_of(const LossHead& head, int held) {
  const std::int64_t to_next_row = head.n_positions > 1 ? head.outputs_at.position : head.outputs_at.sample;
  if (to_next_row < head.outputs_at.item) return 1;
  if (head.n_classes > warp * held) return loss_threads;
  return power_of_two_from(std::min<std::int64_t>((head.n_classes + 3) / 4, warp));
}

inline PlannedHead planned(const LossHead& head, int held) {
  constexpr std::int64_t run_elements = 8192;  // of a part: enough to pay for the sums at its end
  PlannedHead plan{head};
  const std::int64_t size = head.n_classes * head.n_positions;
  const bool over_classes = is_over_classes(head.kind);
  const std::int64_t length = over_classes ? head.n_positions : size;
  plan.part_length = length;
  if (over_classes) {
    plan.row_width = plan.run_width = row_width_of(head, held);
    if (length > 1 && plan.row_width < loss_threads) plan.run_width = length <= 1024 ? warp : loss_threads;
    // What lies further apart than an int can say is not what fits into registers.
    const std::int64_t widest = std::max({head.outputs_at.item, head.targets_at.item, head.gradient_at.item});
    plan.is_held = head.n_classes <= plan.row_width * static_cast<std::int64_t>(held) &&
                   head.n_classes * widest <= std::numeric_limits<std::int32_t>::max();
  } else {
    plan.run_width = size > run_elements ? loss_threads
                                         : power_of_two_from(std::clamp<std::int64_t>(size / 8, 1, warp));
  }
  if (plan.run_width == loss_threads && length > 1) {
    const std::int64_t at_once = loss_threads / plan.row_width;
    const std::int64_t steps = run_elements / (over_classes ? at_once * head.n_classes : at_once);
    plan.part_length = std::min(length, at_once * std::max<std::int64_t>(steps, 1));
    plan.n_parts = (length + plan.part_length - 1) / plan.part_length;
  }
  // Tiles large enough to pay for their sums, while there are enough of them for every block; never very many.
  const std::int64_t at_once = loss_threads / plan.run_width;
  const std::int64_t elements = at_once * plan.part_length * (over_classes ? head.n_classes : 1);
  const std::int64_t rounds = (n_runs_of(plan) + at_once - 1) / at_once;
  const std::int64_t worthwhile = std::min(run_elements / std::max<std::int64_t>(elements, 1), rounds / 1024);
  plan.runs_per_tile = at_once * std::max({std::int64_t{1}, worthwhile, (rounds + 4095) / 4096});
  plan.n_tiles = std::max<std::int64_t>(1, (n_runs_of(plan) + plan.runs_per_tile - 1) / plan.runs_per_tile);
  const bool all_count = head.mask == nullptr && head.codes == nullptr && over_classes;
  if (all_count && head.weights == nullptr && head.class_weights == nullptr) {
    plan.known_share = static_cast<double>(head.n_samples) * static_cast<double>(head.n_positions);
  }
  return plan;
}

}  // namespace cotrain
