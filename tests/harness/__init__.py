"""What end-to-end tests, chaos tests, the demo and the benchmarks share: private servers, a
platform, comparison."""
