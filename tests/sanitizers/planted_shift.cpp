// Shifts an int by its width.
int main(int count, char**) {
  volatile int width = 31 + count;
  return (count << width) > 1'000'000 ? 1 : 0;
}
