/* Keeps one core from falling asleep: awake CORE PARENT. Runs in the class SCHED_IDLE, so it gives way at once; pauses
 * rather than computes, so it takes next to nothing from whatever shares the processor. Ends when PARENT is gone. */

#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAUSES = 4096 };

static inline void pause_a_moment(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#else
    __asm__ volatile("");
#endif
}

int main(int count, char **words) {
    if (count != 3) return 2;
    pid_t parent = (pid_t)atol(words[2]);
    cpu_set_t mine;
    CPU_ZERO(&mine);
    CPU_SET(atoi(words[1]), &mine);
    struct sched_param none = {0};
    if (sched_setaffinity(0, sizeof mine, &mine) || sched_setscheduler(0, SCHED_IDLE, &none)) return 1;
    puts("awake");
    fflush(stdout);
    while (getppid() == parent)
        for (int at = 0; at < PAUSES; at++) pause_a_moment();
    return 0;
}
