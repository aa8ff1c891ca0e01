// A run of features of one sample, on one instruction set. Compiled once per namespace by for_each_isa.h.

// Features [begin, end) of sample i. `out` may be `perturbed`: each element is read before it is written.
template <typename E>
void linf_run(const LinfStep& step, std::int64_t i, std::int64_t begin, std::int64_t end) {
  using Raw = typename E::Raw;
  using Sum = typename E::Sum;
  const Raw* perturbed = static_cast<const Raw*>(step.perturbed) + i * step.n_features;
  const Raw* clean = static_cast<const Raw*>(step.clean) + i * step.n_features;
  const Raw* gradient = static_cast<const Raw*>(step.gradient) + i * step.n_features;
  Raw* out = static_cast<Raw*>(step.out) + i * step.n_features;
  const auto* lower = static_cast<const Sum*>(step.lower_per_feature);
  const auto* upper = static_cast<const Sum*>(step.upper_per_feature);
  const Sum size = static_cast<Sum>(step.step_size);
  const Sum epsilon = step.epsilon_per_sample == nullptr ? static_cast<Sum>(step.epsilon)
                                                         : static_cast<const Sum*>(step.epsilon_per_sample)[i];
  const Sum floor = static_cast<Sum>(step.lower), ceiling = static_cast<Sum>(step.upper);
  // Three loops, because a loop in which nothing is chosen becomes vector instructions.
  if (lower == nullptr && upper == nullptr) {
#pragma omp simd
    for (std::int64_t j = begin; j < end; ++j) {
      out[j] = E::store(linf_step<Sum>(E::load(perturbed[j]), E::load(clean[j]), E::load(gradient[j]), size, epsilon,
                                       floor, ceiling));
    }
  } else if (lower != nullptr && upper != nullptr) {
#pragma omp simd
    for (std::int64_t j = begin; j < end; ++j) {
      out[j] = E::store(linf_step<Sum>(E::load(perturbed[j]), E::load(clean[j]), E::load(gradient[j]), size, epsilon,
                                       lower[j], upper[j]));
    }
  } else {
    for (std::int64_t j = begin; j < end; ++j) {
      out[j] = E::store(linf_step<Sum>(E::load(perturbed[j]), E::load(clean[j]), E::load(gradient[j]), size, epsilon,
                                       lower == nullptr ? floor : lower[j], upper == nullptr ? ceiling : upper[j]));
    }
  }
}

// Elements [begin, end) of all n * d.
template <typename E>
void linf_range_of(const LinfStep& step, std::int64_t begin, std::int64_t end) {
  while (begin < end) {
    const std::int64_t i = begin / step.n_features;
    const std::int64_t first = begin - i * step.n_features;
    const std::int64_t left = end - begin;
    const std::int64_t last = left < step.n_features - first ? first + left : step.n_features;
    linf_run<E>(step, i, first, last);
    begin += last - first;
  }
}

inline void linf_range(Element element, const LinfStep& step, std::int64_t begin, std::int64_t end) {
  switch (element) {
    case Element::float64: return linf_range_of<Plain<double>>(step, begin, end);
    case Element::bfloat16: return linf_range_of<Brain16>(step, begin, end);
    case Element::float16: return linf_range_of<Half16>(step, begin, end);
    default: return linf_range_of<Plain<float>>(step, begin, end);
  }
}
