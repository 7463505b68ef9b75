// Requests for files of former releases: a path that is taken leads into the release's folder, a range into the file.
#include "assets/answer.hpp"
#include "assets/find.hpp"
#include "http/framing.hpp"
#include "input.hpp"

using namespace fleet;
using namespace fleet::proxy::assets;
using fuzz::require;

FLEET_FUZZ_TARGET(input) {
  const std::uint64_t size = input.byte();
  const auto range_field = input.line();
  const auto target = input.line();

  const std::vector<ReleaseAssets> releases{{1, "/r/1", {{"/a/", "public/a"}, {"/a/b/", "b"}}}};
  for (const auto& place : places_of(releases, target)) {
    require(place.root == "/r/1", "the folder is the release's");
    require(is_plain(place.file), "segments are plain");
    require(place.file.starts_with("public/a/") || place.file.starts_with("b/"), "the file is in a folder that is named");
    require(place.file.find("..") == std::string::npos || place.file.find("/..") == std::string::npos, "nothing leads up");
    require(place.file.find('\0') == std::string::npos, "the name is the whole name");
  }

  Range range;
  if (parse_range(range_field, size, range) == Asked::part) {
    require(range.first <= range.last && range.last < size, "a part is of the file");
  }

  std::string text = "GET /a/x.js HTTP/1.1\r\nHost: h\r\n";
  text.append(input.rest());
  text += "\r\n\r\n";
  http::HeadScanner scanner;
  const auto length = scanner.scan(text);
  http::RequestHead head;
  if (!length || *length == 0 || !http::parse_request(std::string_view(text).substr(0, *length), head)) return;
  const auto made = reply(head, {size, 1, 2, 3}, "x.js", 4);
  require(made.first + made.length <= size, "what goes out is of the file");
  http::ResponseHead answer;
  require(http::parse_response(made.head, answer).has_value(), "the head is a head");
  require(answer.status == made.status, "its status is the one decided on");
  require(http::response_framing(answer, head.method).has_value(), "its length is told");
}
