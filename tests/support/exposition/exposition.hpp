// Prometheus' text format 0.0.4 and OpenMetrics 1.0.0, read more strictly than Prometheus does, and held to the naming
// rules that promtool checks.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fleet::test {

struct Exposition {
  // Samples by name and labels, as "name{a=\"b\",c=\"d\"}" with the labels in their order.
  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;  // by family
  std::map<std::string, std::string> helps;
  std::vector<std::string> faults;           // empty: all is right

  // 0 when there is none.
  double at(const std::string& sample) const;
  // Of the samples of this name that have all of these labels, each as "app=\"shop\"".
  double sum(std::string_view name, const std::vector<std::string>& labels = {}) const;
  // Counters (and counts of histograms) that are lower in `later`: each as text. Series that have gone are no fault.
  std::vector<std::string> that_went_down_in(const Exposition& later) const;
};

Exposition read_exposition(std::string_view text, bool openmetrics = false);

}  // namespace fleet::test
