namespace minato {}
