/*
 * What the contract tests start in a Windows guest. It starts in a third of the time that cmd takes,
 * and says what it was given without any shell's quoting.
 *
 *   guest exit CODE | print OUT ERR | sleep | say TEXT | cat | variable NAME | directory
 *         | arguments ARG... | zeros COUNT | tick | stubborn TEXT | parent | mute | await CODE
 */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

static void put(FILE *to, const WCHAR *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *bytes = malloc(size);

    if (!bytes || !size)
        exit(3);
    WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size, NULL, NULL);
    fputs(bytes, to);
    free(bytes);
}

static void variable(const WCHAR *name)
{
    DWORD size = GetEnvironmentVariableW(name, NULL, 0);
    WCHAR *value = calloc(size + 1, sizeof *value);

    if (!size && GetLastError() == ERROR_ENVVAR_NOT_FOUND) {
        puts("unset");
        return;
    }
    if (!value)
        exit(3);
    GetEnvironmentVariableW(name, value, size);
    putchar('[');
    put(stdout, value);
    putchar(']');
}

static void directory(void)
{
    WCHAR path[MAX_PATH];

    if (!GetCurrentDirectoryW(MAX_PATH, path))
        exit(3);
    put(stdout, path);
}

static void copy(void)
{
    static char buffer[65536];
    DWORD count, written;
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE), out = GetStdHandle(STD_OUTPUT_HANDLE);

    while (ReadFile(in, buffer, sizeof buffer, &count, NULL) && count)
        for (DWORD done = 0; done < count; done += written)
            if (!WriteFile(out, buffer + done, count - done, &written, NULL))
                exit(4);
}

static void zeros(size_t count)
{
    static const char buffer[65536];
    size_t size;

    for (; count; count -= size) {
        size = count < sizeof buffer ? count : sizeof buffer;
        if (!fwrite(buffer, size, 1, stdout))
            exit(4);
    }
}

/* Print a line now and then, for ever. */
static void tick(void)
{
    for (;; Sleep(1)) {
        puts("tick");
        fflush(stdout);
    }
}

static BOOL WINAPI ignore(DWORD event)
{
    (void)event;
    return TRUE;
}

/* Say the pid of a child that sleeps, and sleep. */
static void parent(WCHAR *program)
{
    STARTUPINFOW info = {.cb = sizeof info};
    PROCESS_INFORMATION made;
    WCHAR line[MAX_PATH + 16];

    _snwprintf(line, MAX_PATH + 16, L"\"%ls\" sleep", program);
    if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, DETACHED_PROCESS, NULL, NULL, &info, &made))
        exit(5);
    printf("%lu\n", made.dwProcessId);
    fflush(stdout);
    Sleep(INFINITE);
}

/* Close all output and sleep. */
static void mute(void)
{
    CloseHandle(GetStdHandle(STD_OUTPUT_HANDLE));
    CloseHandle(GetStdHandle(STD_ERROR_HANDLE));
    Sleep(INFINITE);
}

/* Wait for input, and exit. */
static void await(DWORD code)
{
    char byte;
    DWORD count;

    ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &count, NULL);
    ExitProcess(code);
}

int wmain(int argc, WCHAR **argv)
{
    const WCHAR *verb = argc > 1 ? argv[1] : L"", *operand = argc > 2 ? argv[2] : L"";

    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    _setmode(2, _O_BINARY);
    if (!wcscmp(verb, L"exit")) {
        ExitProcess(wcstoul(operand, NULL, 10));
    } else if (!wcscmp(verb, L"print")) {
        put(stdout, operand);
        put(stderr, argc > 3 ? argv[3] : L"");
    } else if (!wcscmp(verb, L"sleep")) {
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"say")) {
        put(stdout, operand);
        putchar('\n');
        fflush(stdout);
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"cat")) {
        copy();
    } else if (!wcscmp(verb, L"variable")) {
        variable(operand);
    } else if (!wcscmp(verb, L"directory")) {
        directory();
    } else if (!wcscmp(verb, L"arguments")) {
        for (int i = 2; i < argc; i++) {
            putchar('[');
            put(stdout, argv[i]);
            puts("]");
        }
    } else if (!wcscmp(verb, L"zeros")) {
        zeros(wcstoull(operand, NULL, 10));
    } else if (!wcscmp(verb, L"tick")) {
        tick();
    } else if (!wcscmp(verb, L"stubborn")) {
        SetConsoleCtrlHandler(ignore, TRUE);
        put(stdout, operand);
        fflush(stdout);
        Sleep(INFINITE);
    } else if (!wcscmp(verb, L"parent")) {
        parent(argv[0]);
    } else if (!wcscmp(verb, L"mute")) {
        mute();
    } else if (!wcscmp(verb, L"await")) {
        await(wcstoul(operand, NULL, 10));
    } else {
        fputs("guest: what?\n", stderr);
        return 2;
    }
    return 0;
}
