# Flags that hold for every target of the house.

add_compile_options(
  -Wall -Wextra -Wno-missing-field-initializers -Wpedantic -Wshadow
  # Same arithmetic on every machine: no fused multiply-add, no reordering.
  -ffp-contract=off -fno-fast-math
  -fdiagnostics-color=auto)
# Warnings are errors with the compiler of the house; clang only builds the fuzzers.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Werror)
  # GCC 12 reports these wrongly inside its own <string> and <vector> when it inlines a lot.
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds
                      -Wno-maybe-uninitialized -Wno-dangling-pointer -Wno-stringop-overread)
endif()
if(BUSBAR_SANITIZE)
  # Six sources are compiled as one: 40 % less to compile, since headers are instrumented once.
  # Every other build compiles them apart, and so finds what a file forgot to include.
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 6)
  # Both speak of one source's names as seen from another.
  add_compile_options(-Wno-shadow -Wno-subobject-linkage)
  add_compile_options(-fsanitize=${BUSBAR_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BUSBAR_SANITIZE})
  if(BUSBAR_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
    if(BUSBAR_FUZZ)
      # A third less to compile without these looks at every pointer that is followed. A null one
      # still stops the program.
      add_compile_options(-fno-sanitize=null,alignment,object-size,vptr)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # Beside a shared libasan a shared libubsan ignores log_path: what a child finds goes unseen.
      add_link_options(-static-libubsan)
    endif()
  endif()
endif()
if(NOT BUSBAR_SANITIZE)
  add_compile_options(-fstack-protector-strong)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
