// cotrain.ops._host: the kernels over NumPy arrays. Does not link torch. Checks whatever would otherwise be read or
// written outside an array; what a person may get wrong is said in full sentences by cotrain/ops/pooling.py and quotas.py.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/isa.h"
#include "host/pooling.h"
#include "host/quotas.h"

namespace py = pybind11;

namespace {

// Raised with every change of a signature here: a library older than the Python beside it says so and is not used.
constexpr int interface_version = 1;

// As they are: pybind11 would make a converted copy of anything else, of an output too.
using Numbers = py::array_t<double, py::array::c_style>;
using Codes = py::array_t<std::int64_t, py::array::c_style>;
using Flags = py::array_t<std::int8_t, py::array::c_style>;

void demand(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

cotrain::Opinion opinion_of(const py::array& array, double temperature, py::ssize_t n_rows, py::ssize_t n_classes) {
  demand(array.ndim() == 2 && array.shape(0) == n_rows && array.shape(1) == n_classes, "opinions: all [n, C].");
  const bool is_double = py::isinstance<py::array_t<double>>(array);
  demand(is_double || py::isinstance<py::array_t<float>>(array), "opinions: float32 or float64.");
  const auto element = is_double ? cotrain::Element::float64 : cotrain::Element::float32;
  return {element, array.data(), array.strides(0), array.strides(1), temperature};
}

// One (codes [n], confidence [n], margin [n], agreement [n], probabilities [n, C] or None) per listener.
std::vector<py::tuple> pool_opinions(const std::vector<py::array>& opinions, const std::vector<double>& temperatures,
                                     const Numbers& loudness, const Numbers& log_prior, double voices, double faintest,
                                     double tie, bool keeps_probabilities, std::int64_t shard_rows, int n_threads) {
  const auto n_members = static_cast<py::ssize_t>(opinions.size());
  demand(n_members > 0 && temperatures.size() == opinions.size(), "temperatures: one for each opinion.");
  demand(loudness.ndim() == 2 && loudness.shape(1) == n_members, "loudness: [s, m].");
  demand(opinions[0].ndim() == 2, "opinions: all [n, C].");
  demand(shard_rows > 0 && n_threads > 0, "shard_rows and n_threads: 1 or more.");
  const py::ssize_t n_rows = opinions[0].shape(0), n_classes = opinions[0].shape(1);
  demand(n_classes > 0 && log_prior.ndim() == 1 && log_prior.shape(0) == n_classes, "log_prior: [C].");

  std::vector<cotrain::Opinion> told;
  for (std::size_t j = 0; j < opinions.size(); ++j)
    told.push_back(opinion_of(opinions[j], temperatures[j], n_rows, n_classes));

  std::vector<cotrain::Heard> heard;
  std::vector<py::tuple> results;
  for (py::ssize_t s = 0; s < loudness.shape(0); ++s) {
    Codes codes(n_rows);
    Numbers confidence(n_rows), margin(n_rows), agreement(n_rows);
    py::object probabilities = py::none();
    double* cells = nullptr;
    if (keeps_probabilities) {
      Numbers kept({n_rows, n_classes});
      cells = kept.mutable_data();
      probabilities = kept;
    }
    heard.push_back(
        {codes.mutable_data(), confidence.mutable_data(), margin.mutable_data(), agreement.mutable_data(), cells});
    results.push_back(py::make_tuple(codes, confidence, margin, agreement, probabilities));
  }

  const cotrain::Pooling pooling{n_members, loudness.shape(0), n_rows,           n_classes, told.data(), loudness.data(),
                                 heard.data(), log_prior.data(), voices, faintest, tie};
  {
    const py::gil_scoped_release released;
    cotrain::pool_opinions(pooling, shard_rows, n_threads);
  }
  return results;
}

void admit_surest(const Codes& codes, const Numbers& margin, const Numbers& agreement, Flags verdict, int open,
                  int disputed, int admitted, std::int64_t n_classes, double share, double tie) {
  const py::ssize_t n_rows = verdict.size();
  demand(codes.ndim() == 1 && margin.ndim() == 1 && agreement.ndim() == 1 && verdict.ndim() == 1, "all [n].");
  demand(codes.size() == n_rows && margin.size() == n_rows && agreement.size() == n_rows, "all [n].");
  demand(n_classes > 0, "n_classes: 1 or more.");
  const cotrain::Verdicts kind{static_cast<std::int8_t>(open), static_cast<std::int8_t>(disputed),
                               static_cast<std::int8_t>(admitted)};
  const cotrain::Quotas quotas{n_rows,           n_classes,             codes.data(), margin.data(),
                               agreement.data(), verdict.mutable_data(), kind,         share,
                               tie};
  const py::gil_scoped_release released;
  cotrain::admit_surest(quotas);
}

}  // namespace

PYBIND11_MODULE(_host, module) {
  module.doc() = "Kernels over NumPy arrays.";
  module.attr("INTERFACE") = interface_version;
  module.def("instruction_set", [] { return std::string(cotrain::name_of(cotrain::chosen_isa())); });
  module.def("pool_opinions", &pool_opinions, py::arg("opinions"), py::arg("temperatures"),
             py::arg("loudness").noconvert(), py::arg("log_prior").noconvert(), py::kw_only(), py::arg("voices"),
             py::arg("faintest"), py::arg("tie"), py::arg("keeps_probabilities"), py::arg("shard_rows"),
             py::arg("n_threads"));
  module.def("admit_surest", &admit_surest, py::arg("codes").noconvert(), py::arg("margin").noconvert(),
             py::arg("agreement").noconvert(), py::arg("verdict").noconvert(), py::kw_only(), py::arg("open"),
             py::arg("disputed"), py::arg("admitted"), py::arg("n_classes"), py::arg("share"), py::arg("tie"));
}
