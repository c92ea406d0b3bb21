// Two threads write one number without a lock.
#include <thread>

int main(int count, char**) {
  int number = 0;
  const auto add = [&number, count] {
    for (int i = 0; i < 1000; ++i) number += count;
  };
  std::thread first(add), second(add);
  first.join();
  second.join();
  return number < 0 ? 1 : 0;
}
