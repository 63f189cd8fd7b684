// AWS Signature Version 4 for the header of a request; checked against botocore byte for byte.
// Our own because libcurl 7.88.1 (Debian 12) signs some requests wrongly: it does not encode a path
// with percent escapes the second time and does not sort the query. Evidence: the test
// AwsSign.LibcurlIsWrongWhere signs the same requests with both.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "runtime/http_client.h"

namespace minato::runtime {

struct AwsToSign {
  std::string_view method;
  std::string_view host;   // as in the Host header: with the port unless it is the scheme's
  std::string_view path;   // as sent, percent-encoded
  std::string_view query;  // as sent, without "?"
  const Fields& headers;   // all of them are signed, but those that proxies change
  std::string_view body;
};

/// The headers to add to the request: X-Amz-Date, X-Amz-Security-Token with temporary credentials,
/// X-Amz-Content-SHA256 for S3, Authorization.
Fields aws_headers(const AwsSignature& signature, const AwsToSign& request,
                   std::chrono::sys_seconds now);

}  // namespace minato::runtime
