"""Programs that fork faster than a look at them takes.

A chain forks, ends and lets its child go on. Each link lives for some 100 µs. It is written in C where
there is a compiler, since an interpreter is slower. All chains of a program have 8000 such links, and
then slow ones: dead links keep their pids until they are reaped, and the machine has some 30,000 for
everybody. A chain ends by itself after a while, so that a test that fails leaves nothing for ever.
"""

import shutil
import subprocess
import sys
from pathlib import Path

CHAIN = r"""
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int count = atoi(argv[1]), sessions = !strcmp(argv[2], "sessions");
    time_t end = time(0) + atoi(argv[3]);
    int chain = 0;
    while (chain < count && fork() > 0) chain++;
    if (chain == count) {
        write(1, "off\n", 4);
        if (argc > 4) for (;;) pause();
        return 0;
    }
    if (sessions && chain % 2) setsid();
    for (int link = 0; time(0) < end; link++) {
        if (link > 8000 / count) usleep(20000);
        pid_t child = fork();
        if (child > 0) _exit(0);
        if (child == 0 && sessions && chain % 2) setsid();
    }
    return 0;
}
"""
SLOW = """
import os, signal, sys, time
count, sessions, end = int(sys.argv[1]), sys.argv[2] == "sessions", time.time() + int(sys.argv[3])
chain = 0
while chain < count and os.fork(): chain += 1
if chain == count:
    os.write(1, b"off\\n")
    if len(sys.argv) > 4: signal.pause()
    os._exit(0)
if sessions and chain % 2: os.setsid()
link = 0
while time.time() < end:
    link += 1
    if link > 8000 / count: time.sleep(0.02)
    if os.fork(): os._exit(0)
    if sessions and chain % 2: os.setsid()
"""
# Has 512 processes, if nobody ends it first; a third of them have sessions of their own.
BOMB = r"""
#include <unistd.h>
int main() {
    int root = getpid();
    for (int turn = 0; turn < 9; turn++)
        if (fork() == 0 && turn % 3 == 0) setsid();
    if (getpid() == root) write(1, "off\n", 4);
    sleep(60);
    return 0;
}
"""
SLOW_BOMB = """
import os, time
root = os.getpid()
for turn in range(9):
    if os.fork() == 0 and turn % 3 == 0: os.setsid()
if os.getpid() == root: os.write(1, b"off\\n")
time.sleep(60)
"""
# Replaces itself over and over: 364 processes, many of them in sessions of their own.
MULTITUDE = """
import os, random, time
end = time.monotonic() + 60
def grow(depth):
    for _ in range(3 if depth < 5 else 0):
        if os.fork() == 0:
            if random.random() < .4: os.setsid()
            grow(depth + 1)
            while time.monotonic() < end:
                if os.fork(): os._exit(0)
                if random.random() < .3 and os.getpid() != os.getpgid(0): os.setsid()
                time.sleep(random.random() * .3)
            os._exit(0)
grow(0)
time.sleep(.5)
print("off", flush=True)
time.sleep(1000)
"""


def build_chain(directory: Path) -> list[str]:
    """Make the program of a chain, and return its command.

    Its arguments: how many chains; "sessions" if every other chain makes new sessions, else "plain";
    seconds until it ends by itself; and anything if its first process stays. It prints "off".
    """
    return _build(directory / "chain", CHAIN, SLOW)


def build_bomb(directory: Path) -> list[str]:
    """Make the program of a bounded fork bomb, and return its command. It prints "off"."""
    return _build(directory / "bomb", BOMB, SLOW_BOMB)


def _build(program: Path, text: str, slow: str) -> list[str]:
    compiler = shutil.which("cc")
    if compiler is None:
        return [sys.executable, "-I", "-S", "-c", slow]
    source = program.with_suffix(".c")
    source.write_text(text, encoding="ascii")
    subprocess.run([compiler, "-O1", "-w", "-o", program, source], check=True)
    return [str(program)]
