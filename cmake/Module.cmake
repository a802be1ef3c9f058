# Options that every target of ours is built with.
add_library(sluice_options INTERFACE)
target_compile_features(sluice_options INTERFACE cxx_std_20)
target_include_directories(sluice_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
if(MSVC)
  target_compile_options(sluice_options INTERFACE /W4 /WX /utf-8)
else()
  target_compile_options(sluice_options INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of GCC 12 when it optimises: `"text" + std::string` (GCC bug 105651), vectors in designated initialisers.
  target_compile_options(sluice_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(SLUICE_SANITIZE)
  target_compile_options(sluice_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(sluice_options INTERFACE -fsanitize=address,undefined)
endif()

# sluice_module(NAME FOLDER DEPS...): a static library sluice_NAME of the folder's .cpp files. Its *_test.cpp and *_ref.cpp files (the
# tests' oracles) make the program NAME_test, which CTest runs.
function(sluice_module name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|ref)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_(test|ref)\\.cpp$")
  add_library(sluice_${name} STATIC ${sources})
  target_link_libraries(sluice_${name} PUBLIC sluice_options fmt::fmt ${ARGN})
  if(BUILD_TESTING AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE sluice_${name} GTest::gtest_main)
    sluice_register_test(${name}_test)
  endif()
endfunction()

# One CTest test a program: a GPU device is opened once, not once a case.
function(sluice_register_test target)
  add_test(NAME ${target} COMMAND ${target} --gtest_brief=1 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${target} PROPERTIES TIMEOUT 900)
endfunction()
