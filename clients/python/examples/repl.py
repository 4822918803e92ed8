"""Drive a program that answers line by line, here a Python: ask, and read up to its prompt."""

import sys

from hcsd_client import STDOUT
from hcsd_client.blocking import Client, RemoteProcess

PROMPT = b">>> "


def answer(process: RemoteProcess, question: str = "") -> str:
    if question:
        process.stdin.write(question.encode() + b"\n")
    said = b""
    while not said.endswith(PROMPT):
        said += process.stdout.receive()
    return said.removesuffix(PROMPT).decode().strip()


with Client() as client, client.run(["python3", "-qiu"], stdin=True, stderr=STDOUT) as process:
    answer(process)
    print(answer(process, "n = 6 * 7"), answer(process, "n"))
    print(answer(process, "n / 0").splitlines()[-1])
    process.stdin.close()
    sys.exit(process.wait().exit_code)
