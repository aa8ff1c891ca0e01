// The operators' kernels on CUDA.

#include "cuda/kernels.h"
#include "multi_head_loss_binding.h"
#include "perturbation_binding.h"

namespace cotrain {

STABLE_TORCH_LIBRARY_IMPL(cotrain, CUDA, m) {
  m.impl("multi_head_loss", TORCH_BOX(&multi_head_loss<losses_on_cuda>));
  m.impl("perturb", TORCH_BOX(&perturb<perturb_cuda>));
  m.impl("perturb_", TORCH_BOX(&perturb_<perturb_cuda>));
  m.impl("random_start", TORCH_BOX(&random_start<random_start_cuda>));
}

}  // namespace cotrain
