// The operators of the CUDA kernels that run in an emulated grid, over tensors of the processor: cotrain_emulated::*.
// Their schemas are copied from cotrain::* by the tests.

#include "cuda/kernels.h"
#include "grid.h"
#include "multi_head_loss_binding.h"
#include "perturbation_binding.h"

namespace cotrain {
namespace {

// How many blocks a grid may hold at once, and what decides the order of its threads.
void set_grid(std::int64_t most_blocks, std::int64_t seed) {
  emulated::most_blocks = static_cast<unsigned int>(most_blocks);
  emulated::seed = static_cast<unsigned int>(seed);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(cotrain_emulated, CPU, m) {
  m.impl("multi_head_loss", TORCH_BOX(&multi_head_loss<losses_on_cuda>));
  m.impl("perturb", TORCH_BOX(&perturb<perturb_cuda>));
  m.impl("perturb_", TORCH_BOX(&perturb_<perturb_cuda>));
  m.impl("random_start", TORCH_BOX(&random_start<random_start_cuda>));
}

STABLE_TORCH_LIBRARY_IMPL(cotrain_emulated, CompositeExplicitAutograd, m) { m.impl("set_grid", TORCH_BOX(&set_grid)); }

}  // namespace cotrain
