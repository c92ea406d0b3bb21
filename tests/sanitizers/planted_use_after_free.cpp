// Reads a heap block that was given back.
int main(int count, char**) {
  auto* number = new volatile int(count);
  delete number;
  return *number > 1'000'000 ? 1 : 0;
}
