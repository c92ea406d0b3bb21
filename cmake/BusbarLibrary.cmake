# busbar_library(NAME
#   [DEPS lib...]        libraries of the house it uses; checked against cmake/arrows.cmake
#   [SYSTEM name...]     system libraries by the short names of cmake/Packages.cmake
#   [PROGRAM name]       main.cpp of the folder becomes this installed program
#   [TEST_SYSTEM name...] more system libraries for the unit tests only
#   [TEST_LABELS l...]   labels for the unit tests
#   [TEST_TIMEOUT s]     seconds one test case may take; default 120
# )
#
# Globs the folder recursively (folders below with an own CMakeLists.txt are not its business):
#   *.cpp        the static library NAME; without any, NAME is header-only
#   *_test.cpp   the program NAME_test: GoogleTest main and rapidcheck, NAME and its DEPS only
#   *.hpp, *.h   each compiled alone in NAME_headers_test, unless x.cpp stands beside x.hpp:
#                that file includes its own header first (tools/tidy checks it), which is the same
# and links NAME_link_test: an empty main with the whole of NAME and only what it declares, so a
# call across an undeclared arrow fails the build.

# Every program of the house, without tests: what ./scripts/build makes.
add_custom_target(programs)

function(busbar_glob out pattern)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}
       ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
  file(GLOB_RECURSE nested RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}
       ${CMAKE_CURRENT_SOURCE_DIR}/CMakeLists.txt)
  foreach(listfile IN LISTS nested)
    cmake_path(GET listfile PARENT_PATH folder)
    if(folder)
      list(FILTER found EXCLUDE REGEX "^${folder}/")
    endif()
  endforeach()
  list(SORT found)
  set(${out} ${found} PARENT_SCOPE)
endfunction()

function(busbar_check_arrows name)
  if(NOT name IN_LIST busbar_libraries)
    message(FATAL_ERROR "${name} is not in cmake/arrows.cmake. A new library needs a row there, "
                        "a line in docs/architecture.md and a decision in docs/decisions/.")
  endif()
  foreach(dep IN LISTS ARGN)
    if(NOT dep IN_LIST arrows_${name})
      message(FATAL_ERROR "${name} may not depend on ${dep}: cmake/arrows.cmake allows "
                          "{${arrows_${name}}}. Turn the dependency round or pass values.")
    endif()
  endforeach()
endfunction()

# What nearly every test includes, compiled once: saves half of the time a small test takes to
# compile. Only test programs use it; libraries and their headers are compiled without.
if(BUILD_TESTING)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/test_pch.cpp @ONLY CONTENT "")
  add_library(busbar_test_pch OBJECT ${PROJECT_BINARY_DIR}/generated/test_pch.cpp)
  target_link_libraries(busbar_test_pch PRIVATE GTest::gtest rapidcheck)
  target_precompile_headers(busbar_test_pch PRIVATE <gtest/gtest.h> <rapidcheck/gtest.h>)
endif()

# Registers a GoogleTest program with ctest, by case or by binary.
function(busbar_add_gtest target)
  cmake_parse_arguments(arg "" "TIMEOUT" "LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(BUSBAR_TEST_GRANULARITY STREQUAL "binary")
    math(EXPR timeout "${arg_TIMEOUT} * 5")
    add_test(NAME ${target} COMMAND ${target})
    set_tests_properties(${target} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${timeout})
  else()
    include(GoogleTest)
    gtest_discover_tests(${target} TEST_PREFIX "${target}." DISCOVERY_MODE PRE_TEST
                         DISCOVERY_TIMEOUT 60
                         PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
  endif()
endfunction()

function(busbar_header_test name)
  set(sources)
  foreach(header IN LISTS ARGN)
    string(REGEX REPLACE "\\.hp?p?$" ".cpp" twin ${header})
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${twin})
      continue()
    endif()
    file(RELATIVE_PATH from_root ${PROJECT_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR}/${header})
    string(MAKE_C_IDENTIFIER ${header} flat)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${flat}.cpp)
    file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
         "#include \"@from_root@\"  // alone\n#include \"@from_root@\"  // and twice\n")
    list(APPEND sources ${source})
  endforeach()
  if(NOT sources)
    return()
  endif()
  add_library(${name}_headers_test OBJECT ${sources})
  target_link_libraries(${name}_headers_test PRIVATE ${name})
  target_compile_options(${name}_headers_test PRIVATE -O0 -g0)
