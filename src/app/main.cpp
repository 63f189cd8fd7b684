// The program: every command and every role of `minato serve` starts here.
#include "app/cli.h"

int main(int argc, char** argv) { return minato::app::run(argc, argv); }
