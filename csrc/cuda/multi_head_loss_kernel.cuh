// The one kernel of the multi-head loss. Its blocks go through it together:
//
//     weigh    the sums of weights, tile by tile, of heads that need them before the gradient
//     lose     losses and gradients, tile by tile
//     total    each head's loss, by the first block; means of samples that were divided, by all
//
// Every sum is kept apart by tile and added in the order of the tiles: which block came when changes no bit.
#pragma once

#include <cooperative_groups.h>

#include <cstdint>
#include <limits>

#include "cuda/element_runs.cuh"
#include "cuda/loss_counting.cuh"
#include "cuda/loss_plan.h"
#include "cuda/softmax_rows.cuh"
#include "cuda/teams.cuh"

namespace cotrain {

using LossBlock = BlockTeam<loss_threads>;

__device__ inline void wait_for_all_blocks() { cooperative_groups::this_grid().sync(); }

__device__ inline int head_of(const LossTable& table, std::int64_t tile) {
  int h = 0;
  while (h + 1 < table.n_heads && tile >= table.heads[h + 1].first_tile) ++h;
  return h;
}

// sums / share; 0 where nothing counts, NaN where something cannot be.
__device__ inline double mean_of(double sum, double share) { return share > 0 || share != share ? sum / share : 0.0; }

// The sum of a head's tiles, in every thread of the block.
__device__ inline double sum_of_tiles(const PlannedHead& head, const double* of_tile) {
  double sum[1] = {0};
  for (std::int64_t tile = threadIdx.x; tile < head.n_tiles; tile += loss_threads) {
    sum[0] += of_tile[head.first_tile + tile];
  }
  LossBlock().sum(sum);
  return sum[0];
}

__device__ inline double share_of_head(const PlannedHead& head, const Workspace& workspace) {
  return head.known_share >= 0 ? head.known_share : sum_of_tiles(head, workspace.shares);
}

// What the gradient of a head's loss is to be multiplied with, before its share.
template <typename Sum>
__device__ double gradient_scale_of(const LossTable& table, int h) {
  const double own = table.heads[h].gradient_scale;
  const auto* of_total = static_cast<const Sum*>(table.incoming.of_total);
  const auto* of_heads = static_cast<const Sum*>(table.incoming.of_heads);
  if (of_total == nullptr && of_heads == nullptr) return own;
  // What weighs nothing in the total learns nothing from it, not even NaN.
  const double from_total = of_total == nullptr || own == 0 ? 0.0 : own * double(*of_total);
  return from_total + (of_heads == nullptr ? 0.0 : double(of_heads[table.first_head + h]));
}

// The end of a run: {sum of losses, how many count} of its threads becomes its sample's mean, or a part of that. What
// comes back is the thread's part of the tile's sum of weight * loss.
template <typename Sum>
__device__ double close_run(const PlannedHead& head, const Run& run, const Workspace& workspace, double (&own)[2],
                            bool is_spread) {
  if (is_spread) LossTeam(head.run_width).sum(own);
  if (!run.exists || threadIdx.x % head.run_width != 0) return 0;
  if (head.n_parts == 1) {
    static_cast<Sum*>(head.per_sample)[run.sample] = static_cast<Sum>(own[1] > 0 ? own[0] / own[1] : 0.0);
  } else {
    double* part = workspace.parts + 2 * (head.first_part + run.number);
    part[0] = own[0];
    part[1] = own[1];
  }
  return double(weight_of<Sum>(head, run.sample)) * own[0];
}

// Each of these returns the thread's part of the tile's sum of weight * loss. Apart from the kernel and from one another,
// so that each has all registers to itself.
template <typename E, int held, bool is_vector>
__device__ __noinline__ double softmax_tile(const PlannedHead& head, std::int64_t tile, double scale,
                                            const Workspace& workspace) {
  using Sum = typename E::Sum;
  const LossTeam team(head.row_width);
  const int thread = static_cast<int>(threadIdx.x);
  const int rows_at_once = head.run_width / head.row_width;
  const int row = thread % head.run_width / head.row_width;
  const std::int64_t end = end_of_tile(head, tile);
  double weighted = 0;
  // Runs that do not exist go along, because the threads of a warp must.
  for (std::int64_t first = tile * head.runs_per_tile; first < end; first += loss_threads / head.run_width) {
    const Run run(head, first + thread / head.run_width, end);
    double own[2] = {0, 0};
    for (std::int64_t at = row; at - row < head.part_length; at += rows_at_once) {
      const std::int64_t position = run.begin + at;
      const Spot<Sum> spot = spot_at<Sum>(head, run.sample, position, position < run.end);
      const Sum loss = softmax_row<E, held, is_vector>(head, team, spot, scale);
      if (team.rank == 0 && (spot.is_live || spot.is_faulty)) {
        own[0] += double(loss);
        own[1] += 1;
      }
    }
    weighted += close_run<Sum>(head, run, workspace, own, rows_at_once > 1);
  }
  return weighted;
}

template <typename E>
__device__ __noinline__ double element_tile(const PlannedHead& head, std::int64_t tile, double scale,
                                            const Workspace& workspace) {
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t end = end_of_tile(head, tile);
  double weighted = 0;
  for (std::int64_t first = tile * head.runs_per_tile; first < end; first += loss_threads / head.run_width) {
    const Run run(head, first + thread / head.run_width, end);
    double own[2] = {0, 0};
    if (run.exists) {
      const ElementSums sums = element_run<E>(head, run, thread % head.run_width, head.run_width, scale);
      own[0] = sums.loss;
      own[1] = sums.count;
    }
    weighted += close_run<typename E::Sum>(head, run, workspace, own, head.run_width > 1);
  }
  return weighted;
}

template <typename E, bool is_vector>
__device__ double tile_over_classes(const PlannedHead& head, std::int64_t tile, double scale,
                                    const Workspace& workspace) {
  constexpr int held = held_classes(sizeof(typename E::Sum));
  return head.is_held ? softmax_tile<E, held, is_vector>(head, tile, scale, workspace)
                      : softmax_tile<E, 0, is_vector>(head, tile, scale, workspace);
}

template <typename E>
__device__ double lose_tile(const PlannedHead& head, std::int64_t tile, double scale, const Workspace& workspace) {
  if (!is_over_classes(head.kind)) return element_tile<E>(head, tile, scale, workspace);
  return has_vector_target(head) ? tile_over_classes<E, true>(head, tile, scale, workspace)
                                 : tile_over_classes<E, false>(head, tile, scale, workspace);
}

// The parts of a divided sample become its mean; a warp to a sample.
template <typename Sum>
__device__ void join_parts(const PlannedHead& head, const Workspace& workspace) {
  const std::int64_t n_warps = static_cast<std::int64_t>(gridDim.x) * (loss_threads / warp);
  const std::int64_t own = static_cast<std::int64_t>(blockIdx.x) * (loss_threads / warp) + threadIdx.x / warp;
  const WarpTeam team(warp);
  for (std::int64_t sample = own; sample < head.n_samples; sample += n_warps) {
    const double* parts = workspace.parts + 2 * (head.first_part + sample * head.n_parts);
    double sums[2] = {0, 0};
    for (std::int64_t part = team.rank; part < head.n_parts; part += warp) {
      sums[0] += parts[2 * part];
      sums[1] += parts[2 * part + 1];
    }
    team.sum(sums);
    if (team.rank != 0) continue;
    static_cast<Sum*>(head.per_sample)[sample] = static_cast<Sum>(sums[1] > 0 ? sums[0] / sums[1] : 0.0);
  }
}

// By one block.
template <typename Sum>
__device__ void store_losses(const LossTable& table) {
  const Workspace& workspace = table.workspace;
  for (int h = 0; h < table.n_heads; ++h) {
    const PlannedHead& head = table.heads[h];
    const double loss = mean_of(sum_of_tiles(head, workspace.weighted), share_of_head(head, workspace));
    if (threadIdx.x != 0) continue;
    static_cast<Sum*>(table.per_head)[table.first_head + h] = static_cast<Sum>(loss);
    workspace.losses[table.first_head + h] = head.weight * loss;
  }
  if (table.total == nullptr || threadIdx.x != 0) return;
  double total = 0;
  for (int h = 0; h < table.n_heads_in_all; ++h) total += workspace.losses[h];
  *static_cast<Sum*>(table.total) = static_cast<Sum>(total);
}

template <typename E>
__global__ void __launch_bounds__(loss_threads, 2) multi_head_loss_kernel(const __grid_constant__ LossTable table) {
  using Sum = typename E::Sum;
  const Workspace& workspace = table.workspace;
  if (table.weighs) {
    for (std::int64_t tile = blockIdx.x; tile < table.n_tiles; tile += gridDim.x) {
      const PlannedHead& head = table.heads[head_of(table, tile)];
      if (head.known_share >= 0) continue;
      double share[1] = {weigh_tile<E>(head, tile - head.first_tile)};
      LossBlock().sum(share);
      if (threadIdx.x == 0) workspace.shares[tile] = share[0];
    }
    wait_for_all_blocks();
  }
  int at = -1;
  double scale = 0;
  for (std::int64_t tile = blockIdx.x; tile < table.n_tiles; tile += gridDim.x) {
    const int h = head_of(table, tile);
    const PlannedHead& head = table.heads[h];
    if (h != at) {
      at = h;
      scale = mean_of(gradient_scale_of<Sum>(table, h), share_of_head(head, workspace));
    }
    double weighted[1] = {lose_tile<E>(head, tile - head.first_tile, scale, workspace)};
    LossBlock().sum(weighted);
    if (threadIdx.x == 0) workspace.weighted[tile] = weighted[0];
  }
  wait_for_all_blocks();
  for (int h = 0; h < table.n_heads; ++h) {
    if (table.heads[h].n_parts > 1) join_parts<Sum>(table.heads[h], workspace);
  }
  if (blockIdx.x == 0) store_losses<Sum>(table);
}

}  // namespace cotrain