endfunction()

function(busbar_library name)
  cmake_parse_arguments(arg "" "PROGRAM;TEST_TIMEOUT"
                        "DEPS;SYSTEM;TEST_SYSTEM;TEST_LABELS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "busbar_library(${name}): unknown argument ${arg_UNPARSED_ARGUMENTS}")
  endif()
  busbar_check_arrows(${name} ${arg_DEPS})
  busbar_system_targets(system ${arg_SYSTEM})
  busbar_system_targets(test_system ${arg_TEST_SYSTEM})

  busbar_glob(sources *.cpp)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  if(arg_PROGRAM)
    list(REMOVE_ITEM sources main.cpp)
  endif()
  busbar_glob(headers *.h)
  busbar_glob(headers_pp *.hpp)
  list(APPEND headers ${headers_pp})

  if(sources)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${name} PUBLIC ${arg_DEPS} PRIVATE ${system})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${name} INTERFACE ${arg_DEPS} ${system})
  endif()

  if(arg_PROGRAM AND NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp)
    message(WARNING "busbar_library(${name} PROGRAM ${arg_PROGRAM}) needs a main.cpp")
  elseif(arg_PROGRAM)
    add_executable(${arg_PROGRAM} main.cpp)
    target_link_libraries(${arg_PROGRAM} PRIVATE ${name} ${system})
    set_target_properties(${arg_PROGRAM} PROPERTIES
                          RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
    add_dependencies(programs ${arg_PROGRAM})
    install(TARGETS ${arg_PROGRAM} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()

  if(NOT BUILD_TESTING)
    return()
  endif()
  busbar_header_test(${name} ${headers})
  if(sources)
    add_executable(${name}_link_test ${PROJECT_SOURCE_DIR}/cmake/link_test.cpp)
    target_link_libraries(${name}_link_test PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,${name}>
                          ${arg_DEPS} ${system})
    add_test(NAME ${name}_link_test COMMAND ${name}_link_test)
  endif()
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${name} ${arg_DEPS} ${system} ${test_system}
                          GTest::gtest_main rapidcheck)
    target_precompile_headers(${name}_test REUSE_FROM busbar_test_pch)
    busbar_add_gtest(${name}_test TIMEOUT ${arg_TEST_TIMEOUT}
                     LABELS ${name} ${arg_TEST_LABELS})
  endif()
endfunction()

# busbar_test_program(NAME DEPS lib... [SYSTEM ...] [TIMEOUT s] [LABELS ...] [SOURCES file...])
# A test program of tests/: all *.cpp of its folder unless SOURCES says which. It may use any
# library of the house.
function(busbar_test_program name)
  cmake_parse_arguments(arg "" "TIMEOUT" "DEPS;SYSTEM;LABELS;SOURCES" ${ARGN})
  if(NOT BUILD_TESTING)
    return()
  endif()
  foreach(dep IN LISTS arg_DEPS)
    if(NOT TARGET ${dep})
      message(STATUS "test program ${name} waits for the library ${dep}")
      return()
    endif()
  endforeach()
  busbar_system_targets(system ${arg_SYSTEM})
  if(NOT arg_SOURCES)
    busbar_glob(arg_SOURCES *.cpp)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} ${system} GTest::gtest_main rapidcheck)
  target_precompile_headers(${name} REUSE_FROM busbar_test_pch)
  busbar_add_gtest(${name} TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABELS})
endfunction()
