#include "CSimulator.h"

// By thread: what other threads of the process enqueue (the test runner's own tasks) is none of a simulation's.
static _Thread_local void *current;

void *simulator_current(void) { return current; }
void simulator_set_current(void *scheduler) { current = scheduler; }
