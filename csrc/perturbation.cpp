// The perturbation operators on the CPU.

#include "perturbation_binding.h"

namespace cotrain {

STABLE_TORCH_LIBRARY_IMPL(cotrain, CPU, m) {
  m.impl("perturb", TORCH_BOX(&perturb<perturb_cpu>));
  m.impl("perturb_", TORCH_BOX(&perturb_<perturb_cpu>));
  m.impl("random_start", TORCH_BOX(&random_start<random_start_cpu>));
}

}  // namespace cotrain
