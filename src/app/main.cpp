// The program: every command and every role of `minato serve` starts here.
int main() { return 0; }
