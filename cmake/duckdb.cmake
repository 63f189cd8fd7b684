# DuckDB as ./dev setup laid it down (.deps/duckdb: libduckdb.so, duckdb.h, extensions/), or an own copy.
set(MINATO_DUCKDB_ROOT "$ENV{MINATO_DUCKDB_ROOT}" CACHE PATH "directory with libduckdb.so, duckdb.h, extensions/")
if(NOT MINATO_DUCKDB_ROOT)
  set(MINATO_DUCKDB_ROOT ${CMAKE_SOURCE_DIR}/.deps/duckdb)
endif()
foreach(part libduckdb.so duckdb.h extensions/ducklake.duckdb_extension)
  if(NOT EXISTS ${MINATO_DUCKDB_ROOT}/${part})
    message(FATAL_ERROR "${MINATO_DUCKDB_ROOT}/${part} is missing: run ./dev setup")
  endif()
endforeach()
add_library(duckdb::duckdb SHARED IMPORTED)
set_target_properties(duckdb::duckdb PROPERTIES
  IMPORTED_LOCATION ${MINATO_DUCKDB_ROOT}/libduckdb.so
  INTERFACE_INCLUDE_DIRECTORIES ${MINATO_DUCKDB_ROOT})
