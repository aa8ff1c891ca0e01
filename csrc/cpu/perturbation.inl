// Rows of a perturbation on one instruction set. Compiled once per namespace by for_each_isa.h.
//
// `out` may be `perturbed`: each element is read for the last time before it is written.

#include "cpu/l1_ball.inl"

// The limits of a feature where all features share them, and where each has its own: a loop in which nothing is chosen
// becomes vector instructions.
template <typename Sum>
struct Alike {
  Sum floor, ceiling;
  explicit Alike(const Ball& ball) : floor(static_cast<Sum>(ball.lower)), ceiling(static_cast<Sum>(ball.upper)) {}
  COTRAIN_INLINE Sum scale(std::int64_t) const { return Sum(1); }
  COTRAIN_INLINE Sum lower(std::int64_t) const { return floor; }
  COTRAIN_INLINE Sum upper(std::int64_t) const { return ceiling; }
};

template <typename Sum>
struct Each {
  const Sum *scales, *floors, *ceilings;
  explicit Each(const Ball& ball)
      : scales(static_cast<const Sum*>(ball.scale_per_feature)),
        floors(static_cast<const Sum*>(ball.lower_per_feature)),
        ceilings(static_cast<const Sum*>(ball.upper_per_feature)) {}
  COTRAIN_INLINE Sum scale(std::int64_t j) const { return scales[j]; }
  COTRAIN_INLINE Sum lower(std::int64_t j) const { return floors[j]; }
  COTRAIN_INLINE Sum upper(std::int64_t j) const { return ceilings[j]; }
};

// One sample's part of each tensor.
template <typename E>
struct Row {
  const typename E::Raw *perturbed, *clean, *gradient;
  typename E::Raw* out;
  typename E::Sum epsilon;
  Row(const Perturbation& step, std::int64_t i)
      : perturbed(static_cast<const typename E::Raw*>(step.perturbed) + i * step.n_features),
        clean(static_cast<const typename E::Raw*>(step.clean) + i * step.n_features),
        gradient(static_cast<const typename E::Raw*>(step.gradient) + i * step.n_features),
        out(static_cast<typename E::Raw*>(step.out) + i * step.n_features),
        epsilon(step.epsilon_per_sample == nullptr
                    ? static_cast<typename E::Sum>(step.epsilon)
                    : static_cast<const typename E::Sum*>(step.epsilon_per_sample)[i]) {}
};

// Features [begin, end) of one row.
template <typename E, typename Features>
void linf_row(const Perturbation& step, const Features& features, std::int64_t i, std::int64_t begin,
              std::int64_t end) {
  using Sum = typename E::Sum;
  const Row<E> row(step, i);
  const Sum size = static_cast<Sum>(step.step_size);
#pragma omp simd
  for (std::int64_t j = begin; j < end; ++j) {
    row.out[j] = E::store(linf_step<Sum>(E::load(row.perturbed[j]), E::load(row.clean[j]), E::load(row.gradient[j]),
                                         features.scale(j), size, row.epsilon, features.lower(j), features.upper(j)));
  }
}

// In blocks whose offsets and slopes are taken before they are summed: with the choices that they need, a loop that
// also sums does not become vector instructions.
template <typename E, typename Features>
L2Step<typename E::Sum> l2_sums(const Perturbation& step, const Features& features, const Row<E>& row) {
  using Sum = typename E::Sum;
  constexpr std::int64_t block = 512;
  Sum offset[block], slope[block];
  double offsets = 0, product = 0, slopes = 0;
  for (std::int64_t first = 0; first < step.n_features; first += block) {
    const std::int64_t n = step.n_features - first < block ? step.n_features - first : block;
#pragma omp simd
    for (std::int64_t k = 0; k < n; ++k) {
      const std::int64_t j = first + k;
      const Sum scale = features.scale(j);
      offset[k] = seen(offset_of<Sum>(E::load(row.perturbed[j]), E::load(row.clean[j]), scale));
      slope[k] = slope_of<Sum>(E::load(row.gradient[j]), scale);
    }
#pragma omp simd reduction(+ : offsets, product, slopes)
    for (std::int64_t k = 0; k < n; ++k) {
      const double u = offset[k], g = slope[k];
      offsets += u * u;
      product += u * g;
      slopes += g * g;
    }
  }
  return l2_step_of<Sum>(offsets, product, slopes, step.step_size, row.epsilon);
}

// The second sweep finds the row in the cache where three rows fit into it.
template <typename E, typename Features>
void l2_row(const Perturbation& step, const Features& features, std::int64_t i) {
  using Sum = typename E::Sum;
  const Row<E> row(step, i);
  const L2Step<Sum> whole = l2_sums(step, features, row);
#pragma omp simd
  for (std::int64_t j = 0; j < step.n_features; ++j) {
    row.out[j] = E::store(l2_step<Sum>(E::load(row.perturbed[j]), E::load(row.clean[j]), E::load(row.gradient[j]),
                                       features.scale(j), whole, features.lower(j), features.upper(j)));
  }
}

