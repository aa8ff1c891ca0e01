// cotrain::multi_head_loss on CUDA: heads become tiles, and one launch goes through all of them (of many heads: one for
// each group that fits into a kernel's arguments).

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/loss_plan.h"
#include "cuda/multi_head_loss_kernel.cuh"
#include "cuda/on_device.h"
#include "fresh.h"

namespace cotrain {
namespace {

// The heads in groups, each of which is one launch; places in the workspace are given out to all of them.
std::vector<LossTable> tables_of(const std::vector<LossHead>& heads, const std::vector<double>& head_weights,
                                 int held) {
  std::vector<LossTable> tables;
  std::int64_t n_parts = 0;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    if (h % table_heads == 0) {
      tables.emplace_back();
      tables.back().first_head = static_cast<int>(h);
      tables.back().n_heads_in_all = static_cast<int>(heads.size());
    }
    LossTable& table = tables.back();
    PlannedHead& head = table.heads[table.n_heads++];
    head = planned(heads[h], held);
    head.weight = head_weights[h];
    head.first_tile = table.n_tiles;
    head.first_part = n_parts;
    table.n_tiles += head.n_tiles;
    table.weighs = table.weighs || head.known_share < 0;
    if (head.n_parts > 1) n_parts += n_runs_of(head);
  }
  return tables;
}

// [n] doubles for all groups, which come one after the other and share those of the tiles.
Tensor workspace_for(std::vector<LossTable>& tables, Place place) {
  std::int64_t n_tiles = 0, n_parts = 0;
  for (const LossTable& table : tables) {
    n_tiles = std::max(n_tiles, table.n_tiles);
    for (int h = 0; h < table.n_heads; ++h) {
      const PlannedHead& head = table.heads[h];
      if (head.n_parts > 1) n_parts = head.first_part + n_runs_of(head);
    }
  }
  const std::int64_t n_heads = tables.front().n_heads_in_all;
  const Tensor workspace = fresh({2 * n_tiles + n_heads + 2 * n_parts}, ScalarType::Double, place);
  auto* numbers = static_cast<double*>(workspace.mutable_data_ptr());
  for (LossTable& table : tables) {
    table.workspace = {numbers, numbers + n_tiles, numbers + 2 * n_tiles, numbers + 2 * n_tiles + n_heads};
  }
  return workspace;
}

// How many blocks of the kernel the current GPU holds at once.
template <typename E>
std::int64_t most_blocks() {
  int gpu = 0, processors = 0, of_each = 0;
  require_launched(cudaGetDevice(&gpu));
  require_launched(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, gpu));
  require_launched(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&of_each, multi_head_loss_kernel<E>, loss_threads, 0));
  return static_cast<std::int64_t>(processors) * of_each;
}

template <typename E>
void launch_for(std::vector<LossTable>& tables, cudaStream_t stream) {
  static_assert(sizeof(LossTable) <= 4096, "A kernel of older drivers takes no more.");
  const std::int64_t most = most_blocks<E>();
  for (LossTable& table : tables) {
    const auto blocks = static_cast<unsigned int>(std::min(table.n_tiles, most));
    require_launched(launch(multi_head_loss_kernel<E>, Blocks::together, blocks, loss_threads, stream, table));
  }
}

}  // namespace

void losses_on_cuda(Element element, const std::vector<LossHead>& heads, const Incoming& incoming,
                    const std::vector<double>& head_weights, Tensor& total, Tensor& per_head) {
  const Place place = place_of(total);
  const OnDevice here(place.gpu);
  std::vector<LossTable> tables = tables_of(heads, head_weights, held_classes(element == Element::float64 ? 8 : 4));
  const Tensor workspace = workspace_for(tables, place);
  for (LossTable& table : tables) {
    table.incoming = incoming;
    table.per_head = per_head.mutable_data_ptr();
  }
  tables.back().total = total.mutable_data_ptr();
  switch (element) {
    case Element::float64: return launch_for<Plain<double>>(tables, here.stream);
    case Element::bfloat16: return launch_for<Brain16>(tables, here.stream);
    case Element::float16: return launch_for<Half16>(tables, here.stream);
    default: return launch_for<Plain<float>>(tables, here.stream);
  }
}

}  // namespace cotrain