// room: [d], for the pulls, then for the sizes of the offsets.
template <typename E, typename Features>
void l1_row(const Perturbation& step, const Features& features, std::int64_t i, typename E::Sum* room) {
  using Sum = typename E::Sum;
  const Row<E> row(step, i);
  const std::int64_t d = step.n_features;
  L1Step<Sum> whole;
  whole.step_size = static_cast<Sum>(step.step_size);
#pragma omp simd
  for (std::int64_t j = 0; j < d; ++j) {
    room[j] = l1_pull<Sum>(E::load(row.perturbed[j]), E::load(row.gradient[j]), features.scale(j), whole.step_size,
                           features.lower(j), features.upper(j));
  }
  std::int64_t n_moved = 0;
  whole.threshold = threshold_of_top<Sum>(Pulls<Sum>{room, d}, step.n_top, n_moved);
  whole.size = static_cast<Sum>(step.step_size / static_cast<double>(n_moved > 0 ? n_moved : 1));
#pragma omp simd
  for (std::int64_t j = 0; j < d; ++j) {
    const Sum perturbed = E::load(row.perturbed[j]), scale = features.scale(j);
    const Sum move = l1_move<Sum>(perturbed, E::load(row.gradient[j]), scale, whole, features.lower(j),
                                  features.upper(j));
    const Sum far = seen(offset_of<Sum>(perturbed, E::load(row.clean[j]), scale)) + move;
    room[j] = far < Sum(0) ? -far : far;
  }
  whole.shrinkage = shrinkage_into_l1_ball<Sum>(Sizes<Sum>{room, d}, row.epsilon);
#pragma omp simd
  for (std::int64_t j = 0; j < d; ++j) {
    row.out[j] = E::store(l1_step<Sum>(E::load(row.perturbed[j]), E::load(row.clean[j]), E::load(row.gradient[j]),
                                       features.scale(j), whole, features.lower(j), features.upper(j)));
  }
}

template <typename E, typename Features>
void start_row(const RandomStart& start, const Features& features, std::int64_t i) {
  using Raw = typename E::Raw;
  using Sum = typename E::Sum;
  const std::int64_t d = start.n_features;
  const Raw* clean = static_cast<const Raw*>(start.clean) + i * d;
  const Sum* direction = static_cast<const Sum*>(start.direction) + i * d;
  Raw* out = static_cast<Raw*>(start.out) + i * d;
  const Sum radius = start.epsilon_per_sample == nullptr ? static_cast<Sum>(start.epsilon)
                                                         : static_cast<const Sum*>(start.epsilon_per_sample)[i];
  double sizes = 0, squares = 0;
  if (start.norm != Norm::linf) {
#pragma omp simd reduction(+ : sizes, squares)
    for (std::int64_t j = 0; j < d; ++j) {
      const double value = features.scale(j) > Sum(0) ? direction[j] : Sum(0);
      sizes += value < 0 ? -value : value;
      squares += value * value;
    }
  }
  const double length = start.norm == Norm::linf ? 1.0 : start.norm == Norm::l1 ? sizes : std::sqrt(squares);
  const Sum norm = static_cast<Sum>(length);
#pragma omp simd
  for (std::int64_t j = 0; j < d; ++j) {
    out[j] = E::store(placed<Sum>(direction[j], norm, E::load(clean[j]), features.scale(j), radius, features.lower(j),
                                  features.upper(j)));
  }
}

// Elements [begin, end) of all n * d.
template <typename E, typename Features>
void linf_elements(const Perturbation& step, std::int64_t begin, std::int64_t end) {
  const Features features(step);
  while (begin < end) {
    const std::int64_t i = begin / step.n_features;
    const std::int64_t first = begin - i * step.n_features;
    const std::int64_t left = end - begin;
    const std::int64_t last = left < step.n_features - first ? first + left : step.n_features;
    linf_row<E>(step, features, i, first, last);
    begin += last - first;
  }
}

template <typename E, typename Features>
void perturb_rows_of(const Perturbation& step, std::int64_t begin, std::int64_t end, void* room) {
  const Features features(step);
  for (std::int64_t i = begin; i < end; ++i) {
    if (step.norm == Norm::l2) l2_row<E>(step, features, i);
    else l1_row<E>(step, features, i, static_cast<typename E::Sum*>(room));
  }
}

template <typename E, typename Features>
void start_rows_of(const RandomStart& start, std::int64_t begin, std::int64_t end) {
  const Features features(start);
  for (std::int64_t i = begin; i < end; ++i) start_row<E>(start, features, i);
}

// Picks a function by the number type and by whether the features are alike.
#define COTRAIN_BY_TYPE(function, element, given, ...)                                                  \
  switch (element) {                                                                                    \
    case Element::float64: return COTRAIN_BY_FEATURES(function, Plain<double>, given, __VA_ARGS__);     \
    case Element::bfloat16: return COTRAIN_BY_FEATURES(function, Brain16, given, __VA_ARGS__);          \
    case Element::float16: return COTRAIN_BY_FEATURES(function, Half16, given, __VA_ARGS__);            \
    default: return COTRAIN_BY_FEATURES(function, Plain<float>, given, __VA_ARGS__);                    \
  }
#define COTRAIN_BY_FEATURES(function, E, given, ...)                             \
  ((given).features_are_alike() ? function<E, Alike<typename E::Sum>>(given, __VA_ARGS__) \
                                : function<E, Each<typename E::Sum>>(given, __VA_ARGS__))

inline void linf_range(Element element, const Perturbation& step, std::int64_t begin, std::int64_t end) {
  COTRAIN_BY_TYPE(linf_elements, element, step, begin, end)
}

inline void perturb_rows(Element element, const Perturbation& step, std::int64_t begin, std::int64_t end, void* room) {
  COTRAIN_BY_TYPE(perturb_rows_of, element, step, begin, end, room)
}

inline void start_rows(Element element, const RandomStart& start, std::int64_t begin, std::int64_t end) {
  COTRAIN_BY_TYPE(start_rows_of, element, start, begin, end)
}

#undef COTRAIN_BY_TYPE
#undef COTRAIN_BY_FEATURES
